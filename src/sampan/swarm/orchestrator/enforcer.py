"""The constraint enforcer: tasks whose node no longer meets their rules are sent away.

Labels, roles and resources of nodes change while tasks run there. Such a task is observed as
rejected, here and not by its agent, so that its orchestrator places a successor as after any end
(the agent stops it since it is no longer wanted).
"""

from collections.abc import Iterable, Iterator

import msgspec

from sampan.swarm.model import Node, Task, TaskStatus
from sampan.swarm.orchestrator.tasks import (
    DRAIN,
    by_age,
    is_on_node,
    is_wanted,
    matters_to_placement,
    may_run_there,
)
from sampan.swarm.reconciler import Group, Reconciler
from sampan.swarm.scheduler.resources import Amounts
from sampan.swarm.states import TaskState
from sampan.swarm.store.interface import Action, Event, Update

MESSAGE = "task rejected by constraint enforcer"
ERROR = "assigned node no longer meets constraints"


class ConstraintEnforcer(Reconciler[str]):
    """Keys are ids of nodes."""

    def seed(self) -> Iterator[str]:
        return (node.id for node in self.tables.all(Node))

    def keys(self, event: Event) -> Iterable[str]:
        item = event.item
        if not isinstance(item, Node) or event.action == Action.REMOVED:
            return ()
        return (item.id,) if matters_to_placement(event) else ()

    def plan(self, key: str) -> Iterable[Group]:
        node = self.tables.find(Node, key)
        if node is None or node.spec.Availability == DRAIN:
            return
        left = Amounts.of_node(node.description.resources)
        known = bool(left.nano_cpus and left.memory_bytes)  # a node that hasn't described itself
        for task in by_age(self.tables.tasks_on(key)):
            if not is_wanted(task) or not is_on_node(task):
                continue
            wanted = Amounts.of_task(task)
            if may_run_there(task.spec, node) and (not known or left.covers(wanted)):
                left.take(wanted)
            else:
                yield [Update(msgspec.structs.replace(task, status=self._rejected(task)))]

    def _rejected(self, task: Task) -> TaskStatus:
        return msgspec.structs.replace(
            task.status,
            state=TaskState.REJECTED,
            timestamp_ns=self.clock.now_ns(),
            message=MESSAGE,
            err=ERROR,
        )
