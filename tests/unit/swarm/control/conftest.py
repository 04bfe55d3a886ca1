"""A manager's control over a store in memory; its clock goes one second a look."""

import asyncio
import itertools

import pytest

from sampan.lib.gotime import NANOS
from sampan.swarm.control.control import make_control
from sampan.swarm.model import Cluster, Network, Node
from sampan.swarm.store.interface import Create
from sampan.swarm.store.memory import MemoryStore
from sampan.wire.services import ServiceContainer, ServiceSpec, TaskSpec
from sampan.wire.swarm import NodeSpec, SwarmSpec


class Managers:
    def __init__(self):
        self.found = {}

    def standings(self):
        return self.found


class Settings:
    def __init__(self):
        self.asked = []

    async def update(self, spec, version, **rotations):
        self.asked.append((spec, version, rotations))


class Silent:
    """Logs with nothing in them, or with what a test puts there."""

    def __init__(self):
        self.lines = []
        self.failure = None

    async def read(self, tasks, options, *, later=None):
        for line in self.lines:
            yield line
        if self.failure is not None:
            raise self.failure


class Manager:
    def __init__(self):
        ticks = itertools.count(NANOS, NANOS)
        self.store = MemoryStore(lambda: next(ticks))
        self.managers, self.settings, self.logs = Managers(), Settings(), Silent()
        self.control = make_control(
            self.store,
            self.managers,
            self.settings,
            self.logs,
            random_name=lambda: "brisk_cook",
        )

    def do(self, work):
        return asyncio.run(work)

    def put(self, *items):
        self.do(self.store.apply(*(Create(item) for item in items)))

    def node(self, name, role="worker", **more):
        self.put(Node(id=name, spec=NodeSpec(Role=role, Availability="active"), role=role, **more))

    def network(self, name, **more):
        self.put(Network(id=f"{name}id", name=name, **more))

    def service(self, **members):
        return self.do(self.control.services.create(spec(**members))).ID


def spec(name="web", **members):
    container = ServiceContainer(Image="busybox:latest")
    return ServiceSpec(
        **{"Name": name, "TaskTemplate": TaskSpec(ContainerSpec=container), **members}
    )


@pytest.fixture
def manager():
    made = Manager()
    made.put(Cluster(id="c", spec=SwarmSpec(Name="default")))
    return made
