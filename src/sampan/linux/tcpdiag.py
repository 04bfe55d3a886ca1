"""TCP connections of this network namespace: how they fare, and ending them from outside.

A connection whose other end has gone without a word lives on until the kernel has sent its data
again for a quarter of an hour. `Connection.repeats` tells such ones; `abort` ends one at once: its
owner's next call fails with ECONNABORTED.

Messages: <linux/inet_diag.h>, <linux/sock_diag.h>; sock_diag(7).
"""

import errno
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from sampan.linux.rtmessages import (
    ACK,
    DONE,
    DUMP,
    ERROR,
    HEADER,
    REQUEST,
    NetlinkError,
    parse_failure,
)

_NETLINK_SOCK_DIAG = 4
_BY_FAMILY, _DESTROY = 20, 21
_ESTABLISHED = 1
_RETRANSMISSION = 1  # which timer runs
_ANY_STATE = 0xFFFFFFFF
_REQUEST = struct.Struct("=BBBxI")  # family, protocol, extensions, states; a socket's id follows
_ID_BYTES = 48
_PORTS = struct.Struct(">HH")
_HEAD = struct.Struct("=BBBB")  # family, state, timer, retransmissions; a socket's id follows


@dataclass(frozen=True, slots=True)
class Connection:
    """`repeats`: how often the oldest data that nobody has acknowledged was sent again."""

    local_port: int
    remote: IPv4Address | IPv6Address
    remote_port: int
    repeats: int
    family: int
    id: bytes


def established(*, local_port: int = 0, remote_port: int = 0) -> list[Connection]:
    """Connections with these ports (0: any). Raises NetlinkError."""
    id_ = _PORTS.pack(local_port, remote_port).ljust(_ID_BYTES, b"\0")
    found: list[Connection] = []
    with _channel() as channel:
        for family in (socket.AF_INET, socket.AF_INET6):
            wanted = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 1 << _ESTABLISHED) + id_
            _send(channel, _BY_FAMILY, DUMP, wanted)
            found += [_connection(body) for body in _dumped(channel)]
    return found


def abort(connection: Connection) -> None:
    """Nothing if it has ended meanwhile. Raises NetlinkError: EOPNOTSUPP by kernels that can't."""
    wanted = _REQUEST.pack(connection.family, socket.IPPROTO_TCP, 0, _ANY_STATE)
    with _channel() as channel:
        _send(channel, _DESTROY, ACK, wanted + connection.id)
        for kind, body in _received(channel):
            failure = parse_failure(body) if kind == ERROR else None
            if failure and failure.errno != errno.ENOENT:
                raise failure


def _channel() -> socket.socket:
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    channel = socket.socket(socket.AF_NETLINK, kind, _NETLINK_SOCK_DIAG)
    channel.bind((0, 0))
    return channel


def _send(channel: socket.socket, kind: int, flags: int, body: bytes) -> None:
    channel.send(HEADER.pack(HEADER.size + len(body), kind, flags | REQUEST, 1, 0) + body)


def _dumped(channel: socket.socket) -> Iterator[bytes]:
    while True:
        for kind, body in _received(channel):
            if kind == DONE:
                return
            if kind == ERROR:
                raise parse_failure(body) or NetlinkError(errno.EPROTO, "no answer")
            yield body


def _received(channel: socket.socket) -> Iterator[tuple[int, bytes]]:
    data = channel.recv(1 << 16)
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, _, _, _ = HEADER.unpack_from(data, offset)
        yield kind, data[offset + HEADER.size : offset + length]
        offset += (length + 3) & ~3


def _connection(body: bytes) -> Connection:
    family, _, timer, retransmissions = _HEAD.unpack_from(body)
    id_ = body[_HEAD.size : _HEAD.size + _ID_BYTES]
    local_port, remote_port = _PORTS.unpack_from(id_)
    remote = ip_address(id_[20 : 24 if family == socket.AF_INET else 36])
    return Connection(
        local_port=local_port,
        remote=getattr(remote, "ipv4_mapped", None) or remote,
        remote_port=remote_port,
        repeats=retransmissions if timer == _RETRANSMISSION else 0,
        family=family,
        id=id_,
    )
