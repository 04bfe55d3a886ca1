"""A node without a kernel: containers that outlive agents, and links that can be cut."""

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from msgspec.structs import replace

from sampan.errors import NotFound, Unavailable
from sampan.swarm.agent.agent import Agent
from sampan.swarm.agent.executor import NotYet, Observed, TaskExited
from sampan.swarm.agent.local import TaskRecords
from sampan.swarm.agent.reports import Reports
from sampan.swarm.agent.worker import Worker
from sampan.swarm.dispatcher.dispatcher import Dispatcher
from sampan.swarm.dispatcher.local_link import LocalLink
from sampan.swarm.dispatcher.logs import LogBroker
from sampan.swarm.messages import LogLine
from sampan.swarm.model import Cluster, ContainerStatus, Node, NodeDescription, Task, TaskStatus
from sampan.swarm.states import TaskState
from sampan.swarm.store.interface import Create, OutOfDate, Update
from sampan.wire.services import ServiceContainer, TaskSpec
from sampan.wire.swarm import NodeSpec, SwarmSpec
from simulation.virtual import VirtualClock


@dataclass
class Container:
    starts: int = 0
    running: bool = False
    exit_code: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, exit_code: int) -> None:
        self.running, self.exit_code = False, exit_code
        self.changed.set()


class Machine:
    """What survives the agent: containers and files. An Executor too."""

    def __init__(self) -> None:
        self.containers: dict[str, Container] = {}
        self.documents: dict[str, bytes] = {}
        self.missing_images: set[str] = set()
        self.not_yet: set[str] = set()
        self.ended: dict[str, int] = {}  # removed ones: how often they had been started
        self.networks_seen: list[object] = []
        self.seen_secrets: dict[str, object] = {}
        self.node: Node | None = None
        self.log: dict[str, list[LogLine]] = {}

    # --- documents and workers --------------------------------------------------------------

    def put(self, key: str, body: bytes) -> None:
        self.documents[key] = body

    def remove(self, key: str) -> None:
        self.documents.pop(key, None)

    def all(self) -> list[tuple[str, bytes]]:
        return list(self.documents.items())

    async def run(self, function, *args):
        await asyncio.sleep(0.001)
        return function(*args)

    # --- executor ---------------------------------------------------------------------------

    async def describe(self) -> NodeDescription:
        return NodeDescription(hostname="fake")

    async def configure(self, node: Node) -> None:
        self.node = node

    async def networks(self, networks) -> None:
        self.networks_seen.append(networks)

    def controller(self, task: Task, dependencies) -> "FakeController":
        return FakeController(self, task, dependencies)

    async def sweep(self, keep: frozenset[str]) -> None:
        for each in self.containers.keys() - keep:
            self.forget(each)

    async def logs(self, task: Task, options):
        for line in self.log.get(task.id, []):
            yield line
        if options.follow:
            await asyncio.sleep(3600)

    def forget(self, task_id: str) -> None:
        container = self.containers.pop(task_id, None)
        if container is not None:
            self.ended[task_id] = self.ended.get(task_id, 0) + container.starts
            container.end(137)


class FakeController:
    def __init__(self, machine: Machine, task: Task, dependencies) -> None:
        self.machine = machine
        self.task = task
        self.dependencies = dependencies

    def _get(self) -> Container:
        found = self.machine.containers.get(self.task.id)
        if found is None:
            raise NotFound(f"No such container: {self.task.name}")
        return found

    async def prepare(self) -> None:
        await asyncio.sleep(0.5)
        image = self.task.spec.ContainerSpec.Image
        if image in self.machine.missing_images:
            raise NotFound(f"No such image: {image}")
        if image in self.machine.not_yet:
            raise NotYet("network x isn't on this node yet")
        self.machine.containers.setdefault(self.task.id, Container())

    async def start(self) -> None:
        container = self._get()
        await asyncio.sleep(0.2)
        if not container.starts:
            container.starts += 1
            container.running = True

    async def wait(self) -> None:
        container = self._get()
        while container.running:
            await container.changed.wait()
            container.changed.clear()
        if self.task.id not in self.machine.containers:
            self._get()
        if container.exit_code:
            raise TaskExited(container.exit_code)

    async def shutdown(self) -> None:
        container = self.machine.containers.get(self.task.id)
        if container is not None and container.running:
            await asyncio.sleep(0.3)
            container.end(143)

    async def remove(self) -> None:
        self.machine.forget(self.task.id)

    async def observe(self) -> Observed:
        container = self.machine.containers.get(self.task.id)
        if container is None:
            return Observed()
        return Observed(ContainerStatus(container_id=f"c-{self.task.id}"))


