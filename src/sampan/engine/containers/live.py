"""What lives with the processes: tasks, who waits for which end, and background work of the engine.

Nothing here is saved: after a daemon restart `restore.py` fills it anew. One owner, on the event
loop. Waiters are told once the exit is committed and the container's resources are released.
"""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sampan.errors import Conflict
from sampan.lib.ids import ContainerId
from sampan.runtime.tasks import Task

log = logging.getLogger(__name__)

Result = TypeVar("Result")


class NotRunning(Conflict):
    def __init__(self, identifier: str) -> None:
        super().__init__(f"container {identifier} is not running")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a wait ended: the exit code, and an error text if the removal failed."""

    exit_code: int
    error: str = ""


@dataclass(slots=True)
class _Entry:
    task: Task | None = None
    exit_waiters: set[asyncio.Future[Outcome]] = field(default_factory=set)
    removal_waiters: set[asyncio.Future[Outcome]] = field(default_factory=set)

    @property
    def empty(self) -> bool:
        return self.task is None and not self.exit_waiters and not self.removal_waiters


class LiveContainers:
    """Tasks and waiters by container."""

    def __init__(self) -> None:
        self._entries: dict[ContainerId, _Entry] = {}

    def find_task(self, identifier: ContainerId) -> Task | None:
        entry = self._entries.get(identifier)
        return entry.task if entry else None

    def task(self, identifier: ContainerId) -> Task:
        """Raises NotRunning."""
        found = self.find_task(identifier)
        if found is None:
            raise NotRunning(identifier)
        return found

    def put_task(self, identifier: ContainerId, task: Task) -> None:
        self._entries.setdefault(identifier, _Entry()).task = task

    def drop_task(self, identifier: ContainerId) -> None:
        if (entry := self._entries.get(identifier)) is not None:
            entry.task = None
            self._tidy(identifier)

    # --- waiters ----------------------------------------------------------------------------------

    def wait_for_exit(self, identifier: ContainerId) -> asyncio.Future[Outcome]:
        """Done at the end of the present or next run."""
        entry = self._entries.setdefault(identifier, _Entry())
        return self._waiter(identifier, entry.exit_waiters)

    def wait_for_removal(self, identifier: ContainerId) -> asyncio.Future[Outcome]:
        entry = self._entries.setdefault(identifier, _Entry())
        return self._waiter(identifier, entry.removal_waiters)

    def tell_exit(self, identifier: ContainerId, outcome: Outcome) -> None:
        if (entry := self._entries.get(identifier)) is not None:
            _tell(entry.exit_waiters, outcome)
            self._tidy(identifier)

    def tell_removal(self, identifier: ContainerId, outcome: Outcome) -> None:
        """Also ends waits for an exit that will never come."""
        if (entry := self._entries.get(identifier)) is not None:
            _tell(entry.exit_waiters, outcome)
            _tell(entry.removal_waiters, outcome)
            self._tidy(identifier)

    def _waiter(
        self, identifier: ContainerId, waiters: set[asyncio.Future[Outcome]]
    ) -> asyncio.Future[Outcome]:
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        waiters.add(future)

        def done(_: asyncio.Future[Outcome]) -> None:
            waiters.discard(future)
            self._tidy(identifier)

        future.add_done_callback(done)
        return future

    def _tidy(self, identifier: ContainerId) -> None:
        entry = self._entries.get(identifier)
        if entry is not None and entry.empty:
            del self._entries[identifier]


def _tell(waiters: set[asyncio.Future[Outcome]], outcome: Outcome) -> None:
    for future in list(waiters):
        if not future.done():
            future.set_result(outcome)


class Background:
    """Owner of the engine's own asyncio tasks: watchers, restart timers, late cleaning."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._finishing: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, None], *, what: str) -> asyncio.Task[None]:
        """Run `work` until it ends or `aclose`; a failure is logged, with `what` it was."""
        task = asyncio.get_running_loop().create_task(_logged(work, what), name=what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self, work: Coroutine[Any, Any, Result], *, what: str) -> Result:
        """Run `work` to its end and return its result, even if the caller is cancelled."""
        task = asyncio.get_running_loop().create_task(work, name=what)
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Wait for what must be finished, cancel the rest and wait until that has ended."""
        while self._finishing or self._tasks:
            await asyncio.gather(*self._finishing, return_exceptions=True)
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _logged(work: Coroutine[Any, Any, None], what: str) -> None:
    try:
        await work
    except Exception:
        log.exception("background work failed what=%s", what)
