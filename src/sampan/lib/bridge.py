"""Byte streams between the event loop and worker threads, with back-pressure both ways.

`produced` runs a blocking writer (a tar being written) in a thread and gives its bytes to async
code; `consumed` runs a blocking reader (an extractor) in a thread and feeds it from async code.
When one side goes away the other one gets `BrokenPipeError` (writer) or sees the failure (reader).
"""

import asyncio
import queue
from collections.abc import AsyncIterator, Callable
from typing import Protocol, TypeVar

from sampan.lib.workers import Workers

Result = TypeVar("Result")

CHUNK_BYTES = 256 * 1024
CHUNKS = 8  # in flight


class Writable(Protocol):
    def write(self, data: bytes | memoryview, /) -> object: ...


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Outgoing:
    """The thread's end of `produced`: collects small writes, waits while the reader is behind."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._buffer = bytearray()
        self._room = queue.Queue[None](CHUNKS)
        self.chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.closed = False

    def write(self, data: bytes | memoryview, /) -> int:
        self._buffer += data
        if len(self._buffer) >= CHUNK_BYTES:
            self.flush()
        return len(data)

    def flush(self) -> None:
        if not self._buffer:
            return
        while True:
            if self.closed:
                raise BrokenPipeError("the reader has gone")
            try:
                self._room.put(None, timeout=1)
                break
            except queue.Full:
                continue
        chunk, self._buffer = bytes(self._buffer), bytearray()
        self._loop.call_soon_threadsafe(self.chunks.put_nowait, chunk)

    def taken(self) -> None:
        self._room.get_nowait()


async def produced(workers: Workers, write: Callable[[Writable], object]) -> AsyncIterator[bytes]:
    """The bytes that `write(out)` writes in a worker thread; its failure is raised at the end."""
    out = _Outgoing(asyncio.get_running_loop())

    def work() -> None:
        write(out)
        out.flush()

    thread = asyncio.ensure_future(workers.run(work))
    thread.add_done_callback(lambda _: out.chunks.put_nowait(None))
    try:
        while (chunk := await out.chunks.get()) is not None:
            out.taken()
            yield chunk
        await thread
    finally:
        out.closed = True
        if not thread.done():
            await asyncio.gather(thread, return_exceptions=True)


class _Incoming:
    """The thread's end of `consumed`: a file to read from."""

    def __init__(self) -> None:
        self.chunks = queue.Queue[bytes | BaseException | None](CHUNKS)
        self._rest = memoryview(b"")
        self._ended = False

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, at least one unless the stream has ended."""
        if not self._rest and not self._ended:
            item = self.chunks.get()
            if item is None:
                self._ended = True
            elif isinstance(item, BaseException):
                self._ended = True
                raise item
            else:
                self._rest = memoryview(item)
        data = bytes(self._rest[:size])
        self._rest = self._rest[size:]
        return data


async def consumed(
    workers: Workers, source: AsyncIterator[bytes], read: Callable[[Readable], Result]
) -> Result:
    """What `read(file)` returns, running in a worker thread and fed from `source`.

    A reader that stops early doesn't wait for the rest; a failing source fails the reader with it.
    """
    incoming = _Incoming()
    thread = asyncio.ensure_future(workers.run(read, incoming))
    try:
        async for chunk in source:
            if chunk and not await _offer(incoming, chunk, thread):
                break
        await _offer(incoming, None, thread)
    except BaseException as error:
        await _offer(incoming, OSError(f"the stream broke off: {error!r}"), thread)
        await asyncio.gather(thread, return_exceptions=True)
        raise
    return await thread


async def _offer(
    incoming: _Incoming, item: bytes | BaseException | None, thread: "asyncio.Future[Result]"
) -> bool:
    """Hand one item over; False when the reader has ended."""
    pause_s = 0.0005
    while not thread.done():
        try:
            incoming.chunks.put_nowait(item)
        except queue.Full:
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 0.02)
        else:
            return True
    return False
