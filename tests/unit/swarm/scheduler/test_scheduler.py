from collections import Counter

from sampan.swarm.model import Node, NodeDescription, NodePlugin, Task
from sampan.swarm.states import NodeState, TaskState
from sampan.swarm.store.interface import Change, OutOfDate, Update
from sampan.wire.containers import Mount
from sampan.wire.services import (
    DiscreteResource,
    DriverConfig,
    GenericResource,
    NamedResource,
    PlacementPreference,
    PlacementRules,
    PlatformSpec,
    PortConfig,
    ResourceAmounts,
    ResourceRequirements,
    ServiceContainer,
    SpreadOver,
    TaskRestart,
)
from simulation.agents import Behaviour
from simulation.swarm import Swarm, replace, spec
from simulation.virtual import NANOS, run


def _reserving(**amounts: object) -> dict[str, object]:
    return {"Resources": ResourceRequirements(Reservations=ResourceAmounts(**amounts))}


async def _describe(swarm: Swarm, node_id: str, **parts: object) -> None:
    node = swarm.tables.find(Node, node_id)
    described = replace(node, description=replace(node.description, **parts))
    await swarm.store.apply(Update(described))


def _loads(swarm: Swarm, service_id: str) -> Counter[str]:
    return Counter(task.node_id for task in swarm.running_tasks(service_id))


async def _why(swarm: Swarm, **parts: object) -> str:
    """The error of a task that finds no node."""
    service_id = await swarm.create(spec(name=f"s{len(swarm.tables.all(Task))}", **parts))
    await swarm.pass_s(1)
    [task] = swarm.tasks(service_id)
    assert task.status.state == TaskState.PENDING
    return task.status.err


def test_reasons_are_counted_and_the_most_frequent_comes_first() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            nodes = await swarm.add_nodes(6)
            await swarm.change_node(nodes[0], Availability="pause")
            await _describe(swarm, nodes[1], resources=ResourceAmounts(MemoryBytes=1))
            why = await _why(
                swarm,
                template={
                    "Placement": PlacementRules(Constraints=["node.labels.zone==a"]),
                    **_reserving(MemoryBytes=1 << 30),
                },
            )
            assert why == (
                "no suitable node (scheduling constraints not satisfied on 4 nodes; "
                "1 node not available for new tasks; insufficient resources on 1 node)"
            )

    run(play())


def test_each_filter_explains_itself() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            assert await _why(swarm) == "no suitable node"
            nodes = await swarm.add_nodes(2)
            await swarm.pass_s(1)
            plugin = NodePlugin(type="Log", name="json-file")
            for node_id in nodes:
                await _describe(swarm, node_id, plugins=(plugin,))
            asked = {
                "insufficient resources on 2 nodes": _reserving(NanoCPUs=9 * NANOS),
                "missing plugin on 2 nodes": {"LogDriver": DriverConfig(Name="gelf")},
                "unsupported platform on 2 nodes": {
                    "Placement": PlacementRules(Platforms=[PlatformSpec(Architecture="arm64")])
                },
            }
            for reason, template in asked.items():
                assert await _why(swarm, template=template) == f"no suitable node ({reason})"
            mount = Mount(Type="cluster", Source="v", Target="/v")
            service = spec(name="csi")
            container = ServiceContainer(Image="x", Mounts=[mount])
            task_spec = replace(service.TaskTemplate, ContainerSpec=container)
            service_id = await swarm.create(replace(service, TaskTemplate=task_spec))
            await swarm.pass_s(1)
            assert swarm.tasks(service_id)[0].status.err == (
                "no suitable node (cannot fulfill requested CSI volume mounts on 2 nodes)"
            )
            for node_id in nodes:
                await swarm.change_node(node_id, Availability="drain")
            reason = "no suitable node (2 nodes not available for new tasks)"
            assert await _why(swarm) == reason

    run(play())


def test_host_ports_allow_one_task_on_a_node() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(2)
            port = PortConfig(Protocol="tcp", TargetPort=80, PublishedPort=80, PublishMode="host")
            service_id = await swarm.create(spec(replicas=3, ports=[port]))
            await swarm.until_running(service_id, 2)
            assert set(_loads(swarm, service_id).values()) == {1}
            [waiting] = swarm.tasks(service_id, TaskState.PENDING)
            assert waiting.status.err == (
                "no suitable node (host-mode port already in use on 2 nodes)"
            )
            await swarm.update(service_id, spec(replicas=2, image="new", ports=[port]))
            await swarm.until(lambda: swarm.status(service_id) == "completed")
            await swarm.until_running(service_id, 2)

    run(play())


def test_replicas_on_a_node_have_a_limit() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(2)
            rules = PlacementRules(MaxReplicas=2)
            service_id = await swarm.create(spec(replicas=5, template={"Placement": rules}))
            await swarm.until_running(service_id, 4)
            [waiting] = swarm.tasks(service_id, TaskState.PENDING)
            assert waiting.status.err == "no suitable node (max replicas per node limit exceed)"
            await swarm.add_nodes(1)
            await swarm.until_running(service_id, 5)
            assert not any(task.status.err for task in swarm.running_tasks(service_id))

    run(play())


def test_reservations_fill_nodes_and_what_ends_makes_room() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(2)
            template = _reserving(NanoCPUs=3 * NANOS, MemoryBytes=1 << 30)
            first = await swarm.create(spec(name="first", replicas=4, template=template))
            await swarm.until_running(first, 4)
            second = await swarm.create(spec(name="second", template=template))
            await swarm.pass_s(2)
            assert "insufficient resources on 2 nodes" in swarm.tasks(second)[0].status.err
            await swarm.scale(first, 0)
            await swarm.until_running(second, 1)

    run(play())


