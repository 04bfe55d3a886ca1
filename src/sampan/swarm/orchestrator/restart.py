"""Restarts: a task that ended, or whose node is lost or drained, gets a successor in its slot.

A task never runs again. Its desired state becomes shutdown and, if the policy allows, a new task
of the present spec is made in the same transaction, desired ready: it is placed and prepared, and
the starter lets it run when the old one is down and the delay has passed. One that is rejected
before that (its image can't be had) is followed when its own delay is over, not at once.

What the policy counts is read off the slot: all tasks of the same spec version but the oldest are
restarts (the reaper keeps as many as that needs), so that a new leader knows what the old one did.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sampan.lib.clock import Clock
from sampan.swarm.model import Node, Service, Task
from sampan.swarm.orchestrator.policies import (
    Condition,
    Mode,
    is_job,
    mode_of,
    restart_policy,
)
from sampan.swarm.orchestrator.starter import Starter
from sampan.swarm.orchestrator.tasks import (
    DRAIN,
    by_age,
    desire,
    ended,
    is_invalid,
    is_wanted,
    new_task,
)
from sampan.swarm.reconciler import Group, Reconciler
from sampan.swarm.states import TaskState
from sampan.swarm.store.interface import Action, Create, Event, Store
from sampan.swarm.store.tables import place_of


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a task gets a successor, and why (not)."""

    restarts: bool
    reason: str
    retry_at_ns: int = 0


def judge(task: Task, slot: Iterable[Task], now_ns: int, *, job: bool = False) -> Verdict:
    """By the task's own policy. `slot` are all tasks of its place that are remembered."""
    policy = restart_policy(task.spec)
    if policy.condition == Condition.NONE:
        return Verdict(restarts=False, reason="restart condition is none")
    completed = task.status.state == TaskState.COMPLETE
    if completed and (job or policy.condition == Condition.ON_FAILURE):
        return Verdict(restarts=False, reason="it completed")
    if not policy.max_attempts:
        return Verdict(restarts=True, reason="any number of attempts")
    alike = [
        each
        for each in slot
        if each.spec_version == task.spec_version and each.desired_state < TaskState.REMOVE
    ]
    restarts = by_age(alike)[1:]
    if policy.window_ns:
        restarts = [each for each in restarts if each.created_ns >= now_ns - policy.window_ns]
    tried = len(restarts)
    return Verdict(
        restarts=tried < policy.max_attempts,
        reason=f"{tried} of {policy.max_attempts} attempts made",
    )


def wanted_in_slot(service: Service, slot: Sequence[Task], now_ns: int) -> list[Task]:
    """The tasks that occupy a slot: those that shall run, or the last, if it shall rest in peace.

    Empty: nobody is there, nor stays there as the one that the policy won't restart.
    """
    running = [task for task in slot if is_wanted(task)]
    if running:
        return running
    status = service.update_status
    if status is not None and status.state == "rollback_started":
        return []
    left = [task for task in slot if task.desired_state < TaskState.REMOVE]
    if not left:
        return []
    newest = by_age(left)[-1]
    return [] if judge(newest, left, now_ns, job=is_job(service)).restarts else [newest]


class Restarter(Reconciler[str]):
    """Keys are the ids of tasks that may need a successor. All modes of services."""

    def __init__(self, store: Store, clock: Clock, starter: Starter) -> None:
        super().__init__(store, clock)
        self._starter = starter

    def seed(self) -> Iterator[str]:
        return (task.id for task in self.tables.all(Task) if self._needs_care(task))

    def keys(self, event: Event) -> Iterable[str]:
        item = event.item
        if isinstance(item, Task):
            gone = event.action == Action.REMOVED
            return () if gone or not self._needs_care(item) else (item.id,)
        if isinstance(item, Node):
            now_invalid = event.action == Action.REMOVED or is_invalid(item)
            return [task.id for task in self.tables.tasks_on(item.id)] if now_invalid else ()
        return ()

    def plan(self, key: str) -> Iterable[Group]:
        task = self.tables.find(Task, key)
        service = self.tables.find(Service, task.service_id) if task else None
        if task is None or service is None or not self._needs_care(task):
            return []
        node = self.tables.find(Node, task.node_id)
        mode = mode_of(service.spec)
        if mode in {Mode.GLOBAL, Mode.GLOBAL_JOB} and is_invalid(node):
            return []  # its place is gone with the node
        if is_job(service) and task.status.state == TaskState.COMPLETE:
            return []  # done, and remembered as such
        if ended(task) and task.desired_state == TaskState.READY:
            due_ns = self._starter.due_ns(task)
            if self.clock.now_ns() < due_ns:
                self.ask_at(key, due_ns)
                return []
        slot = self.tables.tasks_at(place_of(task))
        retired = desire(task, TaskState.SHUTDOWN)
        if _is_superseded(task, slot):
            return [retired]
        if not judge(task, slot, self.clock.now_ns(), job=is_job(service)).restarts:
            return [retired]
        successor = new_task(
            service,
            self.clock.now_ns(),
            slot=task.slot,
            node_id="" if task.slot else task.node_id,
            desired=TaskState.READY,
        )
        # leaving a drained node is no failure: no delay (swarmkit)
        drained = node is not None and node.spec.Availability == DRAIN
        delay_ns = 0 if drained else restart_policy(task.spec).delay_ns
        self._starter.expect(successor.id, delay_ns)
        return [[*retired, Create(successor)]]

    def refused(self, group: Group) -> None:
        for change in group:
            self._starter.forget(change.item.id)

    def _needs_care(self, task: Task) -> bool:
        if not is_wanted(task) or not task.service_id:
            return False
        if ended(task):
            return True
        return bool(task.node_id) and is_invalid(self.tables.find(Node, task.node_id))


def _is_superseded(task: Task, slot: Iterable[Task]) -> bool:
    """A newer task of its slot shall run already (an update that starts the new one first)."""
    newest = by_age(each for each in slot if is_wanted(each))[-1:]
    return bool(newest) and newest[0].id != task.id
