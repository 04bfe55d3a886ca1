"""What a build tells its watchers: a log in memory, read from its start by any number of them.

The newest updates are kept, so that a client that asks for the status a little late misses
nothing. While a watcher is far behind, `ready` holds programs up; without a watcher the oldest
updates are dropped. Limits are in bytes of program output: everything else is small.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from sampan.wire.buildkit.control import StatusResponse

KEPT_BYTES = 4 << 20
BEHIND_BYTES = 1 << 20  # unread output at which whoever writes must wait

_UPDATE_BYTES = 256  # what an update counts beside its output


@dataclass(slots=True)
class _Reader:
    """How far it is: `update` counts from the log's start, `offset` in bytes."""

    update: int
    offset: int


class StatusLog:
    """One build's; used on the event loop's thread."""

    def __init__(self) -> None:
        self._updates: deque[tuple[StatusResponse, int]] = deque()  # with their sizes
        self._first = 0  # the number of the oldest that is kept
        self._kept_bytes = 0
        self._written_bytes = 0
        self._positions: dict[int, _Reader] = {}
        self._ended = False
        self._changed = asyncio.Event()
        self._read = asyncio.Event()

    def add(self, update: StatusResponse) -> None:
        size = _UPDATE_BYTES + sum(len(one.msg) for one in update.logs)
        self._updates.append((update, size))
        self._kept_bytes += size
        self._written_bytes += size
        while self._kept_bytes > KEPT_BYTES and len(self._updates) > 1:
            self._kept_bytes -= self._updates.popleft()[1]
            self._first += 1
        self._wake()

    def end(self) -> None:
        self._ended = True
        self._wake()

    async def ready(self) -> None:
        """Wait while the slowest watcher is far behind."""
        while self._positions and self._written_bytes - self._slowest() > BEHIND_BYTES:
            self._read.clear()
            await self._read.wait()

    async def watch(self) -> AsyncIterator[StatusResponse]:
        """Everything that is kept, then what comes, until the end."""
        reader = _Reader(self._first, self._written_bytes - self._kept_bytes)
        key = id(reader)
        self._positions[key] = reader
        try:
            while True:
                if reader.update < self._first:  # it was so slow that something is lost
                    reader.update = self._first
                    reader.offset = self._written_bytes - self._kept_bytes
                if reader.update - self._first < len(self._updates):
                    update, size = self._updates[reader.update - self._first]
                    reader.update += 1
                    reader.offset += size
                    self._read.set()
                    yield update
                elif self._ended:
                    return
                else:
                    changed = self._changed
                    await changed.wait()
        finally:
            del self._positions[key]
            self._read.set()

    def _slowest(self) -> int:
        return min(reader.offset for reader in self._positions.values())

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