def test_generic_resources_are_counted_and_named_pieces_given_out() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            [node_id] = await swarm.add_nodes(1)
            has = [
                *(
                    GenericResource(NamedResourceSpec=NamedResource(Kind="gpu", Value=name))
                    for name in "abc"
                ),
                GenericResource(DiscreteResourceSpec=DiscreteResource(Kind="ssd", Value=3)),
            ]
            await _describe(swarm, node_id, resources=ResourceAmounts(GenericResources=has))
            asked = [
                GenericResource(DiscreteResourceSpec=DiscreteResource(Kind=kind, Value=1))
                for kind in ("gpu", "ssd")
            ]
            template = _reserving(GenericResources=asked)
            service_id = await swarm.create(spec(replicas=4, template=template))
            await swarm.until_running(service_id, 3)
            given = [task.generic_resources for task in swarm.running_tasks(service_id)]
            pieces = sorted(each[0].NamedResourceSpec.Value for each in given)
            assert pieces == ["a", "b", "c"]
            assert all(each[1].DiscreteResourceSpec.Value == 1 for each in given)
            [waiting] = swarm.tasks(service_id, TaskState.PENDING)
            assert "insufficient resources on 1 node" in waiting.status.err

    run(play())


def test_tasks_go_where_fewest_of_their_service_are_then_where_fewest_are() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            nodes = await swarm.add_nodes(3, zone="a")
            rules = PlacementRules(Constraints=[f"node.id=={nodes[0]}"])
            busy = await swarm.create(spec("busy", replicas=5, template={"Placement": rules}))
            await swarm.until_running(busy, 5)
            service_id = await swarm.create(spec("even", replicas=2))
            await swarm.until_running(service_id, 2)
            assert _loads(swarm, service_id) == {nodes[1]: 1, nodes[2]: 1}
            await swarm.scale(service_id, 6)
            await swarm.until_running(service_id, 6)
            assert set(_loads(swarm, service_id).values()) == {2}

    run(play())


def test_preferences_spread_over_values_before_nodes() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            east = await swarm.add_nodes(1, zone="east")
            west = await swarm.add_nodes(3, zone="west")
            await swarm.add_nodes(1)
            over = PlacementPreference(Spread=SpreadOver(SpreadDescriptor="node.labels.zone"))
            rules = PlacementRules(
                Preferences=[over], Constraints=["node.labels.zone!="], MaxReplicas=5
            )
            rules = replace(rules, Constraints=["node.labels.zone!=none"])
            service_id = await swarm.create(spec(replicas=12, template={"Placement": rules}))
            await swarm.until_running(service_id, 12)
            loads = _loads(swarm, service_id)
            assert loads[east[0]] == 4
            assert sorted(loads[each] for each in west) == [1, 1, 2]
            await swarm.scale(service_id, 18)  # five at most: the others take what is left
            await swarm.until_running(service_id, 18)
            assert _loads(swarm, service_id)[east[0]] == 5

    run(play())


def test_a_node_where_it_often_failed_comes_last() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            nodes = await swarm.add_nodes(2)
            bad = nodes[0]
            swarm.agents.behave = lambda task: Behaviour(rejected=task.node_id == bad)
            template = {"RestartPolicy": TaskRestart(Delay=NANOS // 10)}
            service_id = await swarm.create(spec(replicas=2, template=template))
            await swarm.until_running(service_id, 2)
            assert _loads(swarm, service_id) == {nodes[1]: 2}
            await swarm.pass_s(301)
            swarm.agents.behave = lambda task: Behaviour()
            await swarm.scale(service_id, 3)  # a new version, and forgotten besides
            await swarm.until_running(service_id, 3)
            assert _loads(swarm, service_id)[bad] == 1

    run(play())


def test_a_task_waits_for_a_node_and_takes_the_first_that_comes() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            [node_id] = await swarm.add_nodes(1)
            await swarm.node_state(node_id, NodeState.DOWN)
            service_id = await swarm.create(spec())
            await swarm.pass_s(5)
            await swarm.node_state(node_id, NodeState.READY)
            await swarm.until_running(service_id, 1)
            [task] = swarm.tasks(service_id)
            assert (task.node_id, task.status.err) == (node_id, "")

    run(play())


def test_description_without_plugins_refuses_nothing() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            [node_id] = await swarm.add_nodes(1)
            node = swarm.tables.find(Node, node_id)
            await swarm.store.apply(Update(replace(node, description=NodeDescription())))
            service_id = await swarm.create(spec(template={"LogDriver": DriverConfig(Name="x")}))
            await swarm.until_running(service_id, 1)

    run(play())


def test_a_placement_that_was_not_written_takes_nothing() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(1)
            apply, lost = swarm.store.apply, []

            async def losing(*changes: Change) -> int:
                items = [change.item for change in changes]
                if len(lost) < 3 and any(
                    isinstance(each, Task) and each.status.state == TaskState.ASSIGNED
                    for each in items
                ):
                    lost.append(items)
                    raise OutOfDate
                return await apply(*changes)

            swarm.store.apply = losing
            service_id = await swarm.create(spec(template=_reserving(NanoCPUs=5 * NANOS)))
            await swarm.until_running(service_id, 1)
            assert len(lost) == 3

    run(play())
