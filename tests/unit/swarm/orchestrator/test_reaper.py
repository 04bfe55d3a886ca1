from sampan.swarm.model import Cluster
from sampan.swarm.states import NodeState, TaskState
from sampan.swarm.store.interface import Update
from sampan.wire.services import PlacementRules, TaskRestart
from sampan.wire.swarm import OrchestrationConfig
from simulation.agents import Behaviour
from simulation.swarm import Swarm, replace, spec
from simulation.virtual import NANOS, run


async def _keep(swarm: Swarm, limit: int) -> None:
    [cluster] = swarm.tables.all(Cluster)
    config = OrchestrationConfig(TaskHistoryRetentionLimit=limit)
    await swarm.store.apply(
        Update(replace(cluster, spec=replace(cluster.spec, Orchestration=config)))
    )


def _history_after(limit: int | None, restart: TaskRestart) -> int:
    async def play() -> int:
        async with Swarm().running() as swarm:
            if limit is not None:
                await _keep(swarm, limit)
            await swarm.add_nodes(1)
            swarm.agents.behave = lambda task: Behaviour(runs_for_s=1)
            service_id = await swarm.create(spec(template={"RestartPolicy": restart}))
            await swarm.pass_s(60)
            return len(swarm.tasks(service_id))

    return run(play())


def test_a_slot_keeps_five_tasks_unless_told_otherwise() -> None:
    restart = TaskRestart(Delay=NANOS)
    assert _history_after(None, restart) == 5
    assert _history_after(2, restart) == 2
    assert _history_after(-1, restart) > 15


def test_the_history_is_as_long_as_counting_attempts_needs() -> None:
    assert _history_after(1, TaskRestart(Delay=NANOS, MaxAttempts=8)) == 9


def test_a_shorter_history_is_applied_at_once() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(1)
            service_id = await swarm.create(spec())
            await swarm.until_running(service_id, 1)
            for number in range(4):
                await swarm.update(service_id, spec(image=f"image-{number}"))
                await swarm.until(lambda: swarm.status(service_id) == "completed")
            assert len(swarm.tasks(service_id)) == 5
            await _keep(swarm, 1)
            await swarm.pass_s(1)
            assert swarm.tasks(service_id) == swarm.running_tasks(service_id)

    run(play())


def test_tasks_on_a_node_that_is_down_for_a_day_are_orphaned() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            nodes = await swarm.add_nodes(2)
            service_id = await swarm.create(spec(replicas=2))
            await swarm.until_running(service_id, 2)
            await swarm.node_state(nodes[0], NodeState.DOWN)
            await swarm.pass_s(24 * 3600 - 10)
            assert not swarm.tasks(service_id, TaskState.ORPHANED)
            await swarm.pass_s(20)
            assert len(swarm.tasks(service_id, TaskState.ORPHANED)) == 1
            await swarm.remove(service_id)
            await swarm.until(lambda: not swarm.tasks(service_id))

    run(play())


def test_tasks_that_a_lost_node_may_still_run_stay_until_then() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            [node_id] = await swarm.add_nodes(1)
            service_id = await swarm.create(spec())
            await swarm.until_running(service_id, 1)
            await swarm.node_state(node_id, NodeState.DOWN)
            await swarm.remove(service_id)
            await swarm.pass_s(60)
            assert TaskState.RUNNING in {t.status.state for t in swarm.tasks(service_id)}
            await swarm.node_state(node_id, NodeState.READY)
            await swarm.until(lambda: not swarm.tasks(service_id))

    run(play())


def test_the_enforcer_sends_tasks_away_from_a_node_that_lost_its_label() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            nodes = await swarm.add_nodes(2, disk="ssd")
            rules = PlacementRules(Constraints=["node.labels.disk==ssd"])
            service_id = await swarm.create(spec(replicas=2, template={"Placement": rules}))
            await swarm.until_running(service_id, 2)
            await swarm.change_node(nodes[0], Labels={"disk": "hdd"})
            await swarm.until(
                lambda: [t.node_id for t in swarm.running_tasks(service_id)] == [nodes[1]] * 2
            )
            [rejected] = swarm.tasks(service_id, TaskState.REJECTED)
            assert rejected.status.message == "task rejected by constraint enforcer"
            assert rejected.status.err == "assigned node no longer meets constraints"

    run(play())
