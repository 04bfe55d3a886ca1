"""Which addresses the hub may connect to when a user names the target (webhooks, git sources).

A name is resolved once per connection, every answer is checked, and the connection goes to
a checked address: what the name resolves to a moment later doesn't matter (DNS rebinding).

Refused unless an administrator allowed the network: everything that isn't a public unicast address
(loopback, private, link-local with the clouds' metadata services, shared, multicast, reserved),
and IPv6 forms that carry such an IPv4 address (mapped, compatible, 6to4, Teredo, NAT64).
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from sampan.errors import Denied, Unavailable

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

RESOLVE_LIMIT_S = 10.0
# Azure's platform address is public by its number, and no other machine's
_METADATA = frozenset({ipaddress.ip_address("168.63.129.16")})
# protocol assignments (a cloud's metadata is among them), and site-local IPv6: the standard
# library's tables differ between Python's versions
_MORE = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "fec0::/10")))
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = ipaddress.IPv6Network("::/96")


class AddressRefused(Denied):
    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} isn't a public address",
            hint="an administrator of the hub can allow its network",
        )


class HostUnknown(Unavailable):
    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"can't resolve {host}: {reason}")


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """By the machine's resolver; also takes addresses in any spelling it knows (127.1, 0x7f1)."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class AddressGuard:
    """Called with what users typed. `allowed`: networks that an administrator opened."""

    def __init__(
        self, allowed: Sequence[Network] = (), *, resolve: Resolve = system_resolve
    ) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve

    def permits(self, address: Address) -> bool:
        if any(address in network for network in self._allowed):
            return True
        inner = embedded(address)
        if inner is not None:
            return self.permits(inner)
        return is_public(address)

    async def choose(self, host: str, port: int) -> str:
        """The address to connect to. Raises AddressRefused, HostUnknown."""
        try:
            async with asyncio.timeout(RESOLVE_LIMIT_S):
                found = await self._resolve(host.strip("[]"), port)
        except TimeoutError as error:
            raise HostUnknown(host, "no answer in time") from error
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise HostUnknown(host, reason) from error
        for text in found:
            # a scope (fe80::1%eth0) only makes it more local
            address = ipaddress.ip_address(text.partition("%")[0])
            if "%" not in text and self.permits(address):
                return str(address)
        raise AddressRefused(host)


def is_public(address: Address) -> bool:
    """Pure."""
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
        and address not in _METADATA
        and not any(address in network for network in _MORE)
    )


def embedded(address: Address) -> Address | None:
    """The IPv4 address that packets to this IPv6 address end up at."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _NAT64) or (
        address in _COMPATIBLE and int(address) > 1
    ):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None
