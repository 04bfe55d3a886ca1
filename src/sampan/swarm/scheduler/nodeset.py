"""The nodes as the scheduler sees them: what is free, and how many tasks are where.

    by load      number of active tasks -> nodes      ordered levels, for services new to a node
    by service   service -> node -> its active tasks  the others
    failures     node, service and spec version -> moments of the last five minutes

Kept up task by task, so that a placement costs what it changes, not what there is. A task counts
from its assignment until it has ended; as active only while it shall run.
"""

from collections.abc import Iterable

from sampan.lib.clock import NANOS
from sampan.swarm.model import Node, Task
from sampan.swarm.orchestrator.policies import HOST, protocol_of
from sampan.swarm.scheduler.resources import Amounts, Piece, pieces_of
from sampan.swarm.states import TaskState
from sampan.wire.services import PortConfig

FAILURES_NS = 300 * NANOS
MANY_FAILURES = 5

Version = tuple[str, int]  # service id and spec version
HostPort = tuple[str, int]


def host_ports(ports: Iterable[PortConfig]) -> list[HostPort]:
    """Those that are asked for by number on the node itself."""
    return [
        (protocol_of(port), port.PublishedPort)
        for port in ports
        if port.PublishMode == HOST and port.PublishedPort
    ]


def host_ports_of(task: Task) -> list[HostPort]:
    return host_ports(task.endpoint.ports) if task.endpoint else []


class NodeInfo:
    """One node, and what is taken of it."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.tasks: dict[str, Task] = {}
        self.active = 0
        self.by_service: dict[str, int] = {}
        self.free = Amounts.of_node(node.description.resources)
        self.ports: dict[HostPort, int] = {}
        self.pieces: set[Piece] = set()
        self._failures: dict[Version, list[int]] = {}

    def refresh(self, node: Node) -> None:
        """The node as it is now; its tasks stay."""
        if node.description.resources != self.node.description.resources:
            self.free = Amounts.of_node(node.description.resources)
            for task in self.tasks.values():
                self.free.take(Amounts.of_task(task))
        self.node = node

    def put(self, task: Task) -> None:
        self.drop(task.id)
        self.tasks[task.id] = task
        self.free.take(Amounts.of_task(task))
        self.pieces.update(pieces_of(task.generic_resources))
        for port in host_ports_of(task):
            self.ports[port] = self.ports.get(port, 0) + 1
        if is_active(task):
            self.active += 1
            self.by_service[task.service_id] = self.by_service.get(task.service_id, 0) + 1

    def drop(self, task_id: str) -> Task | None:
        task = self.tasks.pop(task_id, None)
        if task is None:
            return None
        self.free.give_back(Amounts.of_task(task))
        self.pieces.difference_update(pieces_of(task.generic_resources))
        for port in host_ports_of(task):
            self.ports[port] -= 1
            if not self.ports[port]:
                del self.ports[port]
        if is_active(task):
            self.active -= 1
            self.by_service[task.service_id] -= 1
            if not self.by_service[task.service_id]:
                del self.by_service[task.service_id]
        return task

    def note_failure(self, version: Version, moment_ns: int) -> None:
        recent = self._recent(version, moment_ns)
        self._failures[version] = [*recent, moment_ns]

    def penalty(self, version: Version, now_ns: int) -> int:
        """Its recent failures, once they are many; else 0."""
        count = len(self._recent(version, now_ns))
        return count if count >= MANY_FAILURES else 0

    def failing_versions(self) -> Iterable[Version]:
        return self._failures

    def _recent(self, version: Version, now_ns: int) -> list[int]:
        moments = self._failures.get(version, [])
        return [moment for moment in moments if moment > now_ns - FAILURES_NS]


def holds_place(task: Task) -> bool:
    return bool(task.node_id) and TaskState.ASSIGNED <= task.status.state <= TaskState.RUNNING


def is_active(task: Task) -> bool:
    return task.desired_state <= TaskState.COMPLETE


class NodeSet:
    """All nodes. `put_task` and `drop_task` may be told the same twice."""

    def __init__(self) -> None:
        self._infos: dict[str, NodeInfo] = {}
        self._levels: dict[int, dict[str, NodeInfo]] = {}
        self._by_service: dict[str, dict[str, NodeInfo]] = {}
        self._failing: dict[Version, dict[str, NodeInfo]] = {}

    def find(self, node_id: str) -> NodeInfo | None:
        return self._infos.get(node_id)

    def all(self) -> Iterable[NodeInfo]:
        return self._infos.values()

    def put_node(self, node: Node, tasks: Iterable[Task] = ()) -> None:
        info = self._infos.get(node.id)
        if info is not None:
            info.refresh(node)
            return
        self._infos[node.id] = info = NodeInfo(node)
        self._levels.setdefault(0, {})[node.id] = info
        for task in tasks:
            if holds_place(task):
                self.put_task(task)

    def drop_node(self, node_id: str) -> None:
        info = self._infos.pop(node_id, None)
        if info is None:
            return
        self._unlist(self._levels, info.active, node_id)
        for service_id in info.by_service:
            self._unlist(self._by_service, service_id, node_id)
        for version in info.failing_versions():
            self._unlist(self._failing, version, node_id)

    def put_task(self, task: Task) -> None:
        info = self._infos.get(task.node_id)
        if info is not None:
            before = info.active
            info.put(task)
            self._relist(info, before, task.service_id)

    def drop_task(self, task: Task) -> None:
        info = self._infos.get(task.node_id)
        if info is not None:
            before = info.active
            if info.drop(task.id) is not None:
                self._relist(info, before, task.service_id)

    def note_failure(self, task: Task, moment_ns: int) -> None:
        info = self._infos.get(task.node_id)
        if info is not None:
            version = (task.service_id, task.spec_version)
            info.note_failure(version, moment_ns)
            self._failing.setdefault(version, {})[task.node_id] = info

    def known_to(self, version: Version) -> dict[str, NodeInfo]:
        """Nodes that have tasks of the service, or failures of this version."""
        return {**self._by_service.get(version[0], {}), **self._failing.get(version, {})}

    def loads(self) -> list[int]:
        """The numbers of active tasks that nodes have, ascending."""
        return sorted(self._levels)

    def at_load(self, load: int) -> list[NodeInfo]:
        return list(self._levels.get(load, {}).values())

    def _relist(self, info: NodeInfo, before: int, service_id: str) -> None:
        node_id = info.node.id
        if info.active != before:
            self._unlist(self._levels, before, node_id)
            self._levels.setdefault(info.active, {})[node_id] = info
        if service_id in info.by_service:
            self._by_service.setdefault(service_id, {})[node_id] = info
        else:
            self._unlist(self._by_service, service_id, node_id)

    @staticmethod
    def _unlist(index: dict, key: object, node_id: str) -> None:  # type: ignore[type-arg]
        """Any of the indexes."""
        group = index.get(key)
        if group is not None:
            group.pop(node_id, None)
            if not group:
                del index[key]
