"""Messages of rtnetlink about links, built and taken apart: pure functions over bytes.

Constants are from <linux/rtnetlink.h>, <linux/if_link.h> and <linux/if_addr.h>. A `Request` is
sent by `netlink.Netlink.execute`.
"""

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_NEWLINK, _DELLINK, _GETLINK, _SETLINK = 16, 17, 18, 19
REQUEST, ACK, DUMP = 1, 4, 0x300  # NLM_F_*
REPLACE, EXCL, CREATE = 0x100, 0x200, 0x400
ERROR, DONE = 2, 3  # NLMSG_*

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_MASTER = 1, 3, 4, 5, 10
_IFLA_LINKINFO, _IFLA_NET_NS_FD = 18, 28
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA = 1, 2, 4, 5
_VETH_INFO_PEER, _MACVLAN_MODE, _VLAN_ID = 1, 1, 1
_IPVLAN_MODE, _IPVLAN_FLAGS = 1, 2
_BRPORT_MODE, _BRPORT_ISOLATED = 4, 33  # IFLA_BRPORT_MODE is hairpin
_BR_MCAST_SNOOPING = 23
_IFF_UP = 1
_NLA_NESTED = 0x8000

HEADER = struct.Struct("=IHHII")
_IFINFO = struct.Struct("=BxHiII")


class NetlinkError(OSError):
    """The kernel refused a request; `errno` says why."""


@dataclass(frozen=True, slots=True)
class Link:
    index: int
    name: str
    kind: str  # "bridge", "veth", ... or "" for hardware
    up: bool
    master: int  # index of the bridge, or 0
    mac: str
    mtu: int
    far_index: int = 0  # of what it is a face of, or the other end of a pair


@dataclass(frozen=True, slots=True)
class Veth:
    """A pair: `name` here, in the bridge `master`; `peer` in the namespace `peer_netns`."""

    name: str
    master: int
    peer: str
    peer_netns: int
    peer_mac: str
    mtu: int = 0  # 0: the kernel's default


MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}


@dataclass(frozen=True, slots=True)
class Macvlan:
    """`name` in the namespace `netns`, a second face of the link with index `parent` here."""

    name: str
    parent: int
    netns: int
    mac: str
    mode: str = "bridge"
    mtu: int = 0


IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}
IPVLAN_FLAGS = {"bridge": 0, "private": 1, "vepa": 2}


@dataclass(frozen=True, slots=True)
class Ipvlan:
    """As Macvlan, but with the MAC of the parent."""

    name: str
    parent: int
    netns: int
    mode: str = "l2"
    flag: str = "bridge"
    mtu: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One message: type, flags and what follows the header."""

    kind: int
    flags: int
    body: bytes

    def pack(self, sequence: int) -> bytes:
        length = HEADER.size + len(self.body)
        return HEADER.pack(length, self.kind, self.flags | REQUEST, sequence, 0) + self.body


def attr(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)


def _nest(kind: int, *parts: bytes) -> bytes:
    return attr(kind | _NLA_NESTED, b"".join(parts))


def _text(kind: int, text: str) -> bytes:
    return attr(kind, text.encode() + b"\0")


def u32(kind: int, value: int) -> bytes:
    return attr(kind, struct.pack("=I", value))


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def attributes(data: bytes, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """The attributes of a message from `offset` on; the nested flag is taken off the type."""
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        if length < 4:
            return
        yield kind & 0x3FFF, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def set_up(index: int, *, up: bool = True) -> Request:
    body = _IFINFO.pack(socket.AF_UNSPEC, 0, index, _IFF_UP if up else 0, _IFF_UP)
    return Request(_SETLINK, ACK, body)


def set_master(index: int, master: int) -> Request:
    body = _IFINFO.pack(socket.AF_UNSPEC, 0, index, 0, 0) + u32(_IFLA_MASTER, master)
    return Request(_SETLINK, ACK, body)


def bridge_port(name: str, *, hairpin: bool, isolated: bool = False) -> Request:
    """Options of a bridge's port; an isolated one talks to the bridge itself only."""
    options = attr(_BRPORT_MODE, bytes([hairpin]))
    if isolated:
        options += attr(_BRPORT_ISOLATED, b"\1")
    info = _text(_INFO_SLAVE_KIND, "bridge") + _nest(_INFO_SLAVE_DATA, options)
    body = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + _text(_IFLA_IFNAME, name)
    return Request(_NEWLINK, ACK, body + _nest(_IFLA_LINKINFO, info))


def create_bridge(name: str, *, mac: str = "", mtu: int = 0, snooping: bool = True) -> Request:
    """A bridge that is up. With `mac` given the address doesn't follow its ports.

    With `snooping` the bridge learns who listens to which multicast group.
    """
    body = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, _IFF_UP, _IFF_UP) + _text(_IFLA_IFNAME, name)
    if mac:
        body += attr(_IFLA_ADDRESS, _mac(mac))
    if mtu:
        body += u32(_IFLA_MTU, mtu)
    data = b"" if snooping else _nest(_INFO_DATA, attr(_BR_MCAST_SNOOPING, b"\0"))
    body += _nest(_IFLA_LINKINFO, _text(_INFO_KIND, "bridge") + data)
    return Request(_NEWLINK, ACK | CREATE | EXCL, body)


