"""What a build tells its watchers: a log in memory, read from its start by any number of them.

The newest updates are kept, so that a client that asks for the status a little late misses
nothing. While a watcher is far behind, `ready` holds programs up; without a watcher the oldest
updates are dropped.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from sampan.wire.buildkit.control import StatusResponse

KEPT = 20_000  # updates
BEHIND = 1_000  # updates at which whoever writes must wait


class StatusLog:
    """One build's; used on the event loop's thread."""

    def __init__(self) -> None:
        self._updates: deque[StatusResponse] = deque(maxlen=KEPT)
        self._count = 0
        self._positions: dict[object, int] = {}
        self._ended = False
        self._changed = asyncio.Event()
        self._read = asyncio.Event()

    def add(self, update: StatusResponse) -> None:
        self._updates.append(update)
        self._count += 1
        self._wake()

    def end(self) -> None:
        self._ended = True
        self._wake()

    async def ready(self) -> None:
        """Wait while the slowest watcher is far behind."""
        while self._positions and self._count - min(self._positions.values()) > BEHIND:
            self._read.clear()
            await self._read.wait()

    async def watch(self) -> AsyncIterator[StatusResponse]:
        """Everything that is kept, then what comes, until the end."""
        reader = object()
        self._positions[reader] = position = self._count - len(self._updates)
        try:
            while True:
                first = self._count - len(self._updates)
                position = max(position, first)
                if position < self._count:
                    update = self._updates[position - first]
                    position += 1
                    self._positions[reader] = position
                    self._read.set()
                    yield update
                elif self._ended:
                    return
                else:
                    changed = self._changed
                    await changed.wait()
        finally:
            del self._positions[reader]
            self._read.set()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
