"""All tasks of this node: starts, feeds and ends their managers as assignments come.

    local records --start()--> task managers <--apply(Assigned)-- session
                                    | tell
                                    v
                       record saved, then reported

Order within one `Assigned`: networks, secrets and configs, then tasks. What a complete set doesn't
name is ended and removed, be it a task that is known here or a container left over from a former
life. A removal goes on until it succeeds.
"""

import asyncio
import logging
from collections.abc import Mapping

from sampan.errors import SampanError
from sampan.lib.clock import Clock
from sampan.lib.log import fields
from sampan.swarm.agent.dependencies import Dependencies
from sampan.swarm.agent.executor import Executor
from sampan.swarm.agent.local import TaskRecord, TaskRecords, worth_keeping
from sampan.swarm.agent.reports import Reports
from sampan.swarm.agent.task_manager import FIRST_PAUSE_NS, LONGEST_PAUSE_NS, TaskManager
from sampan.swarm.messages import Assigned
from sampan.swarm.model import Task, TaskStatus
from sampan.swarm.states import has_ended, may_become

log = logging.getLogger(__name__)


class Worker:
    """Entered once; leaving stops the managers, not what they manage."""

    def __init__(
        self, *, executor: Executor, records: TaskRecords, reports: Reports, clock: Clock
    ) -> None:
        self._executor = executor
        self._records = records
        self._reports = reports
        self._clock = clock
        self._dependencies = Dependencies()
        self._managers: dict[str, TaskManager] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._removals: dict[str, asyncio.Task[None]] = {}
        self._returned: dict[str, Task] = {}  # assigned again while they are being removed

    @property
    def tasks(self) -> Mapping[str, Task]:
        """By id, as managers sent them last."""
        return {identifier: one.task for identifier, one in self._managers.items()}

    async def start(self) -> None:
        """Go on where the daemon before left off."""
        for record in await self._records.load():
            self._manage(record.task, record.status)

    async def close(self) -> None:
        work = [*self._running.values(), *self._removals.values()]
        for each in work:
            each.cancel()
        await asyncio.gather(*work, return_exceptions=True)

    async def apply(self, assigned: Assigned) -> None:
        if assigned.networks is not None:
            await self._executor.networks(assigned.networks)
        self._dependencies.apply(assigned)
        for task in assigned.tasks:
            await self._assign(task)
        gone = set(assigned.removed_tasks)
        if assigned.complete:
            known = self._managers.keys() | self._returned.keys()
            gone |= known - {task.id for task in assigned.tasks}
        for identifier in gone:
            await self._drop(identifier)
        if assigned.complete:
            await self._executor.sweep(frozenset(self._managers) | self._removals.keys())

    # --- one task ---------------------------------------------------------------------------------

    async def _assign(self, task: Task) -> None:
        manager = self._managers.get(task.id)
        if manager is None:
            if task.id in self._removals:
                self._returned[task.id] = task
                return
            await self._records.save(TaskRecord(task=task, status=task.status))
            self._manage(task, task.status)
            return
        changed = manager.task.desired_state != task.desired_state
        manager.assign(task)
        if changed:
            await self._records.save(TaskRecord(task=task, status=manager.status))
        if task.status != manager.status and may_become(task.status.state, manager.status.state):
            self._reports.add(task.id, manager.status)  # a report was lost on its way

    def _manage(self, task: Task, status: TaskStatus) -> None:
        controller = self._executor.controller(task, self._dependencies)
        manager = TaskManager(task, status, controller, self._tell, self._clock)
        self._managers[task.id] = manager
        self._running[task.id] = asyncio.create_task(manager.run(), name=f"task {task.name}")

    async def _tell(self, task: Task, status: TaskStatus) -> None:
        if worth_keeping(status.state):
            await self._records.save(TaskRecord(task=task, status=status))
        self._reports.add(task.id, status)

    async def _drop(self, identifier: str) -> None:
        self._returned.pop(identifier, None)
        manager = self._managers.pop(identifier, None)
        if manager is None:
            return
        running = self._running.pop(identifier)
        running.cancel()
        self._reports.forget(identifier)
        self._removals[identifier] = asyncio.create_task(
            self._remove(manager, running), name=f"removal of {manager.task.name}"
        )

    async def _remove(self, manager: TaskManager, running: asyncio.Task[None]) -> None:
        await asyncio.gather(running, return_exceptions=True)
        pause_ns, identifier = FIRST_PAUSE_NS, manager.task.id
        while True:
            try:
                await manager.remove()
                await self._records.forget(identifier)
                break
            except SampanError as error:
                log.warning(fields("task.not_removed", task=identifier, why=error.message))
            except Exception:
                log.exception(fields("task.removal_broke", task=identifier))
            await self._clock.sleep(pause_ns)
            pause_ns = min(pause_ns * 2, LONGEST_PAUSE_NS)
        del self._removals[identifier]
        if (returned := self._returned.pop(identifier, None)) is not None:
            await self._assign(returned)
        log.info(fields("task.removed", task=identifier, ended=has_ended(manager.status.state)))
