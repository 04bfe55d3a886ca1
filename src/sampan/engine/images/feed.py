"""A byte stream handed from the event loop to a worker thread.

What arrives from the network is awaited on the loop; what unpacks it blocks in a thread. `Feed` is
the bounded hand-over between them: `put` waits while the thread is behind, `read` blocks while the
network is. Whichever side fails or is cancelled ends the other: no thread is left waiting.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import TypeVar

from sampan.errors import Cancelled
from sampan.lib.workers import Workers

Result = TypeVar("Result")

LIMIT_BYTES = 4 << 20


class Feed:
    """One writer on the loop, one reader in a thread."""

    def __init__(self, *, limit_bytes: int = LIMIT_BYTES) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = limit_bytes
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._ended = False
        self._failure: BaseException | None = None
        self._abandoned = False
        self._changed = threading.Condition()
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, chunk: bytes) -> bool:
        """False when the reader has gone: nobody wants more."""
        await self._room.wait()
        with self._changed:
            self._chunks.append(chunk)
            self._held += len(chunk)
            if self._held >= self._limit and not self._abandoned:
                self._room.clear()
            self._changed.notify()
            return not self._abandoned

    def end(self, failure: BaseException | None = None) -> None:
        """No more comes; with `failure` the reader gets that instead of an end."""
        with self._changed:
            self._ended = True
            self._failure = failure
            self._changed.notify()

    def read(self, size: int, /) -> bytes:
        """In the thread. Raises what the writer failed with."""
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
            was_full = self._held >= self._limit
            self._held -= len(chunk)
            if was_full and self._held < self._limit:
                self._loop.call_soon_threadsafe(self._room.set)
        return chunk

    def abandon(self) -> None:
        """On the loop, when the reader has gone: don't wait for it any more."""
        with self._changed:
            self._abandoned = True
        self._room.set()


async def consume(
    chunks: AsyncIterable[bytes], reader: Callable[[Feed], Result], workers: Workers
) -> Result:
    """Run `reader` in a thread over an async stream.

    The stream's error wins over the reader's: a truncated archive is only what a broken download
    looks like. When cancelled, the reader's `read` raises Cancelled, and its end is awaited.
    """
    feed = Feed()
    failures: list[BaseException] = []

    async def pump() -> None:
        try:
            async for chunk in chunks:
                if not await feed.put(chunk):
                    break
        except asyncio.CancelledError:
            feed.end(Cancelled("the transfer was cancelled"))
            raise
        except Exception as error:  # noqa: BLE001 - raised again below, by whoever waits
            failures.append(error)
            feed.end(error)
        else:
            feed.end()
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()

    pumping = asyncio.create_task(pump())
    reading = asyncio.ensure_future(workers.run(reader, feed))
    try:
        return await asyncio.shield(reading)
    except asyncio.CancelledError:
        await _cancel(pumping)
        await asyncio.wait([reading])
        _ = reading.exception() if not reading.cancelled() else None
        raise
    except Exception:
        if failures:
            raise failures[0] from None
        raise
    finally:
        feed.abandon()
        await _cancel(pumping)


async def _cancel(task: asyncio.Task[None]) -> None:
    if not task.done():
        task.cancel()
    await asyncio.wait([task])
