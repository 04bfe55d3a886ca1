"""Whatever happens to a swarm, the laws of tasks hold at every commit, and peace returns after.

observed and desired states only grow; a task's spec, slot and node never change
in a slot one task runs at most, two if updates start the new one first
when all is well again: as many tasks run as asked for, of the newest spec, one in a slot
"""

from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sampan.swarm.model import Service, Task
from sampan.swarm.states import NodeState, TaskState
from sampan.swarm.store.interface import Update
from sampan.wire.containers import Empty
from sampan.wire.services import ServiceMode, TaskRestart, UpdatePolicy
from simulation.agents import Behaviour
from simulation.swarm import Swarm, replace, spec
from simulation.virtual import NANOS, run

NODES = 3

Step = tuple[str, int]

steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["scale", "image", "force", "down", "up", "drain", "activate", "kill", "leader", "wait"]
        ),
        st.integers(0, 7),
    ),
    max_size=12,
)


@dataclass(frozen=True, slots=True)
class Shape:
    order: str
    parallelism: int
    is_global: bool


shapes = st.builds(
    Shape, st.sampled_from(["stop-first", "start-first"]), st.integers(0, 3), st.booleans()
)


def _spec(shape: Shape, replicas: int, image: str):
    parts = {"Mode": ServiceMode(Global=Empty())} if shape.is_global else {}
    return spec(
        "web",
        replicas,
        image,
        template={"RestartPolicy": TaskRestart(Delay=NANOS)},
        UpdateConfig=UpdatePolicy(
            Order=shape.order, Parallelism=shape.parallelism, FailureAction="continue"
        ),
        **parts,
    )


class _Play:
    """One service on three nodes, and what befalls it."""

    def __init__(self, swarm: Swarm, shape: Shape, nodes: list[str], service_id: str) -> None:
        self.swarm, self.shape, self.nodes, self.service_id = swarm, shape, nodes, service_id
        self.replicas, self.image, self.force = 2, "image-0", 0

    async def take(self, step: Step) -> None:
        name, number = step
        node_id = self.nodes[number % NODES]
        match name:
            case "scale":
                self.replicas = number
                await self.respec()
            case "image":
                self.image = f"image-{number}"
                await self.respec()
            case "force":
                self.force += 1
                await self.respec()
            case "down":
                await self.swarm.node_state(node_id, NodeState.DOWN)
            case "up":
                await self.swarm.node_state(node_id, NodeState.READY)
            case "drain" | "activate":
                availability = "drain" if name == "drain" else "active"
                await self.swarm.change_node(node_id, Availability=availability)
            case "kill":
                await self.kill(number)
            case "leader":
                await self.swarm.new_leader()
            case _:
                await self.swarm.pass_s(number)
        await self.swarm.pass_s(0.13 * number)

    async def respec(self) -> None:
        wanted = _spec(self.shape, self.replicas, self.image)
        template = replace(wanted.TaskTemplate, ForceUpdate=self.force)
        await self.swarm.update(self.service_id, replace(wanted, TaskTemplate=template))

    async def kill(self, number: int) -> None:
        running = self.swarm.tasks(self.service_id, TaskState.RUNNING)
        if running:
            task = running[number % len(running)]
            if task.node_id not in self.swarm.agents.silent:
                failed = replace(task.status, state=TaskState.FAILED)
                await self.swarm.store.apply(Update(replace(task, status=failed)))

    async def make_peace(self) -> None:
        for node_id in self.nodes:
            await self.swarm.node_state(node_id, NodeState.READY)
            await self.swarm.change_node(node_id, Availability="active")
        await self.swarm.pass_s(150)

    def check(self) -> None:
        count = NODES if self.shape.is_global else self.replicas
        wanted = self.swarm.wanted_tasks(self.service_id)
        assert [task.status.state for task in wanted] == [TaskState.RUNNING] * count
        assert {task.spec.ContainerSpec.Image for task in wanted} <= {self.image}
        assert len({(task.slot, "" if task.slot else task.node_id) for task in wanted}) == count
        left = self.swarm.tasks(self.service_id, TaskState.RUNNING)
        assert len(left) == count
        assert len(self.swarm.tables.all(Task)) <= 5 * (count + 8)


async def _play(shape: Shape, script: list[Step]) -> None:
    async with Swarm().running() as swarm:
        nodes = await swarm.add_nodes(NODES)
        service_id = await swarm.create(_spec(shape, 2, "image-0"))
        play = _Play(swarm, shape, nodes, service_id)
        for step in script:
            await play.take(step)
        await play.make_peace()
        play.check()
        await swarm.remove(service_id)
        await swarm.until(lambda: swarm.tables.count(Task) == 0)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(shapes, steps)
def test_the_laws_hold_whatever_happens(shape: Shape, script: list[Step]) -> None:
    run(_play(shape, script))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from([0.0, 0.1, 1.0, 7.0, None]), min_size=6, max_size=6))
def test_tasks_that_end_when_they_like_never_share_a_slot(lives: list[float | None]) -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(NODES)
            swarm.agents.behave = lambda task: Behaviour(
                runs_for_s=lives[(task.slot + len(task.id)) % len(lives)]
            )
            service_id = await swarm.create(_spec(Shape("stop-first", 1, is_global=False), 5, "a"))
            await swarm.pass_s(30)
            assert len(swarm.wanted_tasks(service_id)) == 5
            assert isinstance(swarm.service(service_id), Service)

    run(play())
