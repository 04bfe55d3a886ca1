"""Agents of all nodes at once: tasks go through their states in the time that they are told."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from sampan.lib.clock import Clock
from sampan.swarm.model import Node, Task
from sampan.swarm.reconciler import Group, Reconciler
from sampan.swarm.states import NodeState, TaskState
from sampan.swarm.store.interface import Action, Event, Store, Update
from simulation.virtual import NANOS


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a task's container fares. `runs_for_s` None: until it is stopped."""

    prepares_s: float = 0.2
    starts_s: float = 0.3
    stops_s: float = 0.5
    runs_for_s: float | None = None
    ends: TaskState = TaskState.FAILED
    rejected: bool = False


class Agents(Reconciler[str]):
    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store, clock)
        self.behave: Callable[[Task], Behaviour] = lambda _: Behaviour()
        self.silent: set[str] = set()  # nodes whose agent doesn't answer
        self._told_to_stop: dict[str, int] = {}

    def seed(self) -> Iterable[str]:
        return [task.id for task in self.tables.all(Task) if task.node_id]

    def keys(self, event: Event) -> Iterable[str]:
        if isinstance(event.item, Task) and event.action != Action.REMOVED:
            return (event.item.id,) if event.item.status.state >= TaskState.ASSIGNED else ()
        if isinstance(event.item, Node) and event.item.status.state == NodeState.READY:
            return [task.id for task in self.tables.tasks_on(event.item.id)]
        return ()

    def plan(self, key: str) -> Iterable[Group]:
        task = self.tables.find(Task, key)
        if task is None or task.node_id in self.silent:
            return []
        if self.tables.find(Node, task.node_id) is None:
            return []
        due = self._next(task, self.behave(task))
        if due is None:
            return []
        at_ns, state = due
        if self.clock.now_ns() < at_ns:
            self.ask_at(key, at_ns)
            return []
        status = msgspec.structs.replace(
            task.status, state=state, timestamp_ns=self.clock.now_ns(), message=state.word
        )
        return [[Update(msgspec.structs.replace(task, status=status))]]

    def _next(self, task: Task, behaviour: Behaviour) -> tuple[int, TaskState] | None:
        since_ns, state = task.status.timestamp_ns, task.status.state
        if not TaskState.ASSIGNED <= state <= TaskState.RUNNING:
            return None
        if task.desired_state > TaskState.COMPLETE:
            if state < TaskState.STARTING:
                return since_ns, TaskState.SHUTDOWN
            told_ns = self._told_to_stop.setdefault(task.id, self.clock.now_ns())
            return told_ns + round(behaviour.stops_s * NANOS), TaskState.SHUTDOWN
        if state == TaskState.ASSIGNED:
            return since_ns, TaskState.PREPARING
        if state == TaskState.PREPARING:
            after = TaskState.REJECTED if behaviour.rejected else TaskState.READY
            return since_ns + round(behaviour.prepares_s * NANOS), after
        if state == TaskState.READY:
            wanted = task.desired_state in {TaskState.RUNNING, TaskState.COMPLETE}
            return (since_ns, TaskState.STARTING) if wanted else None
        if state == TaskState.STARTING:
            return since_ns + round(behaviour.starts_s * NANOS), TaskState.RUNNING
        if behaviour.runs_for_s is None:
            return None
        return since_ns + round(behaviour.runs_for_s * NANOS), behaviour.ends
