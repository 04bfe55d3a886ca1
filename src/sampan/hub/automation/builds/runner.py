"""Takes builds from the queue, some at a time, and ends them.

Whatever ends the hub, a build under way stays `in progress` in the database and is taken up again
at the next start (queue.py); only a person's cancel makes it `cancelled`. Its log goes on in the
same file.
"""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import anyio
from anyio import CancelScope, CapacityLimiter
from anyio.abc import TaskGroup

from sampan.hub.automation.builds import queue
from sampan.hub.automation.builds.logs import BuildLogs
from sampan.hub.automation.builds.queue import Build, State
from sampan.hub.automation.builds.work import Ending
from sampan.hub.db.engine import Database
from sampan.lib.cleanup import shielded
from sampan.lib.log import fields
from sampan.lib.workers import Workers

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
SWEEP_EVERY_S = 3600.0


class Work(Protocol):
    """Called once for each claimed build; raises only when it is cancelled."""

    async def run(self, build: Build) -> Ending: ...


class BuildRunner:
    """`wake` and `cancel` come from the event loop's thread, after the database says so."""

    def __init__(
        self,
        *,
        database: Database,
        workers: Workers,
        work: Work,
        logs: BuildLogs,
        scratch: Path,
        parallel: int = 2,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._workers = workers
        self._work = work
        self._logs = logs
        self._scratch = scratch
        self._places = CapacityLimiter(parallel)
        self._ended = ended
        self._scopes: dict[int, CancelScope] = {}
        self._cancelled: set[int] = set()
        self._wake = anyio.Event()

    def wake(self) -> None:
        self._wake.set()

    def cancel(self, build_id: int) -> None:
        """Of one that runs, or has just been claimed."""
        self._cancelled.add(build_id)
        scope = self._scopes.get(build_id)
        if scope is not None:
            scope.cancel()

    async def run(self) -> None:
        """Until cancelled."""
        await self._recover()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._sweep)
            while True:
                try:
                    await self._fill(tasks)
                except Exception:  # the boundary of the task: the next look may do better
                    log.exception("builds not taken up")
                with anyio.move_on_after(LOOK_EVERY_S):
                    await self._wake.wait()
                self._wake = anyio.Event()

    async def _recover(self) -> None:
        await self._workers.run(_clear, self._scratch)
        for build in await self._database.write(queue.recover):
            out = self._logs.writer(build.id)
            out.line("The hub was stopped: starting again")
            await out.flush()
            log.info(fields("build taken up again", build=build.id, attempt=build.attempts + 1))

    async def _fill(self, tasks: TaskGroup) -> None:
        while len(self._scopes) < self._places.total_tokens:
            if not await self._database.read(queue.has_pending):
                return
            build = await self._database.write(queue.claim)
            if build is None:
                return
            self._scopes[build.id] = CancelScope()
            tasks.start_soon(self._run, build)

    async def _run(self, build: Build) -> None:
        log.info(fields("build started", build=build.id, tag=build.tag, attempt=build.attempts))
        ending = Ending(State.CANCELLED, "cancelled")
        try:
            with self._scopes[build.id]:
                if build.id in self._cancelled:  # between the claim and this line
                    return
                ending = await self._work.run(build)
        except Exception:  # the boundary of a build
            log.exception("build broke build=%s", build.id)
            ending = Ending(State.ERROR, "something went wrong here; the hub's log knows more")
        finally:
            self._scopes.pop(build.id, None)
            if ending.state is not State.CANCELLED or build.id in self._cancelled:
                await shielded(lambda: self._finish(build, ending), what="end of a build")
            self._cancelled.discard(build.id)
            self.wake()

    async def _finish(self, build: Build, ending: Ending) -> None:
        await self._database.write(
            lambda connection: queue.finish(
                connection, build.id, ending.state, ending.reason, digest=ending.digest
            )
        )
        log.info(fields("build ended", build=build.id, state=ending.state, reason=ending.reason))
        self._ended()

    async def _sweep(self) -> None:
        """Logs of builds that are no longer in the list."""
        while True:
            try:
                ids = await self._workers.run(self._logs.list_ids)
                known = await self._database.read(
                    lambda connection: queue.known_ids(connection, ids)  # noqa: B023 - awaited
                )
                for each in set(ids) - known:
                    await self._workers.run(self._logs.remove, each)
            except Exception:  # the boundary of the task: they only take space
                log.exception("old logs not removed")
            await anyio.sleep(SWEEP_EVERY_S)


def _clear(scratch: Path) -> None:
    """What a killed hub left."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True, mode=0o700)
