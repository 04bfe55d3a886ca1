"""A file's bytes to a client's socket, by copying: faster for the two together than sendfile.

sendfile hands the client's kernel side single pages of 4 KiB of the page cache; written from a
buffer the same bytes lie in pieces of 32 KiB, warm in the processor's cache. On one machine that
takes a tenth less of the sum of both programs' time (docs/performance.md).

    sender thread   read -> write -> read -> write ... until a burst is over, or the socket has been
                    full for `PATIENCE_MS`
    event loop      waits until the socket takes more

so that a fast client is served without a change of threads for each filled buffer, a slow one
holds no thread, and reading from a slow disk doesn't hold the loop up. The socket stays its
transport's: writes go to a duplicate of the descriptor, after the transport has nothing left to
write.
"""

import asyncio
import os
import select
from typing import BinaryIO

from sampan.lib.workers import Workers

BUFFER_BYTES = 256 << 10
BURST_BYTES = 8 << 20  # then others have their turn at the thread
PATIENCE_MS = 10
SENDERS = 16  # threads of their own: clients don't keep the database waiting


class _Sending:
    """Belongs to one thread at a time."""

    def __init__(self, socket: int, file: int, start: int, end: int) -> None:
        self._socket = socket
        self._file = file
        self._at = start
        self._end = end
        self._buffer = memoryview(bytearray(min(BUFFER_BYTES, end - start)))
        self._rest = self._buffer[:0]  # read and not written
        self._poll = select.poll()
        self._poll.register(socket, select.POLLOUT)

    def burst(self) -> bool:
        """Until the socket is full or it is enough for once. True: all is written.

        Raises ConnectionError, or EOFError where the file is shorter than it should be.
        """
        written = 0
        while self._rest or self._at < self._end:
            if not self._rest:
                self._read()
            try:
                count = os.write(self._socket, self._rest)
            except BlockingIOError:
                if not self._poll.poll(PATIENCE_MS):
                    return False
                continue
            self._rest = self._rest[count:]
            written += count
            if written >= BURST_BYTES:
                break
        return not self._rest and self._at >= self._end

    def _read(self) -> None:
        wanted = self._buffer[: self._end - self._at]
        count = os.preadv(self._file, [wanted], self._at)
        if not count:
            raise EOFError
        self._at += count
        self._rest = wanted[:count]


async def send_file(
    transport: asyncio.Transport, file: BinaryIO, start: int, end: int, workers: Workers
) -> None:
    """Raises ConnectionError, EOFError. Cancelled: the bytes until then are sent."""
    loop = asyncio.get_running_loop()
    if transport.get_write_buffer_size():  # a client that doesn't even take the header
        await loop.sendfile(transport, file, start, end - start)
        return
    socket = os.dup(transport.get_extra_info("socket").fileno())
    try:
        sending = _Sending(socket, file.fileno(), start, end)
        while not await workers.run(sending.burst):
            await _writable(loop, socket)
    finally:
        os.close(socket)


async def _writable(loop: asyncio.AbstractEventLoop, socket: int) -> None:
    """Also once the connection is broken: the next write says so."""
    ready = asyncio.Event()
    loop.add_writer(socket, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(socket)
