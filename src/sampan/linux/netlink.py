"""rtnetlink: links, addresses and routes, without a process per question.

A `Netlink` is one socket in the network namespace of the thread that opens it, and stays there:
open it under `namespaces.entered` to work in a sandbox. Requests (built by `rtmessages`) are sent
together and their answers collected: one system call each way for a whole endpoint. A refusal
raises NetlinkError, an OSError with the kernel's errno and, where it gives one, its own words.

Not thread-safe: one thread owns a socket.
"""

import errno
import socket
from collections.abc import Iterator
from typing import Self

from sampan.linux import rtmessages, rtroutes
from sampan.linux.rtmessages import DONE, DUMP, ERROR, HEADER, NetlinkError, Request

_SOL_NETLINK = 270
_CAP_ACK, _EXT_ACK = 10, 11  # don't echo the request in errors; add words to them
_BUFFER_BYTES = 1 << 16


class Netlink:
    """One rtnetlink socket in the namespace of the thread that made it."""

    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        self._socket.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        self._socket.bind((0, 0))
        self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def execute(self, *requests: Request) -> None:
        """Do all requests in order; raises the first failure after all were tried."""
        first = self._sequence + 1
        self._sequence += len(requests)
        packed = [request.pack(first + number) for number, request in enumerate(requests)]
        self._socket.send(b"".join(packed))
        failure: NetlinkError | None = None
        waiting = len(requests)
        while waiting:
            for kind, sequence, body in self._receive():
                if kind == ERROR and sequence >= first:
                    waiting -= 1
                    failure = failure or rtmessages.parse_failure(body)
        if failure:
            raise failure

    def _receive(self) -> Iterator[tuple[int, int, bytes]]:
        data = self._socket.recv(_BUFFER_BYTES)
        offset = 0
        while offset + HEADER.size <= len(data):
            length, kind, _, sequence, _ = HEADER.unpack_from(data, offset)
            yield kind, sequence, data[offset + HEADER.size : offset + length]
            offset += (length + 3) & ~3

    def ask(self, request: Request) -> list[bytes]:
        """The bodies of the answers: one, or as many as a dump has."""
        self._sequence += 1
        self._socket.send(request.pack(self._sequence))
        found: list[bytes] = []
        while True:
            for kind, sequence, body in self._receive():
                if sequence != self._sequence:
                    continue
                if kind == DONE:
                    return found
                if kind == ERROR:
                    raise rtmessages.parse_failure(body) or NetlinkError(errno.EPROTO, "no answer")
                found.append(body)
            if not request.flags & DUMP and found:
                return found

    def links(self) -> list[rtmessages.Link]:
        return [rtmessages.parse_link(body) for body in self.ask(rtmessages.get_links())]

    def find_link(self, name: str) -> rtmessages.Link | None:
        try:
            return rtmessages.parse_link(self.ask(rtmessages.get_link(name))[0])
        except NetlinkError as error:
            if error.errno == errno.ENODEV:
                return None
            raise

    def get_link(self, name: str) -> rtmessages.Link:
        found = self.find_link(name)
        if found is None:
            raise NetlinkError(errno.ENODEV, f"no network interface {name}")
        return found

    def addresses(self, index: int | None = None) -> list[tuple[int, rtroutes.Interface]]:
        """(interface's index, address) pairs, of one interface or of all."""
        parsed = map(rtroutes.parse_address, self.ask(rtroutes.get_addresses()))
        return [entry for entry in parsed if entry and index in {None, entry[0]}]

    def routes(self, version: int = 4) -> list[rtroutes.Route]:
        """The unicast routes of the main table; the default one has prefix length 0."""
        parsed = map(rtroutes.parse_route, self.ask(rtroutes.get_routes(version)))
        return [route for route in parsed if route]

    def claimed(self, version: int = 4) -> list[rtroutes.Net]:
        """Destinations that any routing table knows, but for defaults (and halves of one)."""
        bodies = self.ask(rtroutes.get_routes(version))
        parsed = (rtroutes.parse_route(body, claims=True) for body in bodies)
        return [way.destination for way in parsed if way and way.destination.prefixlen > 1]
