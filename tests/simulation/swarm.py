"""A swarm in virtual time: the leader's components, a store in memory, agents of all nodes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import msgspec

from sampan.swarm.allocator.subnets import ingress_network
from sampan.swarm.components import components
from sampan.swarm.model import (
    Cluster,
    Node,
    NodeDescription,
    NodePlugin,
    NodeStatus,
    Service,
    Task,
    new_id,
)
from sampan.swarm.states import NodeState, TaskState
from sampan.swarm.store.interface import Create, Remove, Update
from sampan.swarm.store.memory import MemoryStore
from sampan.wire.services import (
    EndpointChoice,
    PortConfig,
    ReplicatedMode,
    ResourceAmounts,
    ServiceContainer,
    ServiceMode,
    ServiceSpec,
    TaskSpec,
)
from sampan.wire.swarm import NodeSpec, SwarmSpec
from simulation.agents import Agents
from simulation.laws import breaches
from simulation.virtual import NANOS, VirtualClock

replace = msgspec.structs.replace


def spec(
    name: str = "web", replicas: int = 1, image: str = "nginx", **parts: object
) -> ServiceSpec:
    """`parts` are members of the spec; those of the task template in `template`."""
    template = parts.pop("template", {})
    ports = parts.pop("ports", ())
    if ports:
        parts["EndpointSpec"] = EndpointChoice(Ports=list(ports))
    parts.setdefault("Mode", ServiceMode(Replicated=ReplicatedMode(Replicas=replicas)))
    return ServiceSpec(
        Name=name,
        TaskTemplate=TaskSpec(ContainerSpec=ServiceContainer(Image=image), **template),
        **parts,
    )


def ingress_port(target: int, published: int = 0) -> PortConfig:
    return PortConfig(Protocol="tcp", TargetPort=target, PublishedPort=published)


class Swarm:
    """`lawful` False: without the laws checked at each commit (large simulations)."""

    def __init__(self, *, lawful: bool = True) -> None:
        self.clock = VirtualClock()
        self.store = MemoryStore(self.clock.now_ns)
        self.tables = self.store.tables
        self.agents = Agents(self.store, self.clock)
        self.breaches: list[str] = []
        self.parts = components(self.store, self.clock)
        self._lawful = lawful
        self._leader: anyio.CancelScope | None = None
        self._group: asyncio.TaskGroup | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Swarm"]:
        await self.store.apply(
            Create(Cluster(id=new_id(), spec=SwarmSpec(Name="default"))), Create(ingress_network())
        )
        async with anyio.create_task_group() as group:
            self._group = group
            if self._lawful:
                group.start_soon(self._watch_laws)
            group.start_soon(self.agents.run)
            group.start_soon(self._lead)
            await asyncio.sleep(0.01)
            yield self
            group.cancel_scope.cancel()
        assert self.breaches == []

    async def _lead(self) -> None:
        async with anyio.create_task_group() as group:
            self._leader = group.cancel_scope
            for part in self.parts:
                group.start_soon(part.run)

    async def _watch_laws(self) -> None:
        lost: set[str] = set()
        with self.store.watch() as commits:
            async for commit in commits:
                self.breaches += breaches(self.tables, commit, lost)

    async def new_leader(self) -> None:
        """The old one is gone at once, and with it all that it remembered."""
        assert self._leader is not None
        self._leader.cancel()
        self.parts = components(self.store, self.clock)
        self._group.start_soon(self._lead)
        await asyncio.sleep(0.01)

    # --- nodes -----------------------------------------------------------------------------

    async def add_nodes(self, count: int, **labels: str) -> list[str]:
        nodes = [self._node(labels) for _ in range(count)]
        await self.store.apply(*map(Create, nodes))
        return [node.id for node in nodes]

    def _node(self, labels: dict[str, str]) -> Node:
        return Node(
            id=new_id(),
            spec=NodeSpec(Role="worker", Availability="active", Labels=labels),
            status=NodeStatus(state=NodeState.READY, addr="192.0.2.1"),
            description=NodeDescription(
                hostname=f"node-{self.tables.count(Node)}",
                os="linux",
                architecture="x86_64",
                resources=ResourceAmounts(NanoCPUs=8 * NANOS, MemoryBytes=16 << 30),
                plugins=(NodePlugin(type="Network", name="overlay"),),
            ),
        )

    async def change_node(self, node_id: str, **spec: object) -> None:
        node = self.tables.find(Node, node_id)
        await self.store.apply(Update(replace(node, spec=replace(node.spec, **spec))))

    async def node_state(self, node_id: str, state: NodeState) -> None:
        (self.agents.silent.add if state == NodeState.DOWN else self.agents.silent.discard)(node_id)
        node = self.tables.find(Node, node_id)
        status = NodeStatus(state=state, addr="192.0.2.1", since_ns=self.clock.now_ns())
        await self.store.apply(Update(replace(node, status=status)))

    async def remove_node(self, node_id: str) -> None:
        await self.store.apply(Remove(self.tables.find(Node, node_id)))

    # --- services, as the API writes them -----------------------------------------------------

    async def create(self, spec: ServiceSpec) -> str:
        service = Service(id=new_id(), spec=spec, spec_version=1)
        await self.store.apply(Create(service))
        return service.id

    async def update(self, service_id: str, spec: ServiceSpec) -> None:
        old = self.service(service_id)
        job = old.job
        if spec.Mode.ReplicatedJob or spec.Mode.GlobalJob:
            from sampan.swarm.model import JobStatus

            job = JobStatus(iteration=(job.iteration if job else 0) + 1)
        await self.store.apply(
            Update(
                replace(
                    old,
                    spec=spec,
                    spec_version=max(old.spec_version, old.previous_spec_version) + 1,
                    previous_spec=old.spec,
                    previous_spec_version=old.spec_version,
                    update_status=None,
                    job=job,
                )
            )
        )

    async def scale(self, service_id: str, replicas: int) -> None:
        mode = ServiceMode(Replicated=ReplicatedMode(Replicas=replicas))
        await self.update(service_id, replace(self.service(service_id).spec, Mode=mode))

    async def remove(self, service_id: str) -> None:
        await self.store.apply(Remove(self.service(service_id)))

    # --- looking -------------------------------------------------------------------------------

    def service(self, service_id: str) -> Service:
        found = self.tables.find(Service, service_id)
        assert found is not None
        return found

    def tasks(self, service_id: str, state: TaskState | None = None) -> list[Task]:
        tasks = sorted(self.tables.tasks_of(service_id), key=lambda t: (t.slot, t.created_ns, t.id))
        return [task for task in tasks if state is None or task.status.state == state]

    def running_tasks(self, service_id: str) -> list[Task]:
        """Those that run and shall go on to."""
        found = self.tasks(service_id, TaskState.RUNNING)
        return [task for task in found if task.desired_state <= TaskState.COMPLETE]

    def wanted_tasks(self, service_id: str) -> list[Task]:
        return [task for task in self.tasks(service_id) if task.desired_state <= TaskState.COMPLETE]

    def status(self, service_id: str) -> str:
        status = self.service(service_id).update_status
        return status.state if status else ""

    @property
    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def pass_s(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def until(self, holds: Callable[[], bool], within_s: float = 60) -> float:
        """The virtual seconds that it took."""
        began = self.now_s
        while not holds():
            assert self.now_s - began < within_s, "it never came true"
            await asyncio.sleep(0.05)
        return self.now_s - began

    async def until_running(self, service_id: str, count: int, within_s: float = 60) -> float:
        return await self.until(lambda: len(self.running_tasks(service_id)) == count, within_s)