class CutLink:
    """A link over a net that can be cut: then nothing comes, and calls fail after a while."""

    def __init__(self, link, net: "Net") -> None:
        self._link = link
        self._net = net

    @property
    def address(self) -> str:
        return self._link.address

    @asynccontextmanager
    async def session(self, hello):
        await self._net.pass_through()
        async with self._link.session(hello) as messages:
            yield self._passed(messages)

    async def _passed(self, messages):
        async for message in messages:
            if self._net.cut:
                await asyncio.sleep(3600)
            yield message

    async def beat(self, session: str) -> int:
        await self._net.pass_through()
        return await self._link.beat(session)

    async def report(self, session: str, reports) -> None:
        await self._net.pass_through()
        await self._link.report(session, reports)
        await self._net.pass_through()  # the answer gets lost: it is done all the same

    async def logs(self, session: str, lines) -> bool:
        await self._net.pass_through()
        return await self._link.logs(session, lines)


class Net:
    def __init__(self) -> None:
        self.cut = False

    async def pass_through(self) -> None:
        await asyncio.sleep(0.001)
        if self.cut:
            await asyncio.sleep(3)
            raise Unavailable("no answer")


class Manager:
    """One manager's dispatcher, running."""

    def __init__(self, store) -> None:
        self.store = store
        self.dispatcher = Dispatcher(store, VirtualClock())
        self.broker = LogBroker(self.dispatcher.find_session)
        self.running = asyncio.ensure_future(self.dispatcher.run())

    def link(self, node_id: str, net: Net) -> CutLink:
        return CutLink(LocalLink(self.dispatcher, self.broker, node_id, "10.0.0.9"), net)

    async def stop(self) -> None:
        await self.dispatcher.close()
        await self.die()

    async def die(self) -> None:
        for session in list(self.dispatcher._sessions.values()):
            session.end()
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running


class Managers:
    """Tries one after the other."""

    def __init__(self, links) -> None:
        self.links = list(links)

    def pick(self):
        return self.links[0]

    def answered(self, link) -> None: ...

    def failed(self, link) -> None:
        self.links.append(self.links.pop(0))

    def learn(self, addresses) -> None: ...


class RunningAgent:
    """An agent process: killing it leaves the machine as it is."""

    def __init__(self, machine: Machine, links) -> None:
        clock, reports = VirtualClock(), Reports()
        self.worker = Worker(
            executor=machine,
            records=TaskRecords(machine, machine),
            reports=reports,
            clock=clock,
        )
        self.agent = Agent(
            executor=machine,
            worker=self.worker,
            reports=reports,
            managers=Managers(links),
            clock=clock,
        )
        self.running = asyncio.ensure_future(self.agent.run())

    async def kill(self) -> None:
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running


def cluster() -> Cluster:
    return Cluster(id="cluster1", spec=SwarmSpec(Name="default"))


def node(identifier: str = "node1") -> Node:
    return Node(id=identifier, spec=NodeSpec(Role="worker", Availability="active"))


def task(identifier: str, *, desired=TaskState.RUNNING, image="busybox", **container) -> Task:
    return Task(
        id=identifier,
        spec=TaskSpec(ContainerSpec=ServiceContainer(Image=image, **container)),
        service_id="service1",
        service_name="web",
        slot=1,
        node_id="node1",
        status=TaskStatus(state=TaskState.ASSIGNED, message="scheduler assigned task to node"),
        desired_state=desired,
    )


async def begin(store, *items) -> None:
    await store.apply(*map(Create, (cluster(), node(), *items)))


async def wish(store, task_id: str, desired: TaskState) -> None:
    """What an orchestrator does."""
    while True:
        present = store.tables.find(Task, task_id)
        if present is None or present.desired_state >= desired:
            return
        try:
            await store.apply(Update(replace(present, desired_state=desired)))
        except OutOfDate:
            continue
        return


def status(store, task_id: str) -> TaskStatus:
    return store.tables.find(Task, task_id).status


async def until(condition, limit_s: float = 300) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - of anything, in virtual time
            await asyncio.sleep(0.05)
