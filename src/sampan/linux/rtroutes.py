"""Messages of rtnetlink about addresses and routes, beside `rtmessages`: pure functions over bytes.

Constants are from <linux/rtnetlink.h> and <linux/if_addr.h>.
"""

import socket
import struct
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_network,
)

from sampan.linux.rtmessages import ACK, CREATE, DUMP, REPLACE, Request, attr, attributes, u32

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Net = IPv4Network | IPv6Network

_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST = 1, 2, 4
_IFA_F_NODAD = 0x02
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_RT_TABLE_MAIN, _RTPROT_BOOT, _SCOPE_UNIVERSE, _SCOPE_LINK, _RTN_UNICAST = 254, 3, 0, 253, 1
_RTN_CLAIMS = frozenset({1, 6, 7, 8})  # unicast, blackhole, unreachable, prohibit
_RT_TABLE_LOCAL = 255

_IFADDR = struct.Struct("=BBBBI")
_RTMSG = struct.Struct("=BBBBBBBBI")


@dataclass(frozen=True, slots=True)
class Route:
    destination: Net
    gateway: Address | None
    index: int  # of the interface


def _family(version: int) -> int:
    return socket.AF_INET if version == 4 else socket.AF_INET6


def add_address(index: int, address: Interface) -> Request:
    local = address.ip.packed
    flags = _IFA_F_NODAD if address.version == 6 else 0
    body = _IFADDR.pack(
        _family(address.version), address.network.prefixlen, flags, _SCOPE_UNIVERSE, index
    )
    body += attr(_IFA_LOCAL, local) + attr(_IFA_ADDRESS, local)
    if isinstance(address, IPv4Interface) and address.network.prefixlen < 31:
        body += attr(_IFA_BROADCAST, address.network.broadcast_address.packed)
    return Request(_NEWADDR, ACK | CREATE | REPLACE, body)


def delete_address(index: int, address: Interface) -> Request:
    body = _IFADDR.pack(_family(address.version), address.network.prefixlen, 0, 0, index)
    return Request(_DELADDR, ACK, body + attr(_IFA_LOCAL, address.ip.packed))


def _route_body(
    destination: Net | None, gateway: Address | None, index: int, version: int
) -> bytes:
    scope = _SCOPE_UNIVERSE if gateway or version == 6 else _SCOPE_LINK
    length = destination.prefixlen if destination else 0
    head = (_family(version), length, 0, 0, _RT_TABLE_MAIN, _RTPROT_BOOT, scope, _RTN_UNICAST, 0)
    body = _RTMSG.pack(*head)
    if destination and length:
        body += attr(_RTA_DST, destination.network_address.packed)
    if gateway:
        body += attr(_RTA_GATEWAY, gateway.packed)
    return body + (u32(_RTA_OIF, index) if index else b"")


def replace_default_route(gateway: Address, index: int) -> Request:
    """The unspecified address: whoever is meant is on the link itself."""
    way = None if gateway.is_unspecified else gateway
    body = _route_body(None, way, index, gateway.version)
    return Request(_NEWROUTE, ACK | CREATE | REPLACE, body)


def delete_default_route(version: int) -> Request:
    body = bytearray(_route_body(None, None, 0, version))
    body[6] = 255  # RT_SCOPE_NOWHERE: whatever its scope is
    return Request(_DELROUTE, ACK, bytes(body))


def add_route(destination: Net, index: int, gateway: Address | None = None) -> Request:
    body = _route_body(destination, gateway, index, destination.version)
    return Request(_NEWROUTE, ACK | CREATE | REPLACE, body)


def get_addresses() -> Request:
    return Request(_GETADDR, DUMP, _IFADDR.pack(socket.AF_UNSPEC, 0, 0, 0, 0))


def get_routes(version: int) -> Request:
    return Request(_GETROUTE, DUMP, _RTMSG.pack(_family(version), *[0] * 8))


def parse_address(body: bytes) -> tuple[int, Interface] | None:
    """(index of the interface, address)."""
    family, prefix, _, _, index = _IFADDR.unpack_from(body)
    values = dict(attributes(body, _IFADDR.size))
    packed = values.get(_IFA_LOCAL) or values.get(_IFA_ADDRESS)
    if packed is None:
        return None
    text = f"{ip_address(packed)}/{prefix}"
    return index, IPv4Interface(text) if family == socket.AF_INET else IPv6Interface(text)


def parse_route(body: bytes, *, claims: bool = False) -> Route | None:
    """None for what isn't a unicast route of the main table.

    With `claims` every route that says an address is spoken for counts: those of other tables
    (policy routing, VPNs), and those that refuse.
    """
    family, length, _, _, table, _, _, kind, _ = _RTMSG.unpack_from(body)
    if claims and (table == _RT_TABLE_LOCAL or kind not in _RTN_CLAIMS):
        return None
    if not claims and (table != _RT_TABLE_MAIN or kind != _RTN_UNICAST):
        return None
    values = dict(attributes(body, _RTMSG.size))
    base = values.get(_RTA_DST, b"\0" * (4 if family == socket.AF_INET else 16))
    gateway = values.get(_RTA_GATEWAY)
    return Route(
        ip_network((base, length), strict=False),
        ip_address(gateway) if gateway else None,
        struct.unpack("=I", values[_RTA_OIF])[0] if _RTA_OIF in values else 0,
    )
