"""What a node must have for a task: each condition checks, and explains in how many it failed.

Order: ready and active; resources; plugins; constraints; platform; host ports; replicas on the
node; cluster volumes. A node counts for the first condition that it fails. The texts are
swarmkit's: users and programs read them in `docker service ps`.
"""

from collections.abc import Iterable
from typing import ClassVar, Protocol, Self

from sampan.errors import InvalidArgument
from sampan.swarm.model import Network, NodePlugin, Task
from sampan.swarm.orchestrator.policies import placement_of
from sampan.swarm.scheduler import constraints
from sampan.swarm.scheduler.nodeset import HostPort, NodeInfo, host_ports_of
from sampan.swarm.scheduler.resources import Amounts
from sampan.swarm.states import NodeState
from sampan.swarm.store.tables import Tables
from sampan.wire.services import PlatformSpec, TaskSpec

NO_SUITABLE_NODE = "no suitable node"


class Filter(Protocol):
    @classmethod
    def of(cls, task: Task, tables: Tables) -> Self | None:
        """None when the task doesn't ask for anything of this kind."""
        ...

    def check(self, info: NodeInfo) -> bool: ...

    def explain(self, count: int) -> str: ...


class _Counted:
    """Explains with a number of nodes."""

    WHY: ClassVar[str]

    def explain(self, count: int) -> str:
        return f"{self.WHY} on {_nodes(count)}"


def _nodes(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"


class ReadyFilter:
    @classmethod
    def of(cls, task: Task, tables: Tables) -> Self:
        return cls()

    def check(self, info: NodeInfo) -> bool:
        node = info.node
        return node.status.state == NodeState.READY and node.spec.Availability in {"", "active"}

    def explain(self, count: int) -> str:
        return f"{_nodes(count)} not available for new tasks"


class ResourceFilter(_Counted):
    WHY = "insufficient resources"

    def __init__(self, wanted: Amounts) -> None:
        self._wanted = wanted

    @classmethod
    def of(cls, task: Task, tables: Tables) -> Self | None:
        wanted = Amounts.of_task(task)
        return None if wanted.is_nothing else cls(wanted)

    def check(self, info: NodeInfo) -> bool:
        return info.free.covers(self._wanted)


class PluginFilter(_Counted):
    """A node that names no plugin of a type doesn't say which it has, and isn't refused for it."""

    WHY = "missing plugin"

    def __init__(self, wanted: frozenset[NodePlugin]) -> None:
        self._wanted = wanted

    @classmethod
    def of(cls, task: Task, tables: Tables) -> Self | None:
        wanted = frozenset(_wanted_plugins(task, tables))
        return cls(wanted) if wanted else None

    def check(self, info: NodeInfo) -> bool:
        plugins = info.node.description.plugins
        types = {plugin.type for plugin in plugins}
        return all(each in plugins or each.type not in types for each in self._wanted)


def _wanted_plugins(task: Task, tables: Tables) -> Iterable[NodePlugin]:
    container = task.spec.ContainerSpec
    for mount in (container.Mounts or ()) if container else ():
        options = mount.VolumeOptions
        driver = options.DriverConfig.Name if options and options.DriverConfig else ""
        if driver and driver != "local":
            yield NodePlugin(type="Volume", name=driver)
    for place in task.networks:
        network = tables.find(Network, place.network_id)
        if network is not None and network.driver:
            yield NodePlugin(type="Network", name=network.driver)
    log_driver = task.spec.LogDriver.Name if task.spec.LogDriver else ""
    if log_driver not in {"", "none"}:
        yield NodePlugin(type="Log", name=log_driver)


class ConstraintFilter(_Counted):
    WHY = "scheduling constraints not satisfied"

    def __init__(self, wanted: list[constraints.Constraint]) -> None:
        self._wanted = wanted

    @classmethod
    def of(cls, task: Task, tables: Tables) -> Self | None:
        try:
            wanted = constraints.parse(placement_of(task.spec).Constraints or ())
        except InvalidArgument:  # the API refuses such
            return None
        return cls(wanted) if wanted else None

    def check(self, info: NodeInfo) -> bool:
        return constraints.all_hold(self._wanted, info.node)


class PlatformFilter(_Counted):
    WHY = "unsupported platform"

    def __init__(self, platforms: list[PlatformSpec]) -> None:
        self._platforms = platforms

    @classmethod
    def of(cls, task: Task, tables: Tables) -> Self | None:
        platforms = placement_of(task.spec).Platforms
        return cls(platforms) if platforms else None

    def check(self, info: NodeInfo) -> bool:
        return constraints.runs_platform(self._platforms, info.node)


class HostPortFilter(_Counted):
    WHY = "host-mode port already in use"

    def __init__(self, ports: list[HostPort]) -> None:
        self._ports = ports

    @classmethod
    def of(cls, task: Task, tables: Tables) -> Self | None:
        ports = host_ports_of(task)
        return cls(ports) if ports else None

    def check(self, info: NodeInfo) -> bool:
        return not any(port in info.ports for port in self._ports)


class MaxReplicasFilter:
    def __init__(self, service_id: str, limit: int) -> None:
        self._service_id, self._limit = service_id, limit

    @classmethod
    def of(cls, task: Task, tables: Tables) -> Self | None:
        limit = placement_of(task.spec).MaxReplicas
        return cls(task.service_id, limit) if limit else None

    def check(self, info: NodeInfo) -> bool:
        return info.by_service.get(self._service_id, 0) < self._limit

    def explain(self, count: int) -> str:
        return "max replicas per node limit exceed"  # so in swarmkit


class VolumesFilter(_Counted):
    """Cluster volumes (CSI) are on no node."""

    WHY = "cannot fulfill requested CSI volume mounts"

    @classmethod
    def of(cls, task: Task, tables: Tables) -> Self | None:
        return cls() if _has_cluster_volume(task.spec) else None

    def check(self, info: NodeInfo) -> bool:
        return False


def _has_cluster_volume(spec: TaskSpec) -> bool:
    mounts = spec.ContainerSpec.Mounts if spec.ContainerSpec else None
    return any(mount.Type == "cluster" for mount in mounts or ())


ORDER: tuple[type[Filter], ...] = (
    ReadyFilter,
    ResourceFilter,
    PluginFilter,
    ConstraintFilter,
    PlatformFilter,
    HostPortFilter,
    MaxReplicasFilter,
    VolumesFilter,
)


class Pipeline:
    """The conditions of one task (and of all that are like it)."""

    def __init__(self, task: Task, tables: Tables) -> None:
        made = (kind.of(task, tables) for kind in ORDER)
        self._filters = [each for each in made if each is not None]
        self.checks = 0

    def fits(self, info: NodeInfo) -> bool:
        self.checks += 1
        return all(each.check(info) for each in self._filters)

    def explain(self, infos: Iterable[NodeInfo]) -> str:
        """Why none of these is taken: most frequent reason first."""
        counts = dict.fromkeys(range(len(self._filters)), 0)
        for info in infos:
            for number, each in enumerate(self._filters):
                if not each.check(info):
                    counts[number] += 1
                    break
        found = sorted(counts, key=lambda number: -counts[number])
        reasons = [self._filters[each].explain(counts[each]) for each in found if counts[each]]
        return f"{NO_SUITABLE_NODE} ({'; '.join(reasons)})" if reasons else NO_SUITABLE_NODE
