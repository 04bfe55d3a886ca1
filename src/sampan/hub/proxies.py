"""Who asks, when reverse proxies stand before the hub: `--trusted-proxy`.

    browser 198.51.100.7 --> proxy A --> proxy B 10.0.0.2 --> hub
                             X-Forwarded-For: 198.51.100.7, A          Proto: https

Every proxy appends the address that it was asked by, so only the right end of the list is to be
believed: from there leftwards, addresses of trusted proxies are passed over, and the first other
one is the caller's, whatever it may have written before it. A caller that isn't a trusted proxy
itself is what it is: its headers count for nothing. Pure but for `middleware`.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from aiohttp import web

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FORWARDED_FOR, FORWARDED_PROTO = "X-Forwarded-For", "X-Forwarded-Proto"
SCHEMES = frozenset({"http", "https"})


@dataclass(frozen=True, slots=True)
class Caller:
    """`scheme` "": no proxy said which."""

    address: str
    scheme: str = ""


def parse_address(text: str) -> Address | None:
    """Also with a port (`1.2.3.4:80`, `[::1]:80`), which some proxies write."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def caller_of(
    peer: str, forwarded: Sequence[str], schemes: Sequence[str], trusted: Sequence[Network]
) -> Caller:
    """`forwarded` and `schemes` are the headers' entries, the proxies' own last."""
    address = parse_address(peer)
    if address is None or not _is_in(address, trusted):
        return Caller(peer)
    passed = 0
    for entry in reversed(forwarded):
        found = parse_address(entry)
        if found is None:  # nothing left of what can't be read is believed either
            break
        address, passed = found, passed + 1
        if not _is_in(found, trusted):
            break
    return Caller(str(address), _scheme(schemes, passed))


def _scheme(schemes: Sequence[str], passed: int) -> str:
    """What was said by the proxy that the caller asked; a single one is that of all."""
    if not schemes:
        return ""
    found = schemes[-passed] if 1 <= passed <= len(schemes) else schemes[-1]
    return found.lower() if found.lower() in SCHEMES else ""


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _entries(request: web.Request, name: str) -> list[str]:
    """Of all headers of the name, in order."""
    joined = ",".join(request.headers.getall(name, []))
    return [each.strip() for each in joined.split(",") if each.strip()]


def middleware(trusted: Sequence[Network]) -> "Callable[..., Awaitable[web.StreamResponse]]":
    """Handlers then see the caller's address and scheme in `request.remote` and `.scheme`."""

    @web.middleware
    async def believe(request: web.Request, handler: Handler) -> web.StreamResponse:
        peer = request.remote or ""
        found = caller_of(
            peer, _entries(request, FORWARDED_FOR), _entries(request, FORWARDED_PROTO), trusted
        )
        if (found.address, found.scheme or request.scheme) == (peer, request.scheme):
            return await handler(request)
        clone = request.clone(remote=found.address, scheme=found.scheme or request.scheme)
        return await handler(clone)

    return believe
