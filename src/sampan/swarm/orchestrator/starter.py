"""Lets tasks that wait in desired state ready run: when their delay has passed and their place is
free.

Free means that no task of the slot that shall stop is still on a node that answers. A node that is
down can't be asked, and nobody is waited for longer than a minute. Whoever makes a ready task may
say its delay with `expect`; what nobody spoke of (a leader before this one made it) waits for the
delay of its restart policy, counted from its creation.
"""

from collections.abc import Iterable, Iterator

import msgspec

from sampan.lib.clock import NANOS, Clock
from sampan.swarm.model import Node, Service, Task
from sampan.swarm.orchestrator.policies import is_job, restart_policy
from sampan.swarm.orchestrator.tasks import ended, is_on_node, is_wanted
from sampan.swarm.reconciler import Group, Reconciler
from sampan.swarm.states import NodeState, TaskState
from sampan.swarm.store.interface import Action, Event, Store, Update
from sampan.swarm.store.tables import place_of

LONGEST_WAIT_NS = 60 * NANOS


class Starter(Reconciler[str]):
    """Keys are ids of tasks."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store, clock)
        self._delays: dict[str, int] = {}

    def expect(self, task_id: str, delay_ns: int) -> None:
        """That task is about to be created; it may start so long after that."""
        self._delays[task_id] = delay_ns

    def forget(self, task_id: str) -> None:
        self._delays.pop(task_id, None)

    def seed(self) -> Iterator[str]:
        return (task.id for task in self.tables.all(Task) if _waits(task))

    def keys(self, event: Event) -> Iterable[str]:
        item = event.item
        if isinstance(item, Task):
            if event.action == Action.REMOVED or item.desired_state != TaskState.READY:
                self.forget(item.id)
            if _waits(item) and event.action == Action.CREATED:
                return [item.id]
            if ended(item) or event.action == Action.REMOVED:
                return [each.id for each in self._waiting_at(item)]
        elif isinstance(item, Node) and (event.action == Action.REMOVED or _is_lost(item)):
            there = self.tables.tasks_on(item.id)
            return [each.id for task in there for each in self._waiting_at(task)]
        return ()

    def due_ns(self, task: Task) -> int:
        """When the delay of a task that is desired ready is over, also if it has ended already."""
        return task.created_ns + self._delay_of(task)

    def plan(self, key: str) -> Iterable[Group]:
        task = self.tables.find(Task, key)
        if task is None or not _waits(task):
            return []
        now_ns, due_ns = self.clock.now_ns(), self.due_ns(task)
        if now_ns < due_ns:
            self.ask_at(key, due_ns)
            return []
        patience_ns = task.created_ns + LONGEST_WAIT_NS
        if now_ns < patience_ns and any(self._blocks(other) for other in self._others(task)):
            self.ask_at(key, patience_ns)
            return []
        service = self.tables.find(Service, task.service_id)
        runs_once = service is not None and is_job(service)
        state = TaskState.COMPLETE if runs_once else TaskState.RUNNING
        return [[Update(msgspec.structs.replace(task, desired_state=state))]]

    def _delay_of(self, task: Task) -> int:
        found = self._delays.get(task.id)
        return restart_policy(task.spec).delay_ns if found is None else found

    def _others(self, task: Task) -> Iterator[Task]:
        return (each for each in self.tables.tasks_at(place_of(task)) if each.id != task.id)

    def _blocks(self, other: Task) -> bool:
        if is_wanted(other) or not is_on_node(other):
            return False
        node = self.tables.find(Node, other.node_id)
        return node is not None and not _is_lost(node)

    def _waiting_at(self, task: Task) -> Iterator[Task]:
        return (each for each in self.tables.tasks_at(place_of(task)) if _waits(each))


def _waits(task: Task) -> bool:
    return task.desired_state == TaskState.READY and not ended(task)


def _is_lost(node: Node) -> bool:
    return node.status.state == NodeState.DOWN
