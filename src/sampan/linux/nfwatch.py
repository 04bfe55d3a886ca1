"""Notices of changes to the nftables ruleset, through the kernel's multicast group.

A `RulesetWatch` is a non-blocking socket: wait until `fileno()` is readable, then `drain` says
what others changed since. Transactions of the thread named by `own_thread` are left out (a
notice carries the id of the thread that committed it).

Message types are from <linux/netfilter/nf_tables.h>.
"""

import errno
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from sampan.linux.rtmessages import HEADER, attributes

_NETLINK_NETFILTER = 12
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_GROUP_NFTABLES = 7  # NFNLGRP_NFTABLES
_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_DELTABLE, _NEWCHAIN, _DELCHAIN, _DELRULE, _NEWGEN = 2, 3, 5, 8, 15
_TABLE_NAME = 1  # the same number in every kind of message
_GEN_PROC_PID = 2
_NFGENMSG_BYTES = 4
_BUFFER_BYTES = 1 << 18
_STRUCTURE = frozenset({_DELTABLE, _NEWCHAIN, _DELCHAIN, _DELRULE})


@dataclass(frozen=True, slots=True)
class RulesetChange:
    """What others did: `tables` they touched, and those whose chains or rules changed or went."""

    tables: frozenset[str] = frozenset()
    structure: frozenset[str] = frozenset()
    lost_notices: bool = False  # too many came at once: anything may have changed


class RulesetWatch:
    """Subscribed to the ruleset of the network namespace of the thread that makes it."""

    def __init__(self, own_thread: int) -> None:
        self._own_thread = own_thread
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, _NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_NFTABLES)
        self._pending: list[tuple[int, str]] = []

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def drain(self) -> RulesetChange:
        """Everything that others committed since the last call."""
        tables: set[str] = set()
        structure: set[str] = set()
        lost = False
        while True:
            try:
                data = self._socket.recv(_BUFFER_BYTES)
            except BlockingIOError:
                return RulesetChange(frozenset(tables), frozenset(structure), lost)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                lost = True
                continue
            for kind, table in self._committed(data):
                tables.add(table)
                if kind in _STRUCTURE:
                    structure.add(table)

    def _committed(self, data: bytes) -> Iterator[tuple[int, str]]:
        """A transaction's notices come first; the one that closes it says who did it."""
        for kind, body in _messages(data):
            found = dict(attributes(body, _NFGENMSG_BYTES))
            if kind != _NEWGEN:
                name = found.get(_TABLE_NAME, b"").rstrip(b"\0").decode(errors="replace")
                self._pending.append((kind, name))
                continue
            author = struct.unpack(">I", found.get(_GEN_PROC_PID, b"\0" * 4))[0]
            if author != self._own_thread:
                yield from self._pending
            self._pending = []


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, _, _, _ = HEADER.unpack_from(data, offset)
        if kind >> 8 == _SUBSYSTEM:
            yield kind & 0xFF, data[offset + HEADER.size : offset + length]
        offset += (length + 3) & ~3
