"""Carrying TCP connections that no rule can translate to where a published port leads.

These are clients on the host's own ::1, and clients of the host's IPv6 addresses when the container
has only IPv4 (dockerd has a process per port for them). The sockets are the ones that hold the
port; packets that rules translate never reach them. A relay belongs to the event loop. It ends with
the daemon and begins again with the next one; the rules don't need it.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress

from sampan.lib.log import fields

log = logging.getLogger(__name__)

CONNECT_S = 10.0
MOST_CLIENTS = 256  # of one port at once: each costs the daemon two descriptors
_CHUNK_BYTES = 1 << 16


class Relay:
    """Takes over the listening socket `door`; `target` says where to, "" for nowhere."""

    def __init__(self, door: socket.socket, port: int, target: Callable[[], str]) -> None:
        self._door = door
        self._port = port
        self._target = target
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._door)

    async def aclose(self) -> None:
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._door.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if len(self._tasks) >= MOST_CLIENTS:
            writer.close()
            return
        if task:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            await self._carry(reader, writer)
        except (OSError, TimeoutError) as error:
            log.debug(fields("relay.failed", port=self._port, reason=error or "timeout"))
        finally:
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = self._target()
        if not address:
            return
        async with asyncio.timeout(CONNECT_S):
            far_reader, far_writer = await asyncio.open_connection(address, self._port)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, far_writer))
                both.create_task(_pump(far_reader, writer))
        except* OSError as failures:  # one side broke off: so does the other
            log.debug(fields("relay.broken", port=self._port, reason=failures.exceptions[0]))
        finally:
            far_writer.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Until the source ends; then the sink hears that, and may still answer."""
    while data := await source.read(_CHUNK_BYTES):
        sink.write(data)
        await sink.drain()
    with suppress(OSError):
        sink.write_eof()
