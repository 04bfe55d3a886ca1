"""What is cleared away: tasks to be removed, old tasks of a slot, tasks of lost nodes.

    ServiceRemoval   a service is gone: its tasks are desired remove
    TaskReaper       desired remove, and nothing of it is left on a node: deleted
    HistoryReaper    of each slot the newest tasks are kept (TaskHistoryRetentionLimit)
    OrphanReaper     the node is gone, or down for 24 hours: observed orphaned

A service's history is at least one longer than its restart attempts: they are counted in it.
"""

from collections.abc import Iterable, Iterator

import msgspec

from sampan.lib.clock import NANOS
from sampan.swarm.model import Cluster, Node, Service, Task, TaskStatus
from sampan.swarm.orchestrator.policies import restart_policy
from sampan.swarm.orchestrator.tasks import by_age, desire, ended, is_on_node, is_wanted
from sampan.swarm.reconciler import Group, Reconciler
from sampan.swarm.states import NodeState, TaskState
from sampan.swarm.store.interface import Action, Event, Remove, Update
from sampan.swarm.store.tables import Place, place_of

HISTORY = 5
ORPHANED_AFTER_NS = 24 * 3600 * NANOS
NODE_DELETED = "Task belonged to a node that has been deleted"
NODE_LOST = "Task belonged to a node that has been down for too long"


class ServiceRemoval(Reconciler[str]):
    """Keys are ids of services that may be gone."""

    def seed(self) -> Iterable[str]:
        return {task.service_id for task in self.tables.all(Task) if task.service_id}

    def keys(self, event: Event) -> Iterable[str]:
        item = event.item
        if isinstance(item, Service):
            return (item.id,) if event.action == Action.REMOVED else ()
        if isinstance(item, Task) and event.action == Action.CREATED and item.service_id:
            # made by somebody who hadn't heard yet
            return () if self.tables.find(Service, item.service_id) else (item.service_id,)
        return ()

    def plan(self, key: str) -> Iterable[Group]:
        if self.tables.find(Service, key) is not None:
            return []
        return [desire(task, TaskState.REMOVE) for task in self.tables.tasks_of(key)]


class TaskReaper(Reconciler[str]):
    """Keys are ids of tasks."""

    def seed(self) -> Iterator[str]:
        return (task.id for task in self.tables.all(Task) if _may_go(task))

    def keys(self, event: Event) -> Iterable[str]:
        item = event.item
        if isinstance(item, Task) and event.action != Action.REMOVED and _may_go(item):
            return (item.id,)
        return ()

    def plan(self, key: str) -> Iterable[Group]:
        task = self.tables.find(Task, key)
        return [[Remove(task)]] if task is not None and _may_go(task) else []


def _may_go(task: Task) -> bool:
    if not task.service_id:  # a plain container's place in a network
        return ended(task)
    return task.desired_state == TaskState.REMOVE and not is_on_node(task)


class HistoryReaper(Reconciler[Place]):
    def seed(self) -> Iterable[Place]:
        return {place_of(task) for task in self.tables.all(Task)}

    def keys(self, event: Event) -> Iterable[Place]:
        item = event.item
        if isinstance(item, Cluster):
            return self.seed() if _limit_changed(event) else ()
        if not isinstance(item, Task) or event.action == Action.REMOVED or not item.service_id:
            return ()
        return (place_of(item),) if event.action == Action.CREATED or ended(item) else ()

    def plan(self, key: Place) -> Iterable[Group]:
        service = self.tables.find(Service, key[0])
        limit = self._limit()
        if service is None or limit < 0:
            return []
        attempts = restart_policy(service.spec.TaskTemplate).max_attempts
        if attempts:
            limit = max(limit, attempts + 1)
        slot = self.tables.tasks_at(key)
        surplus = len(slot) - limit
        if surplus <= 0:
            return []
        old = by_age(task for task in slot if not is_wanted(task) and not is_on_node(task))
        return [[Remove(task)] for task in old[:surplus]]

    def _limit(self) -> int:
        for cluster in self.tables.all(Cluster):
            asked = cluster.spec.Orchestration.TaskHistoryRetentionLimit
            return HISTORY if asked is None else asked
        return HISTORY


def _limit_changed(event: Event) -> bool:
    old, new = event.old, event.item
    if not isinstance(old, Cluster) or not isinstance(new, Cluster):
        return True
    return old.spec.Orchestration != new.spec.Orchestration


class OrphanReaper(Reconciler[str]):
    """Keys are ids of nodes."""

    def seed(self) -> Iterable[str]:
        return {task.node_id for task in self.tables.all(Task) if task.node_id}

    def keys(self, event: Event) -> Iterable[str]:
        item = event.item
        if isinstance(item, Node):
            down = item.status.state == NodeState.DOWN
            return (item.id,) if down or event.action == Action.REMOVED else ()
        if isinstance(item, Task) and event.action != Action.REMOVED and is_on_node(item):
            # placed there by somebody who hadn't heard yet
            return () if self.tables.find(Node, item.node_id) else (item.node_id,)
        return ()

    def plan(self, key: str) -> Iterable[Group]:
        node = self.tables.find(Node, key)
        message = NODE_DELETED
        if node is not None:
            if node.status.state != NodeState.DOWN:
                return
            lost_at_ns = node.status.since_ns + ORPHANED_AFTER_NS
            if self.clock.now_ns() < lost_at_ns:
                self.ask_at(key, lost_at_ns)
                return
            message = NODE_LOST
        for task in self.tables.tasks_on(key):
            if is_on_node(task):
                yield [Update(msgspec.structs.replace(task, status=self._orphaned(task, message)))]

    def _orphaned(self, task: Task, message: str) -> TaskStatus:
        return msgspec.structs.replace(
            task.status,
            state=TaskState.ORPHANED,
            timestamp_ns=self.clock.now_ns(),
            message=message,
        )