def create_veth(veth: Veth) -> Request:
    """Both ends in one message: the near one up and in its bridge, the far one still down."""
    mtu = u32(_IFLA_MTU, veth.mtu) if veth.mtu else b""
    peer = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + _text(_IFLA_IFNAME, veth.peer) + mtu
    peer += attr(_IFLA_ADDRESS, _mac(veth.peer_mac)) + u32(_IFLA_NET_NS_FD, veth.peer_netns)
    data = _nest(_INFO_DATA, attr(_VETH_INFO_PEER, peer))
    body = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, _IFF_UP, _IFF_UP) + _text(_IFLA_IFNAME, veth.name)
    body += mtu + u32(_IFLA_MASTER, veth.master)
    body += _nest(_IFLA_LINKINFO, _text(_INFO_KIND, "veth") + data)
    return Request(_NEWLINK, ACK | CREATE | EXCL, body)


def create_veth_pair(name: str, peer: str) -> list[Request]:
    """Both ends here, both up (which an end without the other can't be): what one sends the
    other gets."""
    far = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + _text(_IFLA_IFNAME, peer)
    data = _nest(_INFO_DATA, attr(_VETH_INFO_PEER, far))
    near = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + _text(_IFLA_IFNAME, name)
    near += _nest(_IFLA_LINKINFO, _text(_INFO_KIND, "veth") + data)
    up = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, _IFF_UP, _IFF_UP)
    return [
        Request(_NEWLINK, ACK | CREATE | EXCL, near),
        *(Request(_SETLINK, ACK, up + _text(_IFLA_IFNAME, end)) for end in (name, peer)),
    ]


def create_macvlan(link: Macvlan) -> Request:
    """Made in the namespace where it belongs; still down."""
    body = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + _text(_IFLA_IFNAME, link.name)
    body += u32(_IFLA_LINK, link.parent) + u32(_IFLA_NET_NS_FD, link.netns)
    body += attr(_IFLA_ADDRESS, _mac(link.mac))
    if link.mtu:
        body += u32(_IFLA_MTU, link.mtu)
    data = _nest(_INFO_DATA, u32(_MACVLAN_MODE, MACVLAN_MODES[link.mode]))
    body += _nest(_IFLA_LINKINFO, _text(_INFO_KIND, "macvlan") + data)
    return Request(_NEWLINK, ACK | CREATE | EXCL, body)


def create_ipvlan(link: Ipvlan) -> Request:
    """Made in the namespace where it belongs; still down."""
    body = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + _text(_IFLA_IFNAME, link.name)
    body += u32(_IFLA_LINK, link.parent) + u32(_IFLA_NET_NS_FD, link.netns)
    if link.mtu:
        body += u32(_IFLA_MTU, link.mtu)
    data = _nest(
        _INFO_DATA,
        attr(_IPVLAN_MODE, struct.pack("=H", IPVLAN_MODES[link.mode])),
        attr(_IPVLAN_FLAGS, struct.pack("=H", IPVLAN_FLAGS[link.flag])),
    )
    body += _nest(_IFLA_LINKINFO, _text(_INFO_KIND, "ipvlan") + data)
    return Request(_NEWLINK, ACK | CREATE | EXCL, body)


def create_vlan(name: str, parent: int, number: int) -> Request:
    """The tagged part `number` of what goes over `parent`; up."""
    body = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, _IFF_UP, _IFF_UP) + _text(_IFLA_IFNAME, name)
    data = _nest(_INFO_DATA, attr(_VLAN_ID, struct.pack("=H", number)))
    body += u32(_IFLA_LINK, parent) + _nest(_IFLA_LINKINFO, _text(_INFO_KIND, "vlan") + data)
    return Request(_NEWLINK, ACK | CREATE | EXCL, body)


def delete_link(index: int) -> Request:
    """Blocks for tens of milliseconds: the kernel waits until nobody can use the link."""
    return Request(_DELLINK, ACK, _IFINFO.pack(socket.AF_UNSPEC, 0, index, 0, 0))


def get_links() -> Request:
    return Request(_GETLINK, DUMP, _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0))


def get_link(name: str) -> Request:
    body = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + _text(_IFLA_IFNAME, name)
    return Request(_GETLINK, 0, body)


def parse_failure(body: bytes) -> NetlinkError | None:
    """What an acknowledgement says; None for success. With CAP_ACK the request isn't echoed."""
    number = -struct.unpack_from("=i", body)[0]
    if number == 0:
        return None
    said = b""
    for kind, data in attributes(body, 4 + HEADER.size):
        if kind == 1:  # NLMSGERR_ATTR_MSG
            said = data.rstrip(b"\0")
    return NetlinkError(number, said.decode(errors="replace") or os.strerror(number))


def parse_link(body: bytes) -> Link:
    _, _, index, flags, _ = _IFINFO.unpack_from(body)
    values = dict(attributes(body, _IFINFO.size))
    info = dict(attributes(values.get(_IFLA_LINKINFO, b"")))
    return Link(
        index=index,
        name=values[_IFLA_IFNAME].rstrip(b"\0").decode(),
        kind=info.get(_INFO_KIND, b"").rstrip(b"\0").decode(),
        up=bool(flags & _IFF_UP),
        master=struct.unpack("=I", values.get(_IFLA_MASTER, b"\0" * 4))[0],
        mac=values.get(_IFLA_ADDRESS, b"").hex(":"),
        mtu=struct.unpack("=I", values.get(_IFLA_MTU, b"\0" * 4))[0],
        far_index=struct.unpack("=I", values.get(_IFLA_LINK, b"\0" * 4))[0],
    )
