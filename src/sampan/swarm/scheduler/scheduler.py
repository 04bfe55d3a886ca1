"""Gives tasks their node: pending becomes assigned.

Tasks of one service and spec version are alike and placed together, one after the other on the
node that is best then. Tasks that have a node from the start (global services, attachments of
plain containers) are only confirmed. What finds no node stays pending and says why; it is tried
again when a node changed, or something ended.

Nodes are counted with what was just decided; a decision that isn't written is taken back.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from sampan.lib.clock import Clock
from sampan.swarm.model import Node, Task
from sampan.swarm.orchestrator.policies import placement_of
from sampan.swarm.orchestrator.tasks import matters_to_placement
from sampan.swarm.reconciler import Group, Reconciler
from sampan.swarm.scheduler.choice import choice_for
from sampan.swarm.scheduler.filters import Pipeline
from sampan.swarm.scheduler.nodeset import NodeInfo, NodeSet, Version, holds_place
from sampan.swarm.scheduler.resources import Amounts, assign, pieces_of
from sampan.swarm.states import TaskState, has_ended
from sampan.swarm.store.interface import Action, Event, Store, Update

ASSIGNED = "scheduler assigned task to node"
CONFIRMED = "scheduler confirmed task can run on preassigned node"
RETRY_NS = 200_000_000

Key = tuple[str, int, str]  # service, spec version; task, if its node is given


class Scheduler(Reconciler[Key]):
    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store, clock)
        self._nodes = NodeSet()
        self._waiting: dict[Key, dict[str, None]] = {}
        self._tried_ns: dict[Key, int] = {}
        self.checks = 0  # nodes looked at so far, for whoever measures

    def seed(self) -> Iterable[Key]:
        self._nodes, self._waiting, self._tried_ns = NodeSet(), {}, {}
        for node in self.tables.all(Node):
            self._nodes.put_node(node, self.tables.tasks_on(node.id))
        for task in self.tables.all(Task):
            if _is_pending(task):
                self._wait_for_node(task)
        return list(self._waiting)

    def keys(self, event: Event) -> Iterable[Key]:
        if isinstance(event.item, Node):
            return self._note_node(event, event.item)
        if isinstance(event.item, Task):
            old = event.old if isinstance(event.old, Task) else None
            return self._note_task(event.action, event.item, old)
        return ()

    def plan(self, key: Key) -> Iterable[Group]:
        self._tried_ns[key] = self.clock.now_ns()
        found = [self.tables.find(Task, each) for each in self._waiting.get(key, ())]
        tasks = [task for task in found if task is not None and _is_pending(task)]
        if not tasks:
            self._waiting.pop(key, None)
            self._tried_ns.pop(key, None)
            return []
        return self._confirm(tasks[0]) if key[2] else self._place(tasks)

    def refused(self, group: Group) -> None:
        for change in group:
            if isinstance(change.item, Task) and holds_place(change.item):
                self._nodes.drop_task(change.item)

    # --- what happens ------------------------------------------------------------------------

    def _note_node(self, event: Event, node: Node) -> Iterable[Key]:
        if event.action == Action.REMOVED:
            self._nodes.drop_node(node.id)
        else:
            self._nodes.put_node(node, self.tables.tasks_on(node.id))
        return list(self._waiting) if matters_to_placement(event) else ()

    def _note_task(self, action: Action, task: Task, old: Task | None) -> Iterable[Key]:
        if action == Action.REMOVED or not holds_place(task):
            self._nodes.drop_task(task)
            if old is not None and holds_place(old):
                self._note_end(task)
        else:
            self._nodes.put_task(task)
        if action != Action.REMOVED and _is_pending(task):
            new = old is None or not _is_pending(old)
            return (self._wait_for_node(task),) if new else ()
        self._stop_waiting(task)
        return ()

    def _note_end(self, task: Task) -> None:
        now_ns = self.clock.now_ns()
        if task.status.state in {TaskState.FAILED, TaskState.REJECTED}:
            self._nodes.note_failure(task, now_ns)
        for key in self._waiting:  # maybe there is room now; not more often than that
            self.ask_at(key, max(now_ns, self._tried_ns.get(key, 0) + RETRY_NS))

    def _wait_for_node(self, task: Task) -> Key:
        key = _key_of(task)
        self._waiting.setdefault(key, {})[task.id] = None
        return key

    def _stop_waiting(self, task: Task) -> None:
        for key in {_key_of(task), (task.service_id, task.spec_version, "")}:
            waiting = self._waiting.get(key)
            if waiting is not None:
                waiting.pop(task.id, None)
                if not waiting:
                    del self._waiting[key]
                    self._tried_ns.pop(key, None)

    # --- decisions ---------------------------------------------------------------------------

    def _place(self, tasks: Sequence[Task]) -> Iterator[Group]:
        first = tasks[0]
        version: Version = (first.service_id, first.spec_version)
        pipeline = Pipeline(first, self.tables)
        choice = choice_for(self._nodes, _spread_over(first), version, self.clock.now_ns())
        why = ""
        for task in tasks:
            info = None if why else choice.take(pipeline.fits)
            if info is not None:
                yield [Update(self._put(task, info, ASSIGNED))]
                continue
            why = why or pipeline.explain(self._nodes.all())
            yield self._left_waiting(task, why)
        self.checks += pipeline.checks

    def _confirm(self, task: Task) -> list[Group]:
        info = self._nodes.find(task.node_id)
        infos = [] if info is None else [info]
        pipeline = Pipeline(task, self.tables)
        if info is not None and pipeline.fits(info):
            return [[Update(self._put(task, info, CONFIRMED))]]
        return [self._left_waiting(task, pipeline.explain(infos))]

    def _put(self, task: Task, info: NodeInfo, message: str) -> Task:
        wanted = Amounts.of_task(task).kinds
        has = pieces_of(info.node.description.resources.GenericResources)
        assigned = msgspec.structs.replace(
            task,
            node_id=info.node.id,
            generic_resources=assign(wanted, has, info.pieces) if wanted else (),
            status=msgspec.structs.replace(
                task.status,
                state=TaskState.ASSIGNED,
                timestamp_ns=self.clock.now_ns(),
                message=message,
                err="",
            ),
        )
        self._nodes.put_task(assigned)
        return assigned

    def _left_waiting(self, task: Task, why: str) -> Group:
        if task.status.err == why:
            return []
        status = msgspec.structs.replace(task.status, timestamp_ns=self.clock.now_ns(), err=why)
        return [Update(msgspec.structs.replace(task, status=status))]


def _is_pending(task: Task) -> bool:
    return task.status.state == TaskState.PENDING and not (
        task.desired_state > TaskState.COMPLETE or has_ended(task.status.state)
    )


def _key_of(task: Task) -> Key:
    return task.service_id, task.spec_version, task.id if task.node_id else ""


def _spread_over(task: Task) -> list[str]:
    preferences = placement_of(task.spec).Preferences or ()
    return [each.Spread.SpreadDescriptor for each in preferences if each.Spread]
