"""From work that reports progress to the stream of progress objects that a client reads.

`reported` runs the work while its objects are read, and raises what it failed with after the last
of them. When the reader leaves, the work is cancelled and its end awaited. A slow reader costs no
memory: of a row's bars only the newest waits.
"""

import asyncio
import errno
import os
import sqlite3
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from sampan.engine.images.progress import bar
from sampan.errors import Internal
from sampan.wire.progress import Progress

Report = Callable[[Progress], None]

BAR_INTERVAL_S = 0.1  # between two bars of one row; dockerd's rate


class StorageFailed(Internal):
    """The disk is full or broken; `what` says what couldn't be stored."""

    def __init__(self, *, what: str, error: OSError | sqlite3.Error) -> None:
        reason, hint = str(error), ""
        if isinstance(error, OSError) and error.errno:
            where = f" {error.filename}" if error.filename else ""
            reason = f"write{where}: {os.strerror(error.errno).lower()}"
            hint = "free some space in the data root" if error.errno == errno.ENOSPC else ""
        super().__init__(f"{what}: {reason}", hint=hint)


class ProgressQueue:
    """Objects in order, but a bar gives way to a newer one of its row."""

    def __init__(self) -> None:
        self._items: dict[object, Progress] = {}
        self._changed = asyncio.Event()
        self._ended = False
        self._count = 0

    def put(self, item: Progress) -> None:
        self._count += 1
        key: object = self._count
        if item.get("progressDetail") and "id" in item:
            key = item["id"]
            self._items.pop(key, None)
        self._items[key] = item
        self._changed.set()

    def end(self) -> None:
        self._ended = True
        self._changed.set()

    async def items(self) -> AsyncIterator[Progress]:
        while True:
            while self._items:
                yield self._items.pop(next(iter(self._items)))
            if self._ended:
                return
            self._changed.clear()
            await self._changed.wait()


class Bars:
    """Sends a row's bars at a bearable rate."""

    def __init__(self, report: Report, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._report = report
        self._clock = clock
        self._sent: dict[tuple[str, str], float] = {}

    def show(self, text: str, row: str, current: int, total: int) -> None:
        now = self._clock()
        last = self._sent.get((text, row))
        if last is None or now - last >= BAR_INTERVAL_S or current == total:
            self._sent[text, row] = now
            self._report(bar(text, row, current, total))


async def reported(
    work: Callable[[Report], Awaitable[object]],
) -> AsyncGenerator[Progress, None]:
    """See the module's docstring."""
    queue = ProgressQueue()

    async def run() -> None:
        await work(queue.put)

    task = asyncio.create_task(run())  # awaited below, whatever happens
    task.add_done_callback(lambda _: queue.end())
    try:
        async for item in queue.items():
            yield item
        await task
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
