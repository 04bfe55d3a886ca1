"""One rolling update (or rollback) of one service: its workers, its failures, its status.

The statuses are pure functions from a service to what it becomes; see update.py for the states.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import anyio
import msgspec
from anyio import CancelScope
from anyio.abc import TaskGroup

from sampan.errors import Unavailable
from sampan.lib.clock import NANOS, Clock
from sampan.swarm.model import Node, Service, Task, UpdateStatus
from sampan.swarm.orchestrator.policies import FailureAction, Order, Rollout, rollout
from sampan.swarm.orchestrator.starter import Starter
from sampan.swarm.orchestrator.tasks import (
    Slot,
    by_age,
    desire,
    ended,
    is_dirty,
    is_slot_dirty,
    is_wanted,
    new_task,
)
from sampan.swarm.reconciler import RACE_LOST_NS, UNAVAILABLE_NS
from sampan.swarm.states import TaskState
from sampan.swarm.store.interface import Change, Create, ObjectMissing, OutOfDate, Store, Update
from sampan.swarm.store.tables import place_of

GOING_ON = frozenset({"updating", "rollback_started"})
ROLLING_BACK = frozenset({"rollback_started", "rollback_paused"})

Restatus = Callable[[Service, int], Service | None]
"""What a service becomes at a moment; None: it stays as it is."""


def _state(service: Service) -> str:
    return service.update_status.state if service.update_status else ""


def _with_status(service: Service, now_ns: int, state: str, message: str) -> Service:
    old = service.update_status
    done = state in {"completed", "rollback_completed"}
    status = UpdateStatus(
        state=state,
        started_ns=old.started_ns if old and old.started_ns else now_ns,
        completed_ns=now_ns if done else 0,
        message=message,
    )
    return msgspec.structs.replace(service, update_status=status)


def begin_status(service: Service, now_ns: int) -> Service | None:
    if _state(service) in GOING_ON:
        return None
    fresh = msgspec.structs.replace(service, update_status=None)
    return _with_status(fresh, now_ns, "updating", "update in progress")


def finish_status(service: Service, now_ns: int) -> Service | None:
    if _state(service) == "rollback_started":
        return _with_status(service, now_ns, "rollback_completed", "rollback completed")
    if _state(service) == "updating":
        return _with_status(service, now_ns, "completed", "update completed")
    return None


def pause_status(service: Service, now_ns: int, *, task_id: str) -> Service | None:
    back = _state(service) == "rollback_started"
    state, what = ("rollback_paused", "rollback") if back else ("paused", "update")
    message = f"{what} paused due to failure or early termination of task {task_id}"
    return _with_status(service, now_ns, state, message)


def roll_back_status(service: Service, now_ns: int, *, task_id: str) -> Service | None:
    """To the previous spec, under its old version: tasks that still are of it count as clean."""
    if service.previous_spec is None:
        return pause_status(service, now_ns, task_id=task_id)
    message = f"update rolled back due to failure or early termination of task {task_id}"
    back = msgspec.structs.replace(
        service,
        spec=service.previous_spec,
        spec_version=service.previous_spec_version,
        registry_auth=service.previous_registry_auth,
        previous_spec=None,
        previous_spec_version=0,
        previous_registry_auth="",
    )
    return _with_status(back, now_ns, "rollback_started", message)


class Rolling:
    """`run` returns whether all slots were taken and watched without a stop by failures."""

    def __init__(
        self, store: Store, clock: Clock, starter: Starter, service: Service, slots: Sequence[Slot]
    ) -> None:
        self.service = service
        self.dirty: list[Slot] = []
        self.scope = CancelScope()
        self.stopped = False
        self._store = store
        self._clock = clock
        self._starter = starter
        self._rolls_back = _state(service) in ROLLING_BACK
        spec = service.spec
        self._policy = rollout(spec.RollbackConfig if self._rolls_back else spec.UpdateConfig)
        self._monitor_ns = watched_for_ns(self._policy)
        self._ran_at: dict[str, int] = {}  # the new tasks; 0 until they run
        self._failed: set[str] = set()
        self._arrived: dict[str, anyio.Event] = {}
        self._group: TaskGroup | None = None
        for slot in slots:
            if is_slot_dirty(service, slot, self._find_node) or self._adopts(slot):
                self.dirty.append(slot)

    def is_for(self, service: Service) -> bool:
        return (
            service.spec_version == self.service.spec_version
            and (_state(service) in ROLLING_BACK) == self._rolls_back
            and service.spec == self.service.spec
        )

    def note(self, task: Task, *, gone: bool) -> None:
        """Told of every change of the service's tasks."""
        if task.id not in self._ran_at:
            return
        if task.status.state == TaskState.RUNNING and not self._ran_at[task.id]:
            self._ran_at[task.id] = self._clock.now_ns()
        if gone or task.status.state >= TaskState.RUNNING or not is_wanted(task):
            self._arrived[task.id].set()
        if ended(task) and task.status.state != TaskState.SHUTDOWN:
            self._count_failure(task)

    async def run(self) -> bool:
        async with anyio.create_task_group() as self._group:
            slots = iter(self.dirty)
            async with anyio.create_task_group() as workers:
                for _ in range(self._policy.parallelism or len(self.dirty)):
                    workers.start_soon(self._work, slots)
            if not self.stopped and self._policy.failure_action != FailureAction.CONTINUE:
                await self._clock.sleep(self._monitor_ns)
        return not self.stopped

    async def record(self, restatus: Restatus) -> None:
        def plan() -> list[Change]:
            service = self._store.tables.find(Service, self.service.id)
            if service is None or not self.is_for(service):
                return []
            changed = restatus(service, self._clock.now_ns())
            return [] if changed is None else [Update(changed)]

        await self._write(plan)

    def _adopts(self, slot: Slot) -> bool:
        """Whether its task was made since this began, and has still to show that it runs.

        Another leader's, or the restarter's: it took the spec of a rollback before the updater.
        """
        status = self.service.update_status
        if status is None or _state(self.service) not in GOING_ON:
            return False
        for task in slot:
            if task.created_ns >= status.started_ns and task.status.state < TaskState.RUNNING:
                self._expect(task)
                return True
        return False

    def _expect(self, task: Task) -> anyio.Event:
        self._ran_at[task.id] = 0
        arrived = self._arrived[task.id] = anyio.Event()
        return arrived

    def _count_failure(self, task: Task) -> None:
        policy, ran_at = self._policy, self._ran_at[task.id]
        late = ran_at and self._clock.now_ns() - ran_at > self._monitor_ns
        if late or task.id in self._failed or policy.failure_action == FailureAction.CONTINUE:
            return
        self._failed.add(task.id)
        if self.stopped or len(self._failed) / len(self.dirty) <= policy.max_failure_ratio:
            return
        self.stopped = True
        rolls_back = policy.failure_action == FailureAction.ROLLBACK and not self._rolls_back
        verdict = roll_back_status if rolls_back else pause_status
        if self._group is not None:
            self._group.start_soon(self.record, partial(verdict, task_id=task.id))

    async def _work(self, slots: Iterator[Slot]) -> None:
        for slot in slots:  # one iterator for all workers
            await self._replace(slot)
            if self.stopped:
                return
            if self._policy.delay_ns:
                await self._clock.sleep(self._policy.delay_ns)
            if self.stopped:
                return

    async def _replace(self, slot: Slot) -> None:
        first = slot[0]
        if first.id in self._arrived:
            await self._arrived[first.id].wait()
            return
        successor = new_task(
            self.service,
            self._clock.now_ns(),
            slot=first.slot,
            node_id="" if first.slot else first.node_id,
            desired=TaskState.READY,
        )
        starts_first = self._policy.order == Order.START_FIRST
        if starts_first:
            successor = msgspec.structs.replace(successor, desired_state=TaskState.RUNNING)
        arrived = self._expect(successor)
        self._starter.expect(successor.id, 0)
        if not await self._write(partial(self._plan_slot, slot, successor, starts_first)):
            return
        if self._store.tables.find(Task, successor.id) is None:
            return  # a task of the new spec was there
        await arrived.wait()
        if starts_first and self._ran_at[successor.id]:
            await self._write(partial(self._plan_retirement, successor.id))

    def _plan_slot(self, slot: Slot, successor: Task, starts_first: bool) -> list[Change]:
        present = [task for task in self._at(slot[0]) if is_wanted(task)]
        present = present or self._resting(slot)
        clean = [task for task in present if not self._is_dirty(task)]
        if clean:
            kept = max(clean, key=lambda task: (task.desired_state, task.created_ns))
            return [
                change
                for task in present
                if task.id != kept.id
                for change in desire(task, TaskState.SHUTDOWN)
            ]
        if not present:
            return []  # the slot was taken away meanwhile
        # one goes on until the new one runs: there may be more, of an update that was cut short
        kept_ids = {_serving(present).id} if starts_first else set()
        gone = (task for task in present if task.id not in kept_ids)
        retired = [change for task in gone for change in desire(task, TaskState.SHUTDOWN)]
        return [*retired, Create(successor)]

    def _plan_retirement(self, successor_id: str) -> list[Change]:
        """The older ones of its slot have done their duty."""
        successor = self._store.tables.find(Task, successor_id)
        if successor is None or not is_wanted(successor):
            return []
        slot = by_age(task for task in self._at(successor) if is_wanted(task))
        older = slot[: [task.id for task in slot].index(successor_id)]
        return [change for task in older for change in desire(task, TaskState.SHUTDOWN)]

    def _resting(self, slot: Slot) -> Slot:
        """Tasks that ended and that their policy didn't restart, if they are still the last."""
        ids = {task.id for task in slot}
        newest = by_age(task for task in self._at(slot[0]) if task.desired_state < TaskState.REMOVE)
        return [task for task in newest[-1:] if task.id in ids]

    def _at(self, task: Task) -> list[Task]:
        return self._store.tables.tasks_at(place_of(task))

    def _is_dirty(self, task: Task) -> bool:
        return is_dirty(self.service, task, self._find_node)

    def _find_node(self, node_id: str) -> Node | None:
        return self._store.tables.find(Node, node_id)

    async def _write(self, plan: Callable[[], list[Change]]) -> bool:
        """Plan and write until it is done; whether there was anything to do."""
        while True:
            changes = plan()
            if not changes:
                return False
            try:
                await self._store.apply(*changes)
            except (OutOfDate, ObjectMissing):
                await self._clock.sleep(RACE_LOST_NS)
            except Unavailable:
                await self._clock.sleep(UNAVAILABLE_NS)
            else:
                return True


def _serving(tasks: Slot) -> Task:
    """The oldest that runs; else the newest."""
    ordered = by_age(tasks)
    running = (task for task in ordered if task.status.state == TaskState.RUNNING)
    return next(running, ordered[-1])


def watched_for_ns(policy: Rollout) -> int:
    """A delay as long as the monitor period would hide failures from it (swarmkit)."""
    if policy.delay_ns >= policy.monitor_ns:
        return policy.delay_ns + NANOS
    return policy.monitor_ns
