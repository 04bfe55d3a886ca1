"""Commits to several watchers, none lost: queues grow as long as their readers lag."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from sampan.swarm.store.interface import Commit


class _Watcher:
    def __init__(self) -> None:
        self.queue: asyncio.Queue[Commit | None] = asyncio.Queue()

    def __aiter__(self) -> AsyncIterator[Commit]:
        return self

    async def __anext__(self) -> Commit:
        commit = await self.queue.get()
        if commit is None:
            raise StopAsyncIteration
        return commit


class Watchers:
    """Of one store."""

    def __init__(self) -> None:
        self._watchers: set[_Watcher] = set()

    def publish(self, commit: Commit) -> None:
        for watcher in self._watchers:
            watcher.queue.put_nowait(commit)

    def close(self) -> None:
        """End all iterations."""
        for watcher in self._watchers:
            watcher.queue.put_nowait(None)

    @contextmanager
    def watch(self) -> Iterator[AsyncIterator[Commit]]:
        watcher = _Watcher()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
