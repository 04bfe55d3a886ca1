"""Work that several clients want at the same time is done once: one download per blob.

The first that joins a key starts the work, later ones wait for the same. All see its progress; a
newcomer at once gets the last of it. Who stops waiting (its client left) leaves; with the last one
the work is cancelled. A failed or finished transfer is never joined again. What the work acquired
(leases on what it stored) is kept until the last one has left, so that each can take over.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Generic, TypeVar

Result = TypeVar("Result")
Progress = TypeVar("Progress")

Watch = Callable[[Progress], None]
Work = Callable[[Watch[Progress], AsyncExitStack], Awaitable[Result]]


class Transfer(Generic[Progress, Result]):
    """One piece of work and those who wait for it; made by `Transfers.join` only."""

    def __init__(self) -> None:
        self.held = AsyncExitStack()
        self.users = 0
        self._watchers: list[Watch[Progress]] = []
        self._last: list[Progress] = []
        self._task: asyncio.Task[Result] | None = None

    def start(self, work: Work[Progress, Result]) -> None:
        async def run() -> Result:
            return await work(self.publish, self.held)

        self._task = asyncio.create_task(run())  # awaited by `stop`, by the last user

    @property
    def done(self) -> bool:
        return self._task is not None and self._task.done()

    def publish(self, progress: Progress) -> None:
        self._last = [progress]
        for watcher in self._watchers:
            watcher(progress)

    def watch(self, watcher: Watch[Progress]) -> None:
        self._watchers.append(watcher)
        for progress in self._last:
            watcher(progress)

    def unwatch(self, watcher: Watch[Progress]) -> None:
        self._watchers.remove(watcher)

    async def result(self) -> Result:
        """Wait for the end; being cancelled here doesn't cancel the work."""
        assert self._task is not None
        return await asyncio.shield(self._task)

    async def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError, Exception):  # whoever waited has seen it
            await self._task
        await self.held.aclose()


class Transfers(Generic[Progress, Result]):
    """The transfers under way, by key. Used on one event loop."""

    def __init__(self) -> None:
        self._active: dict[str, Transfer[Progress, Result]] = {}

    @asynccontextmanager
    async def join(
        self, key: str, work: Work[Progress, Result], watcher: Watch[Progress]
    ) -> AsyncIterator[Transfer[Progress, Result]]:
        """Start or join; what the work holds stays held until the block is left."""
        transfer = self._active.get(key)
        if transfer is None or transfer.done:
            transfer = Transfer()
            transfer.start(work)
            self._active[key] = transfer
        transfer.users += 1
        transfer.watch(watcher)
        try:
            yield transfer
        finally:
            transfer.unwatch(watcher)
            transfer.users -= 1
            if transfer.users == 0:
                if self._active.get(key) is transfer:
                    del self._active[key]
                await _uninterrupted(transfer.stop())
            # others still wait: the work goes on for them


async def _uninterrupted(action: Awaitable[None]) -> None:
    """Finish `action` even when the one who waits is being cancelled."""
    task = asyncio.ensure_future(action)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
