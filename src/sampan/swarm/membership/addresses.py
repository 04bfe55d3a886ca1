"""The addresses by which a node listens, is reached and sends its containers' traffic.

The rules and texts are dockerd's: an address or an interface's name, with or without a port;
without any, the only address that the system has. The CLI recognises "could not choose an IP
address to advertise" and adds which option to use.
"""

import ipaddress
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sampan.errors import InvalidArgument
from sampan.swarm.membership.defaults import LISTEN_PORT

BAD_LISTEN = "listen address must be an IP address or network interface (with optional port number)"
BAD_ADVERTISE = (
    "advertise address must be a non-zero IP address or network interface "
    "(with optional port number)"
)
BAD_DATA_PATH = (
    "data path address must be a non-zero IP address or network interface (without a port number)"
)
NO_IP = "could not find the system's IP address"
AMBIGUOUS = "could not choose an IP address to advertise since this system has multiple addresses"


@dataclass(frozen=True, slots=True)
class Interface:
    """One that is up. `addresses` without prefix lengths; loopback ones are marked."""

    name: str
    addresses: tuple[str, ...]
    loopback: bool = False


@dataclass(frozen=True, slots=True)
class Addresses:
    """`listen` and `advertise` with ports; `advertise` is empty when the other side must say."""

    listen_host: str
    listen_port: int
    advertise: str
    data_path: str

    @property
    def advertise_host(self) -> str:
        return split(self.advertise)[0] if self.advertise else ""


def split(text: str) -> tuple[str, int | None]:
    """Host and port of `host`, `host:port`, `[v6]`, `[v6]:port` or `v6`. Raises ValueError."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(text)
        return host, _port(rest[1:]) if rest else None
    if text.count(":") > 1:
        return text, None
    host, colon, port = text.partition(":")
    return host, _port(port) if colon else None


def joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise ValueError(text)
    return port


def remote(text: str) -> str:
    """A manager to join at, with its port. Raises InvalidArgument."""
    try:
        host, port = split(text.removeprefix("tcp://"))
    except ValueError:
        host, port = "", None
    if not host:
        raise InvalidArgument(f'invalid remote address "{text}": invalid address')
    return joined(host, port or LISTEN_PORT)


def resolve(
    interfaces: Sequence[Interface],
    *,
    listen: str,
    advertise: str,
    data_path: str,
    default_advertise: str = "",
    detects: bool = True,
) -> Addresses:
    """`detects`: find an address when none is given (`join` may leave that to the manager).

    Raises InvalidArgument with dockerd's texts.
    """
    try:
        host, port = split(listen.removeprefix("tcp://"))
    except ValueError:
        raise InvalidArgument(f'invalid ListenAddr "{listen}": invalid address') from None
    if not host:
        raise InvalidArgument(f'invalid ListenAddr "{listen}": invalid address')
    port = port or LISTEN_PORT
    listen_host = _input(interfaces, host, BAD_LISTEN, unspecified=True)
    wanted = advertise or default_advertise
    if wanted:
        shown = _advertised(interfaces, wanted, port)
    elif not ipaddress.ip_address(listen_host).is_unspecified:
        shown = joined(listen_host, port)
    else:
        shown = joined(system_address(interfaces), port) if detects else ""
    path = _input(interfaces, data_path, BAD_DATA_PATH) if data_path else ""
    return Addresses(listen_host, port, shown, path or (split(shown)[0] if shown else ""))


def _advertised(interfaces: Sequence[Interface], text: str, port: int) -> str:
    try:
        host, given = split(text)
    except ValueError:
        raise InvalidArgument(BAD_ADVERTISE) from None
    return joined(_input(interfaces, host, BAD_ADVERTISE), given or port)


def _input(
    interfaces: Sequence[Interface], text: str, refusal: str, *, unspecified: bool = False
) -> str:
    for interface in interfaces:
        if interface.name == text:
            return _only_address(interface)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise InvalidArgument(refusal) from None
    if address.is_unspecified and not unspecified:
        raise InvalidArgument(refusal)
    return str(address)


def _only_address(interface: Interface) -> str:
    """IPv4 before IPv6; two of one family can't be told apart."""
    for version in (4, 6):
        found = [
            text
            for text in interface.addresses
            if ipaddress.ip_address(text).version == version
            and not ipaddress.ip_address(text).is_link_local
        ]
        if len(found) > 1:
            raise InvalidArgument(
                f"interface {interface.name} has more than one IPv{version} address "
                f"({found[0]} and {found[1]})"
            )
        if found:
            return found[0]
    raise InvalidArgument(f"interface {interface.name} has no usable IPv4 or IPv6 address")


def system_address(interfaces: Sequence[Interface], ignored: Collection[str] = ()) -> str:
    """The only one there is: IPv4 if there is any. Raises InvalidArgument."""
    usable = [one for one in interfaces if not one.loopback and one.name not in ignored]
    for version in (4, 6):
        found = [
            (text, one.name)
            for one in usable
            for text in one.addresses
            if ipaddress.ip_address(text).version == version
            and not ipaddress.ip_address(text).is_link_local
        ]
        if len(found) > 1:
            (first, here), (second, there) = found[:2]
            if here == there:
                raise InvalidArgument(f"{AMBIGUOUS} on interface {here} ({first} and {second})")
            raise InvalidArgument(
                f"{AMBIGUOUS} on different interfaces ({first} on {here} and {second} on {there})"
            )
        if found:
            return found[0][0]
    raise InvalidArgument(NO_IP)


def local_towards(address: str) -> str:
    """The own address that packets to `host:port` leave from. Raises OSError."""
    host, port = split(address)
    found = socket.getaddrinfo(host, port or LISTEN_PORT, type=socket.SOCK_DGRAM)
    family, kind, protocol, _, target = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.connect(target)
        return str(probe.getsockname()[0])
