"""Global services: one task on every node that the placement rules allow.

    node ready and active, rules met    one task there
    paused                              what is there stays; nothing new, no update
    drained, down, gone, rules not met  shut down

Keys are (service, node); an empty node means all of them. Tasks are bound to their node from the
start: the scheduler only confirms that they fit.
"""

from collections.abc import Iterable, Iterator

from sampan.lib.clock import Clock
from sampan.swarm.model import Node, Service, Task
from sampan.swarm.orchestrator.policies import Mode, mode_of
from sampan.swarm.orchestrator.restart import wanted_in_slot
from sampan.swarm.orchestrator.starter import Starter
from sampan.swarm.orchestrator.tasks import (
    PAUSE,
    Slot,
    desire,
    is_invalid,
    is_on_node,
    matters_to_placement,
    may_run_there,
    new_task,
)
from sampan.swarm.orchestrator.update import Updates
from sampan.swarm.reconciler import Group, Reconciler
from sampan.swarm.states import NodeState, TaskState
from sampan.swarm.store.interface import Action, Create, Event, Store

Key = tuple[str, str]
ALL = ""


class GlobalServices(Reconciler[Key]):
    def __init__(self, store: Store, clock: Clock, starter: Starter, updates: Updates) -> None:
        super().__init__(store, clock)
        self._starter = starter
        self._updates = updates

    def seed(self) -> Iterator[Key]:
        return ((service.id, ALL) for service in self._services())

    def keys(self, event: Event) -> Iterable[Key]:
        item = event.item
        if isinstance(item, Service):
            return () if event.action == Action.REMOVED else ((item.id, ALL),)
        if isinstance(item, Node) and matters_to_placement(event):
            return [(service.id, item.id) for service in self._services()]
        return ()

    def rank(self, key: Key) -> int:
        return 0 if key[1] == ALL else 1  # never both at once: they look at the same places

    def plan(self, key: Key) -> Iterable[Group]:
        service_id, node_id = key
        service = self.tables.find(Service, service_id)
        if service is None or mode_of(service.spec) != Mode.GLOBAL:
            return
        places = self._places(service_id) if node_id == ALL else [node_id]
        slots: list[Slot] = []
        for place in places:
            slot: Slot = []
            yield from self._plan_place(service, place, slot)
            if slot:
                slots.append(slot)
        if node_id == ALL:
            self._updates.consider(service, slots)
        elif self._updates.has_dirty(service, slots):
            self.ask((service_id, ALL))

    def refused(self, group: Group) -> None:
        for change in group:
            if isinstance(change, Create):
                self._starter.forget(change.item.id)

    def _services(self) -> Iterator[Service]:
        return (each for each in self.tables.all(Service) if mode_of(each.spec) == Mode.GLOBAL)

    def _places(self, service_id: str) -> Iterable[str]:
        """All nodes, and where tasks of nodes are that went away."""
        places = {node.id: None for node in self.tables.all(Node)}
        places.update(dict.fromkeys(task.node_id for task in self.tables.tasks_of(service_id)))
        return places

    def _plan_place(self, service: Service, node_id: str, staying: Slot) -> Iterable[Group]:
        """`staying` is filled with what may be updated there."""
        node = self.tables.find(Node, node_id)
        tasks = self.tables.tasks_at((service.id, 0, node_id))
        if node is None:
            return [desire(task, TaskState.REMOVE) for task in tasks]
        if is_invalid(node) or not may_run_there(service.spec.TaskTemplate, node):
            return [desire(task, TaskState.SHUTDOWN) for task in tasks]
        if node.spec.Availability == PAUSE:
            return []
        # what was shut down with its node, or left by its rules, doesn't occupy the place
        now_ns = self.clock.now_ns()
        alive = [task for task in tasks if not _was_sent_away(task)]
        staying.extend(wanted_in_slot(service, alive, now_ns))
        if staying or node.status.state != NodeState.READY:
            return []
        waits = any(is_on_node(task) for task in tasks)
        desired = TaskState.READY if waits else TaskState.RUNNING
        task = new_task(service, now_ns, node_id=node_id, desired=desired)
        if waits:
            self._starter.expect(task.id, 0)
        return [[Create(task)]]


def _was_sent_away(task: Task) -> bool:
    """Shut down without having ended by itself: its policy says nothing of that."""
    return task.desired_state == TaskState.SHUTDOWN and task.status.state in {
        TaskState.SHUTDOWN,
        TaskState.ORPHANED,
        *(state for state in TaskState if state <= TaskState.RUNNING),
    }
