"""Forgetting connections that the kernel tracks.

A UDP flow keeps the translation that its first packet met. When a port is published or withdrawn
the flows of that port are forgotten, or their clients would talk to nobody (or to a container that
is gone) for as long as they keep talking.

Message layout: <linux/netfilter/nfnetlink_conntrack.h>.
"""

import errno
import socket
import struct
from collections.abc import Callable
from ipaddress import ip_address

from sampan.linux.rtmessages import ACK, ERROR, HEADER, REQUEST, attributes

_NETLINK_NETFILTER = 12
_NEW, _GET, _DELETE = 0x100, 0x101, 0x102  # NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_*
_DUMP = 0x300
_TUPLE_ORIG = 1
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_IPV4_DST = 2
_PROTO_NUM, _PROTO_DST_PORT = 1, 3
_NESTED = 0x8000


def forget_udp_port(port: int, family: socket.AddressFamily = socket.AF_INET) -> int:
    """Drop the UDP flows of a family whose clients sent to `port`; returns how many there were."""
    return _forget(family, lambda flow: _sent_to(flow, port))


def forget_udp_address(address: str) -> int:
    """Drop the UDP flows whose clients sent to an IPv4 address; returns how many there were."""
    packed = ip_address(address).packed
    return _forget(socket.AF_INET, lambda flow: _is_udp(flow) and _addressed(flow) == packed)


def _forget(family: socket.AddressFamily, chosen: Callable[[bytes], bool]) -> int:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_NETLINK, kind, _NETLINK_NETFILTER) as channel:
        channel.bind((0, 0))
        flows = [flow for flow in _dump(channel, family) if chosen(flow)]
        for flow in flows:
            _delete(channel, family, flow)
    return len(flows)


def _send(
    channel: socket.socket, family: socket.AddressFamily, kind: int, flags: int, body: bytes
) -> None:
    head = struct.pack(">BBH", family, 0, 0)
    length = HEADER.size + len(head) + len(body)
    channel.send(HEADER.pack(length, kind, flags | REQUEST, 1, 0) + head + body)


def _dump(channel: socket.socket, family: socket.AddressFamily) -> list[bytes]:
    """The original-direction tuple of every tracked flow."""
    _send(channel, family, _GET, _DUMP, b"")
    found: list[bytes] = []
    while True:
        data = channel.recv(1 << 16)
        offset = 0
        while offset + HEADER.size <= len(data):
            length, kind, _, _, _ = HEADER.unpack_from(data, offset)
            if kind != _NEW:  # done, or refused (no conntrack in this kernel: nothing to forget)
                return found
            values = attributes(data[: offset + length], offset + HEADER.size + 4)
            found += [value for name, value in values if name == _TUPLE_ORIG]
            offset += (length + 3) & ~3


def _is_udp(flow: bytes) -> bool:
    proto = dict(attributes(dict(attributes(flow)).get(_TUPLE_PROTO, b"")))
    return proto.get(_PROTO_NUM) == bytes([socket.IPPROTO_UDP])


def _addressed(flow: bytes) -> bytes:
    return dict(attributes(dict(attributes(flow)).get(_TUPLE_IP, b""))).get(_IPV4_DST, b"")


def _sent_to(flow: bytes, port: int) -> bool:
    proto = dict(attributes(dict(attributes(flow)).get(_TUPLE_PROTO, b"")))
    return proto.get(_PROTO_NUM) == bytes([socket.IPPROTO_UDP]) and proto.get(
        _PROTO_DST_PORT
    ) == struct.pack(">H", port)


def _delete(channel: socket.socket, family: socket.AddressFamily, flow: bytes) -> None:
    body = struct.pack("=HH", len(flow) + 4, _TUPLE_ORIG | _NESTED) + flow
    _send(channel, family, _DELETE, ACK, body)
    answer = channel.recv(1 << 16)
    _, kind, _, _, _ = HEADER.unpack_from(answer)
    number = -struct.unpack_from("=i", answer, HEADER.size)[0] if kind == ERROR else 0
    if number not in {0, errno.ENOENT}:  # gone by itself meanwhile
        raise OSError(number, "conntrack delete")
