"""Byte streams between the event loop and worker threads, with back-pressure both ways.

`produced` runs a blocking writer (a tar being written) in a thread and gives its bytes to async
code; `consumed` runs a blocking reader (an extractor) in a thread and feeds it from async code.
When one side goes away the other one gets `BrokenPipeError` (writer) or sees the failure (reader).
"""

import asyncio
import queue
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Protocol, TypeVar

from sampan.errors import Cancelled
from sampan.lib.workers import Workers

Result = TypeVar("Result")

CHUNK_BYTES = 256 * 1024
CHUNKS = 8  # in flight to the loop
HELD_BYTES = 4 << 20  # on the way to a thread, at most


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
    """The thread's end of `consumed`: a file to read from. One writer on the loop, one reader."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._chunks: deque[bytes] = deque()
        self._held_bytes = 0
        self._ended = False
        self._failure: BaseException | None = None
        self._abandoned = False
        self._changed = threading.Condition()
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, chunk: bytes) -> bool:
        """Waits while the reader is behind; False when it has gone."""
        await self._room.wait()
        with self._changed:
            self._chunks.append(chunk)
            self._held_bytes += len(chunk)
            if self._held_bytes >= HELD_BYTES and not self._abandoned:
                self._room.clear()
            self._changed.notify()
            return not self._abandoned

    def end(self, failure: BaseException | None = None) -> None:
        """No more comes; with `failure` the reader gets that instead of an end."""
        with self._changed:
            self._ended = True
            self._failure = failure
            self._changed.notify()

    def abandon(self) -> None:
        """On the loop, when the reader has gone: don't wait for it any more."""
        with self._changed:
            self._abandoned = True
        self._room.set()

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, at least one unless the stream has ended."""
        with self._changed:
            while not self._chunks and not self._ended:
                self._changed.wait()
            if self._failure is not None:
                raise self._failure
            if not self._chunks:
                return b""
            chunk = self._chunks.popleft()
            if len(chunk) > size:
                self._chunks.appendleft(chunk[size:])
                chunk = chunk[:size]
            was_full = self._held_bytes >= HELD_BYTES
            self._held_bytes -= len(chunk)
            if was_full and self._held_bytes < HELD_BYTES:
                self._loop.call_soon_threadsafe(self._room.set)
        return chunk


async def consumed(
    workers: Workers, source: AsyncIterator[bytes], read: Callable[[Readable], Result]
) -> Result:
    """What `read(file)` returns, running in a worker thread and fed from `source`.

    A reader that stops early doesn't wait for the rest. A failing source fails the reader with it,
    and its failure is what is raised: a damaged archive is only how a broken stream looks. When
    cancelled, the reader gets Cancelled, and its end is awaited.
    """
    incoming = _Incoming()
    failures: list[Exception] = []

    async def pump() -> None:
        try:
            async for chunk in source:
                if chunk and not await incoming.put(chunk):
                    break
        except asyncio.CancelledError:
            incoming.end(Cancelled("the stream was cancelled"))
            raise
        except Exception as error:  # noqa: BLE001 - raised again below, by whoever waits
            failures.append(error)
            incoming.end(error)
        else:
            incoming.end()
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()

    pumping = asyncio.create_task(pump())
    reading = asyncio.ensure_future(workers.run(read, incoming))
    try:
        return await asyncio.shield(reading)
    except asyncio.CancelledError:
        await _stop(pumping)
        await asyncio.wait([reading])
        if not reading.cancelled():
            reading.exception()
        raise
    except Exception:
        if failures:
            raise failures[0] from None
        raise
    finally:
        incoming.abandon()
        await _stop(pumping)


async def _stop(task: asyncio.Task[None]) -> None:
    if not task.done():
        task.cancel()
    await asyncio.wait([task])
