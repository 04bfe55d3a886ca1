"""Many tasks over many nodes: what they cost in time, memory and steps."""

import resource
import time
from dataclasses import dataclass

from sampan.swarm.model import Node
from sampan.swarm.reconciler import Reconciler
from sampan.swarm.scheduler.scheduler import Scheduler
from sampan.swarm.states import NodeState
from simulation.swarm import Swarm, spec


@dataclass(frozen=True, slots=True)
class Phase:
    """`seconds` are the processor's; `steps`: keys planned and nodes looked at.

    `spread`: fewest and most tasks on a node.
    """

    name: str
    seconds: float
    virtual_s: float
    steps: int
    peak_mb: int
    spread: tuple[int, int]


class Measured:
    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self.phases: list[Phase] = []
        self._began()

    def _began(self) -> None:
        self._wall, self._virtual, self._steps = (
            time.process_time(),
            self._swarm.now_s,
            self.steps(),
        )

    def steps(self) -> int:
        parts = self._swarm.parts
        planned = sum(part.planned for part in parts if isinstance(part, Reconciler))
        return planned + sum(part.checks for part in parts if isinstance(part, Scheduler))

    def done(self, name: str) -> None:
        tables = self._swarm.tables
        loads = [
            sum(
                task.desired_state <= task.desired_state.RUNNING
                for task in tables.tasks_on(node.id)
            )
            for node in tables.all(Node)
            if node.status.state == NodeState.READY
        ]
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        self.phases.append(
            Phase(
                name,
                time.process_time() - self._wall,
                self._swarm.now_s - self._virtual,
                self.steps() - self._steps,
                peak_mb,
                (min(loads), max(loads)),
            )
        )
        self._began()


async def large(nodes: int, tasks: int, services: int = 1) -> list[Phase]:
    """Create, lose a tenth of the nodes, update all, scale down to a tenth, remove."""
    async with Swarm(lawful=False).running() as swarm:
        ids = await swarm.add_nodes(nodes)
        await swarm.pass_s(1)
        measured = Measured(swarm)
        each = tasks // services
        made = [await swarm.create(_spec(number, each)) for number in range(services)]
        await swarm.until(lambda: _running(swarm, made) == each * services, 600)
        measured.done("create")
        for node_id in ids[: nodes // 10]:
            await swarm.node_state(node_id, NodeState.DOWN)
        await swarm.pass_s(1)
        await swarm.until(lambda: _running(swarm, made) == each * services, 600)
        measured.done("lose a tenth of the nodes")
        for number, service_id in enumerate(made):
            await swarm.update(service_id, _spec(number, each, "new"))
        await swarm.until(lambda: all(swarm.status(each) == "completed" for each in made), 6000)
        measured.done("update all, 100 at a time")
        for service_id in made:
            await swarm.scale(service_id, each // 10)
        await swarm.until(lambda: _running(swarm, made) == each // 10 * services, 600)
        measured.done("scale down to a tenth")
        for service_id in made:
            await swarm.remove(service_id)
        await swarm.pass_s(5)
        measured.done("remove")
    return measured.phases


def _running(swarm: Swarm, services: list[str]) -> int:
    nodes = swarm.agents.silent
    return sum(t.node_id not in nodes for each in services for t in swarm.running_tasks(each))


def _spec(number: int, replicas: int, image: str = "old"):
    from sampan.wire.services import UpdatePolicy

    return spec(f"service-{number}", replicas, image, UpdateConfig=UpdatePolicy(Parallelism=100))
