"""Replicated services: as many slots as there shall be replicas, numbered from 1.

A slot is occupied by tasks that shall run, or by the last one if its restart policy lets it rest.
Too few: new tasks in the lowest free slots. Too many: those go that leave the rest most evenly
spread over nodes, and of these rather the ones that don't run. What stays is shown to the updater,
which replaces tasks of an older spec. Ends of single tasks are the restarter's business, so an
event of a task costs nothing here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sampan.lib.clock import Clock
from sampan.swarm.model import Service, Task
from sampan.swarm.orchestrator.policies import Mode, mode_of, replicas_of
from sampan.swarm.orchestrator.restart import wanted_in_slot
from sampan.swarm.orchestrator.starter import Starter
from sampan.swarm.orchestrator.tasks import Slot, desire, is_on_node, is_wanted, new_task
from sampan.swarm.orchestrator.update import Updates
from sampan.swarm.reconciler import Group, Reconciler
from sampan.swarm.states import TaskState
from sampan.swarm.store.interface import Action, Create, Event, Store


def keep_best(slots: Iterable[Slot], count: int) -> tuple[list[Slot], list[Slot]]:
    """The `count` slots that stay, and the surplus."""
    copies: dict[str, int] = {}
    ranked: list[tuple[tuple[bool, int], Slot]] = []
    for slot in sorted(slots, key=lambda slot: (not _runs(slot), slot[0].slot)):
        node_id = slot[0].node_id if len(slot) == 1 else ""
        copies[node_id] = copies.get(node_id, 0) + 1
        ranked.append(((not node_id, copies[node_id]), slot))
    ranked.sort(key=lambda entry: entry[0])
    best = [slot for _, slot in ranked]
    return best[:count], best[count:]


def free_slots(taken: Mapping[int, object], count: int) -> Iterator[int]:
    number = 0
    while count > 0:
        number += 1
        if number not in taken:
            count -= 1
            yield number


def _runs(slot: Slot) -> bool:
    return any(task.status.state == TaskState.RUNNING for task in slot)


class ReplicatedServices(Reconciler[str]):
    """Keys are ids of services."""

    def __init__(self, store: Store, clock: Clock, starter: Starter, updates: Updates) -> None:
        super().__init__(store, clock)
        self._starter = starter
        self._updates = updates

    def seed(self) -> Iterator[str]:
        return (service.id for service in self.tables.all(Service))

    def keys(self, event: Event) -> Iterable[str]:
        item = event.item
        if isinstance(item, Service):
            return () if event.action == Action.REMOVED else (item.id,)
        if isinstance(item, Task) and event.action == Action.REMOVED and is_wanted(item):
            return (item.service_id,)
        return ()

    def plan(self, key: str) -> Iterable[Group]:
        service = self.tables.find(Service, key)
        if service is None or mode_of(service.spec) != Mode.REPLICATED:
            return
        now_ns = self.clock.now_ns()
        everything: dict[int, Slot] = {}
        for task in self.tables.tasks_of(key):
            everything.setdefault(task.slot, []).append(task)
        occupied: dict[int, Slot] = {}
        for number, slot in everything.items():
            wanted = wanted_in_slot(service, slot, now_ns)
            if wanted:
                occupied[number] = wanted
            else:
                yield from ([change] for task in slot for change in desire(task, TaskState.REMOVE))
        replicas = replicas_of(service.spec)
        kept, surplus = keep_best(occupied.values(), replicas)
        for slot in surplus:
            old = everything[slot[0].slot]
            yield from ([change] for task in old for change in desire(task, TaskState.REMOVE))
        taken = {slot[0].slot: slot for slot in kept}
        for number in free_slots(taken, replicas - len(kept)):
            yield self._fill(service, number, everything.get(number, ()), now_ns)
        self._updates.consider(service, kept)

    def refused(self, group: Group) -> None:
        for change in group:
            if isinstance(change, Create):
                self._starter.forget(change.item.id)

    def _fill(self, service: Service, slot: int, old: Sequence[Task], now_ns: int) -> Group:
        """Where the one before is still being stopped, the new one waits for that."""
        waits = any(is_on_node(task) for task in old)
        desired = TaskState.READY if waits else TaskState.RUNNING
        task = new_task(service, now_ns, slot=slot, desired=desired)
        if waits:
            self._starter.expect(task.id, 0)
        return [Create(task)]
