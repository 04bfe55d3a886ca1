"""Doors from a lab to this machine: 127.0.0.1:PORT of every node leads to 127.0.0.1:PORT here.

    client in node 2 --> 127.0.0.1:5000 of node 2 ==relay in this process==> 127.0.0.1:5000 here

A socket belongs to the network namespace that it was made in, whoever uses it; so nothing has to
be made in this machine's own namespace. For services of this machine that nodes shall reach.
"""

import asyncio
import socket
import threading
from contextlib import suppress
from typing import Self

from integration.swarm.lab import Wires

_CHUNK = 1 << 16


class Doors:
    """Open as long as the block lasts."""

    def __init__(self, wires: Wires, port: int) -> None:
        self._port = port
        self._listeners = [
            wires.inside(number, lambda: socket.create_server(("127.0.0.1", port)))
            for number in range(len(wires.paths))
        ]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(self, *failure: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        for listener in self._listeners:
            await asyncio.start_server(self._serve, sock=listener)

    async def _close(self) -> None:
        own = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not own]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for listener in self._listeners:
            listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            there = await asyncio.open_connection("127.0.0.1", self._port)
            await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass  # one side has gone: so shall the other
    finally:
        with suppress(OSError):
            writer.close()
