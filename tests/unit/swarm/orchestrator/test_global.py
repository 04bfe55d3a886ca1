from sampan.swarm.model import Node
from sampan.swarm.states import NodeState, TaskState
from sampan.wire.containers import Empty
from sampan.wire.services import (
    PlacementRules,
    ResourceAmounts,
    ResourceRequirements,
    ServiceMode,
)
from simulation.agents import Behaviour
from simulation.swarm import Swarm, spec
from simulation.virtual import run


def _global(**parts: object):
    return spec(Mode=ServiceMode(Global=Empty()), **parts)


def _nodes(swarm: Swarm, service_id: str) -> set[str]:
    return {task.node_id for task in swarm.running_tasks(service_id)}


def test_one_task_on_each_node_also_on_those_that_join() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            nodes = await swarm.add_nodes(2)
            service_id = await swarm.create(_global())
            await swarm.until_running(service_id, 2)
            assert _nodes(swarm, service_id) == set(nodes)
            nodes += await swarm.add_nodes(1)
            await swarm.until_running(service_id, 3)
            [task] = [t for t in swarm.tasks(service_id) if t.node_id == nodes[2]]
            assert task.name == f"web.{nodes[2]}.{task.id}"

    run(play())


def test_rules_bind_it_and_follow_labels() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            here = await swarm.add_nodes(2, zone="a")
            [there] = await swarm.add_nodes(1, zone="b")
            rules = PlacementRules(Constraints=["node.labels.zone == a"])
            service_id = await swarm.create(_global(template={"Placement": rules}))
            await swarm.until_running(service_id, 2)
            await swarm.change_node(there, Labels={"zone": "a"})
            await swarm.until_running(service_id, 3)
            await swarm.change_node(here[0], Labels={})
            await swarm.until(lambda: _nodes(swarm, service_id) == {here[1], there})

    run(play())


def test_draining_stops_it_and_activating_brings_it_back() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            nodes = await swarm.add_nodes(2)
            service_id = await swarm.create(_global())
            await swarm.until_running(service_id, 2)
            await swarm.change_node(nodes[0], Availability="drain")
            await swarm.until_running(service_id, 1)
            await swarm.pass_s(20)
            assert len(swarm.wanted_tasks(service_id)) == 1
            await swarm.change_node(nodes[0], Availability="active")
            await swarm.until_running(service_id, 2)

    run(play())


def test_a_node_that_was_down_gets_a_new_task() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            nodes = await swarm.add_nodes(2)
            service_id = await swarm.create(_global())
            await swarm.until_running(service_id, 2)
            await swarm.node_state(nodes[0], NodeState.DOWN)
            await swarm.pass_s(20)
            assert len(swarm.wanted_tasks(service_id)) == 1
            await swarm.node_state(nodes[0], NodeState.READY)
            await swarm.until_running(service_id, 2)

    run(play())


def test_a_removed_node_takes_its_task_along() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            nodes = await swarm.add_nodes(2)
            service_id = await swarm.create(_global())
            await swarm.until_running(service_id, 2)
            await swarm.remove_node(nodes[0])
            await swarm.until(lambda: len(swarm.tasks(service_id)) == 1)

    run(play())


def test_a_failed_one_is_restarted_on_its_own_node() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            nodes = await swarm.add_nodes(2)
            lives: dict[str, float] = {}
            swarm.agents.behave = lambda task: Behaviour(runs_for_s=lives.get(task.id))
            service_id = await swarm.create(_global())
            await swarm.until_running(service_id, 2)
            first = swarm.tasks(service_id)[0]
            lives[first.id] = 0
            swarm.agents.ask(first.id)
            await swarm.until(lambda: len(swarm.tasks(service_id, TaskState.FAILED)) == 1)
            took = await swarm.until_running(service_id, 2)
            assert took > 4
            assert _nodes(swarm, service_id) == set(nodes)

    run(play())


def test_a_node_without_room_says_so() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(1)
            asked = ResourceAmounts(MemoryBytes=1 << 40)
            template = {"Resources": ResourceRequirements(Reservations=asked)}
            service_id = await swarm.create(_global(template=template))
            await swarm.pass_s(2)
            [task] = swarm.tasks(service_id)
            assert task.status.state == TaskState.PENDING
            assert task.status.err == "no suitable node (insufficient resources on 1 node)"
            assert swarm.tables.count(Node) == 1

    run(play())
