from sampan.swarm.model import Task, TaskStatus
from sampan.swarm.orchestrator.replicated import free_slots, keep_best
from sampan.swarm.states import TaskState
from sampan.wire.services import TaskRestart, TaskSpec
from simulation.agents import Behaviour
from simulation.swarm import Swarm, spec
from simulation.virtual import run


def _slot(slot: int, node_id: str, state: TaskState = TaskState.RUNNING) -> list[Task]:
    status = TaskStatus(state=state)
    return [Task(id=f"t{slot}", slot=slot, node_id=node_id, spec=TaskSpec(), status=status)]


def _numbers(slots: list[list[Task]]) -> list[int]:
    return sorted(slot[0].slot for slot in slots)


def test_the_surplus_leaves_an_even_spread() -> None:
    slots = [_slot(1, "a"), _slot(2, "a"), _slot(3, "a"), _slot(4, "b"), _slot(5, "c")]
    kept, surplus = keep_best(slots, 3)
    assert (_numbers(kept), _numbers(surplus)) == ([1, 4, 5], [2, 3])


def test_what_does_not_run_goes_first_and_before_it_what_has_no_node() -> None:
    pending = _slot(1, "", TaskState.PENDING)
    starting = _slot(2, "a", TaskState.STARTING)
    slots = [pending, starting, _slot(3, "a"), _slot(4, "b")]
    assert _numbers(keep_best(slots, 3)[1]) == [1]
    assert _numbers(keep_best(slots, 2)[1]) == [1, 2]


def test_the_lowest_numbers_are_taken() -> None:
    assert list(free_slots({1: 0, 3: 0}, 3)) == [2, 4, 5]
    assert list(free_slots({}, -1)) == []


def test_scaling_up_and_down_and_to_nothing() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(3)
            service_id = await swarm.create(spec(replicas=1))
            await swarm.until_running(service_id, 1)
            await swarm.scale(service_id, 50)
            await swarm.until_running(service_id, 50)
            loads = [len(swarm.tables.tasks_on(n.id)) for n in swarm.tables._by_id["node"].values()]
            assert max(loads) - min(loads) <= 1
            await swarm.scale(service_id, 4)
            await swarm.until(lambda: len(swarm.tasks(service_id)) == 4)
            await swarm.scale(service_id, 0)
            await swarm.until(lambda: not swarm.tasks(service_id))

    run(play())


def test_a_slot_taken_again_waits_until_its_old_task_is_down() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(1)
            swarm.agents.behave = lambda task: Behaviour(stops_s=8)
            service_id = await swarm.create(spec(replicas=2))
            await swarm.until_running(service_id, 2)
            await swarm.scale(service_id, 1)
            await swarm.pass_s(1)
            await swarm.scale(service_id, 2)
            took = await swarm.until_running(service_id, 2)
            assert 6.5 < took < 9
            assert {task.slot for task in swarm.running_tasks(service_id)} == {1, 2}

    run(play())


def test_a_slot_at_rest_counts_as_a_replica() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(1)
            ends = {"runs_for_s": 1, "ends": TaskState.COMPLETE}
            swarm.agents.behave = lambda task: Behaviour(**ends)
            template = {"RestartPolicy": TaskRestart(Condition="on-failure")}
            service_id = await swarm.create(spec(replicas=2, template=template))
            await swarm.pass_s(10)
            await swarm.new_leader()
            await swarm.pass_s(10)
            states = [task.status.state for task in swarm.tasks(service_id)]
            assert states == [TaskState.COMPLETE] * 2

    run(play())


def test_a_removed_service_takes_its_tasks_along_once_they_are_down() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(2)
            service_id = await swarm.create(spec(replicas=3))
            await swarm.until_running(service_id, 3)
            await swarm.remove(service_id)
            await swarm.pass_s(0.2)
            assert {t.desired_state for t in swarm.tasks(service_id)} == {TaskState.REMOVE}
            await swarm.until(lambda: not swarm.tasks(service_id))

    run(play())
