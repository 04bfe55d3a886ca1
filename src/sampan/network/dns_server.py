"""The name server of one sandbox: sockets in its namespace, answered on the event loop.

Containers ask 127.0.0.11:53. A rule in the sandbox's own namespace leads that to the high ports
that our sockets have, so that a container can still bind port 53 itself. Names of containers are
answered here; everything else goes out as the packet it came as, by UDP or TCP as it came, and
the answer comes back the same way. The servers are tried in order; each query has a socket of its
own, and with that a source port that nobody can guess.

    upstream      host's servers, asked from the host's namespace
    explicit      `--dns` servers, asked from the sandbox: what the container itself can reach

A `SandboxResolver` belongs to the event loop. Its sockets keep the namespace alive: `aclose` comes
before the sandbox is dropped.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from ipaddress import ip_address

from sampan.lib.log import fields
from sampan.network import dns
from sampan.network.names import NameTable, View

log = logging.getLogger(__name__)

PORT = 53
TRY_S = 2.0  # per server
IDLE_S = 10.0  # a TCP client that says nothing
MOST_CLIENTS = 64  # of TCP at once: each costs the daemon a descriptor
MOST_RELAYS = 1024  # waiting for servers outside at once; more are refused
_BATCH = 64  # packets answered before others get their turn
_PACKET_BYTES = 65535

OpenSocket = Callable[[socket.AddressFamily, socket.SocketKind], Awaitable[socket.socket]]


async def open_here(family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    """A socket in the daemon's own namespace."""
    return socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)


class SandboxResolver:
    """Takes over the listening sockets `udp` and `tcp` (non-blocking, bound)."""

    def __init__(
        self,
        *,
        udp: socket.socket,
        tcp: socket.socket,
        names: NameTable,
        view: Callable[[], View],
        servers: Callable[[], Sequence[str]],
        open_socket: OpenSocket,
    ) -> None:
        self._udp = udp
        self._tcp = tcp
        self._names = names
        self._view = view
        self._servers = servers
        self._open_socket = open_socket
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._clients = 0

    async def start(self) -> None:
        asyncio.get_running_loop().add_reader(self._udp.fileno(), self._on_readable)
        self._server = await asyncio.start_server(self._serve_tcp, sock=self._tcp)

    async def aclose(self) -> None:
        asyncio.get_running_loop().remove_reader(self._udp.fileno())
        self._udp.close()
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tcp.close()

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- UDP ----------------------------------------------------------------------------

    def _on_readable(self) -> None:
        for _ in range(_BATCH):
            try:
                packet, client = self._udp.recvfrom(_PACKET_BYTES)
            except OSError:  # nothing more; or an ICMP error of an earlier answer
                return
            question = dns.parse_question(packet)
            if question is None:
                continue
            found = dns.answer(packet, question, self._names, self._view())
            if found is not None:
                self._send(dns.truncate(found, question), client)
            elif len(self._tasks) < MOST_RELAYS:
                self._spawn(self._relay_udp(packet, question, client))
            else:
                self._send(dns.failure(packet, question), client)

    def _send(self, packet: bytes, client: tuple[str, int]) -> None:
        with suppress(OSError):  # a client that is gone asks again or doesn't
            self._udp.sendto(packet, client)

    async def _relay_udp(
        self, packet: bytes, question: dns.Question, client: tuple[str, int]
    ) -> None:
        found = await self._ask(packet, socket.SOCK_DGRAM, _exchange_udp)
        self._send(found or dns.failure(packet, question), client)

    # --- TCP ----------------------------------------------------------------------------

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if self._clients >= MOST_CLIENTS:
            writer.close()
            return
        if task:
            self._tasks.add(task)
        self._clients += 1
        try:
            while True:
                async with asyncio.timeout(IDLE_S):
                    packet = await _read_message(reader)
                found = await self._answer_tcp(packet)
                if found is None:
                    return
                writer.write(struct.pack(">H", len(found)) + found)
                await writer.drain()
        except (OSError, EOFError, TimeoutError):  # the client's end of the conversation
            return
        finally:
            writer.close()
            self._clients -= 1
            if task:
                self._tasks.discard(task)

    async def _answer_tcp(self, packet: bytes) -> bytes | None:
        question = dns.parse_question(packet)
        if question is None:
            return None
        found = dns.answer(packet, question, self._names, self._view())
        if found is None:
            found = await self._ask(packet, socket.SOCK_STREAM, _exchange_tcp)
        return found or dns.failure(packet, question)

    # --- outside ------------------------------------------------------------------------

    async def _ask(
        self,
        packet: bytes,
        kind: socket.SocketKind,
        exchange: Callable[[socket.socket, tuple[str, int], bytes], Awaitable[bytes]],
    ) -> bytes | None:
        """The answer of the first server that has one; else what the last of them said, if any."""
        found: bytes | None = None
        for server in self._servers():
            try:
                family = socket.AF_INET6 if ip_address(server).version == 6 else socket.AF_INET
                channel = await self._open_socket(family, kind)
                try:
                    async with asyncio.timeout(TRY_S):
                        found = await exchange(channel, (server, PORT), packet)
                    if not dns.refused(found):
                        return found
                finally:
                    channel.close()
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                reason = str(error) or type(error).__name__
                log.debug(fields("dns.server_failed", server=server, reason=reason))
        return found


async def _exchange_udp(channel: socket.socket, server: tuple[str, int], packet: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    await loop.sock_connect(channel, server)
    await loop.sock_sendall(channel, packet)
    while True:
        found = await loop.sock_recv(channel, _PACKET_BYTES)
        if found[:2] == packet[:2]:  # else a late or forged answer: the right one may follow
            return found


async def _exchange_tcp(channel: socket.socket, server: tuple[str, int], packet: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    await loop.sock_connect(channel, server)
    reader, writer = await asyncio.open_connection(sock=channel)
    try:
        writer.write(struct.pack(">H", len(packet)) + packet)
        await writer.drain()
        return await _read_message(reader)
    finally:
        writer.close()


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    (length,) = struct.unpack(">H", await reader.readexactly(2))
    return await reader.readexactly(length)
