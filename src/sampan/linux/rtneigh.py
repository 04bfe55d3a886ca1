"""Messages about VXLAN devices and neighbours: pure functions over bytes, beside `rtmessages`.

A VXLAN device that neither learns nor floods knows two things of each far address, both written by
us and permanent: which MAC it has (a neighbour of family inet; the device answers ARP questions
from these itself), and behind which tunnel end that MAC is (an entry of the forwarding database,
family bridge). Constants are from <linux/neighbour.h> and <linux/if_link.h>.
"""

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from sampan.linux.netlink import Netlink
from sampan.linux.rtmessages import ACK, DUMP, Request, attributes, get_link

_NEWLINK, _NEWNEIGH, _DELNEIGH, _GETNEIGH = 16, 28, 29, 30
_REPLACE, _EXCL, _CREATE = 0x100, 0x200, 0x400
_AF_BRIDGE = 7
_IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO = 3, 4, 10, 18
_INFO_KIND, _INFO_DATA = 1, 2
_VXLAN_ID, _VXLAN_LOCAL, _VXLAN_LEARNING, _VXLAN_PROXY, _VXLAN_PORT = 1, 4, 7, 11, 15
_NDA_DST, _NDA_LLADDR = 1, 2
_NUD_PERMANENT = 0x80
_NTF_SELF = 0x02
_NESTED = 0x8000
_IFF_UP = 1
_IFINFO = struct.Struct("=BxHiII")
_NDMSG = struct.Struct("=BxHiHBB")


@dataclass(frozen=True, slots=True)
class Vxlan:
    """`local` is the tunnel end here; `bridge` the index of the bridge that it is a port of."""

    name: str
    vni: int
    local: str
    port: int
    bridge: int
    mtu: int


def _attr(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def create_vxlan(link: Vxlan) -> Request:
    """Up, in its bridge; knows nobody yet."""
    data = b"".join(
        (
            _attr(_VXLAN_ID, struct.pack("=I", link.vni)),
            _attr(_VXLAN_LOCAL, ip_address(link.local).packed),
            _attr(_VXLAN_LEARNING, b"\0"),
            _attr(_VXLAN_PROXY, b"\1"),
            _attr(_VXLAN_PORT, struct.pack(">H", link.port)),
        )
    )
    info = _attr(_INFO_KIND, b"vxlan\0") + _attr(_INFO_DATA | _NESTED, data)
    body = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, _IFF_UP, _IFF_UP)
    body += _attr(_IFLA_IFNAME, link.name.encode() + b"\0")
    body += _attr(_IFLA_MTU, struct.pack("=I", link.mtu))
    body += _attr(_IFLA_MASTER, struct.pack("=I", link.bridge))
    body += _attr(_IFLA_LINKINFO | _NESTED, info)
    return Request(_NEWLINK, ACK | _CREATE | _EXCL, body)


def _entry(family: int, index: int, flags: int, destination: str, mac: str) -> bytes:
    body = _NDMSG.pack(family, 0, index, _NUD_PERMANENT, flags, 0)
    body += _attr(_NDA_DST, ip_address(destination).packed)
    return body + (_attr(_NDA_LLADDR, _mac(mac)) if mac else b"")


def set_neighbour(index: int, address: str, mac: str) -> Request:
    body = _entry(socket.AF_INET, index, 0, address, mac)
    return Request(_NEWNEIGH, ACK | _CREATE | _REPLACE, body)


def drop_neighbour(index: int, address: str) -> Request:
    return Request(_DELNEIGH, ACK, _entry(socket.AF_INET, index, 0, address, ""))


def set_tunnel(index: int, mac: str, end: str) -> Request:
    """What is for `mac` goes to the tunnel end `end`."""
    body = _entry(_AF_BRIDGE, index, _NTF_SELF, end, mac)
    return Request(_NEWNEIGH, ACK | _CREATE | _REPLACE, body)


def drop_tunnel(index: int, mac: str, end: str) -> Request:
    return Request(_DELNEIGH, ACK, _entry(_AF_BRIDGE, index, _NTF_SELF, end, mac))


def _dump(netlink: Netlink, family: int, index: int) -> Iterator[tuple[str, str]]:
    """(destination, MAC) of the permanent entries of one device."""
    head = _NDMSG.pack(family, 0, 0, 0, 0, 0)
    for body in netlink.ask(Request(_GETNEIGH, DUMP, head)):
        _, _, where, state, _, _ = _NDMSG.unpack_from(body)
        values = dict(attributes(body, _NDMSG.size))
        if where == index and state & _NUD_PERMANENT and _NDA_DST in values:
            destination, mac = values[_NDA_DST], values.get(_NDA_LLADDR, b"")
            yield str(ip_address(destination)), mac.hex(":")


def neighbours(netlink: Netlink, index: int) -> dict[str, str]:
    """Address -> MAC."""
    return dict(_dump(netlink, socket.AF_INET, index))


def tunnels(netlink: Netlink, index: int) -> dict[str, str]:
    """MAC -> tunnel end."""
    return {mac: end for end, mac in _dump(netlink, _AF_BRIDGE, index)}


def find_vxlan(netlink: Netlink, name: str) -> tuple[int, Vxlan] | None:
    """(index, what it is) of a VXLAN device; None if there is no link of that name and kind."""
    link = netlink.find_link(name)
    if link is None or link.kind != "vxlan":
        return None
    values = dict(attributes(netlink.ask(get_link(name))[0], _IFINFO.size))
    data = dict(attributes(dict(attributes(values[_IFLA_LINKINFO]))[_INFO_DATA]))
    local = data.get(_VXLAN_LOCAL, b"\0" * 4)
    found = Vxlan(
        name=name,
        vni=struct.unpack("=I", data[_VXLAN_ID])[0],
        local=str(ip_address(local)),
        port=struct.unpack(">H", data[_VXLAN_PORT])[0],
        bridge=link.master,
        mtu=link.mtu,
    )
    return link.index, found
