from itertools import pairwise

import pytest

from sampan.swarm.model import Task, TaskStatus
from sampan.swarm.orchestrator.restart import judge
from sampan.swarm.states import NodeState, TaskState
from sampan.wire.services import TaskRestart, TaskSpec
from simulation.agents import Behaviour
from simulation.swarm import Swarm, spec
from simulation.virtual import NANOS, run


def _task(policy: TaskRestart, state: TaskState = TaskState.FAILED, **parts: object) -> Task:
    given = {"id": "t", "spec_version": 1, "slot": 1, **parts}
    return Task(spec=TaskSpec(RestartPolicy=policy), status=TaskStatus(state=state), **given)


@pytest.mark.parametrize(
    ("condition", "state", "restarts"),
    [
        ("", TaskState.COMPLETE, True),
        ("any", TaskState.COMPLETE, True),
        ("on-failure", TaskState.COMPLETE, False),
        ("on-failure", TaskState.FAILED, True),
        ("on-failure", TaskState.REJECTED, True),
        ("none", TaskState.FAILED, False),
    ],
)
def test_the_condition_decides(condition: str, state: TaskState, restarts: bool) -> None:
    task = _task(TaskRestart(Condition=condition), state)
    assert judge(task, [task], 0).restarts is restarts


def test_a_job_that_completed_is_never_restarted() -> None:
    task = _task(TaskRestart(Condition="any"), TaskState.COMPLETE)
    assert not judge(task, [task], 0, job=True).restarts


def test_attempts_are_the_tasks_of_the_same_spec_after_the_first() -> None:
    policy = TaskRestart(MaxAttempts=2)
    old = _task(policy, id="0", spec_version=0, created_ns=1)
    slot = [old, *(_task(policy, id=str(n), created_ns=n) for n in (2, 3))]
    verdict = judge(slot[-1], slot, 10)
    assert (verdict.restarts, verdict.reason) == (True, "1 of 2 attempts made")
    slot.append(_task(policy, id="4", created_ns=4))
    assert not judge(slot[-1], slot, 10).restarts


def test_only_attempts_within_the_window_count() -> None:
    policy = TaskRestart(MaxAttempts=2, Window=100)
    slot = [_task(policy, id=str(n), created_ns=n) for n in (10, 20, 90)]
    assert not judge(slot[-1], slot, 115).restarts
    assert judge(slot[-1], slot, 125).restarts


def test_a_failed_task_has_a_successor_after_the_delay() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(1)
            lives = iter([2.0])
            ends: dict[str, float | None] = {}
            swarm.agents.behave = lambda task: Behaviour(
                runs_for_s=ends.setdefault(task.id, next(lives, None))
            )
            template = {"RestartPolicy": TaskRestart(Delay=7 * NANOS)}
            service_id = await swarm.create(spec(template=template))
            await swarm.until(lambda: len(swarm.tasks(service_id, TaskState.FAILED)) == 1)
            failed, successor = swarm.tasks(service_id)
            assert failed.desired_state == TaskState.SHUTDOWN
            assert (successor.slot, successor.desired_state) == (failed.slot, TaskState.READY)
            took = await swarm.until_running(service_id, 1)
            assert 6.9 < took < 7.6
            assert swarm.tasks(service_id)[1].id == successor.id

    run(play())


def test_rejected_tasks_follow_each_other_at_the_delay_of_the_policy() -> None:
    """Rejected while they still wait for their start: their image can't be had."""

    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(1)
            swarm.agents.behave = lambda _: Behaviour(rejected=True)
            template = {"RestartPolicy": TaskRestart(Delay=7 * NANOS)}
            service_id = await swarm.create(spec(template=template))
            await swarm.pass_s(30)
            await swarm.new_leader()
            await swarm.pass_s(30)
            made = sorted(task.created_ns for task in swarm.tasks(service_id))
            gaps = [later - earlier for earlier, later in pairwise(made)]
            assert len(made) >= 4
            # the first was to run at once: its successor is prepared without waiting
            assert all(6.9 < gap / NANOS < 7.6 for gap in gaps[1:])

    run(play())


def test_attempts_end_even_if_the_leader_changes() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(2)
            swarm.agents.behave = lambda task: Behaviour(runs_for_s=1)
            template = {"RestartPolicy": TaskRestart(Delay=NANOS, MaxAttempts=7)}
            service_id = await swarm.create(spec(template=template))
            await swarm.pass_s(8)
            await swarm.new_leader()
            await swarm.pass_s(120)
            states = [task.status.state for task in swarm.tasks(service_id)]
            assert states == [TaskState.FAILED] * 8

    run(play())


def test_a_delay_that_a_new_leader_finds_goes_on() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(1)
            swarm.agents.behave = lambda task: Behaviour(
                runs_for_s=1 if len(swarm.tasks(service_id)) == 1 else None
            )
            template = {"RestartPolicy": TaskRestart(Delay=10 * NANOS)}
            service_id = await swarm.create(spec(template=template))
            await swarm.until(lambda: len(swarm.tasks(service_id)) == 2)
            swarm.agents.behave = lambda task: Behaviour()
            await swarm.pass_s(4)
            await swarm.new_leader()
            took = await swarm.until_running(service_id, 1)
            assert 5 < took < 7

    run(play())


def test_a_drained_node_is_left_without_delay_and_gets_nothing() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            nodes = await swarm.add_nodes(2)
            service_id = await swarm.create(spec(replicas=4))
            await swarm.until_running(service_id, 4)
            await swarm.change_node(nodes[0], Availability="drain")
            took = await swarm.until(
                lambda: (
                    {t.node_id for t in swarm.running_tasks(service_id)} == {nodes[1]}
                    and len(swarm.running_tasks(service_id)) == 4
                )
            )
            assert took < 2
            await swarm.change_node(nodes[0], Availability="active")
            await swarm.pass_s(10)
            assert {t.node_id for t in swarm.running_tasks(service_id)} == {nodes[1]}

    run(play())


def test_a_paused_node_keeps_what_it_has_and_gets_no_more() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            nodes = await swarm.add_nodes(2)
            service_id = await swarm.create(spec(replicas=2))
            await swarm.until_running(service_id, 2)
            await swarm.change_node(nodes[0], Availability="pause")
            await swarm.scale(service_id, 5)
            await swarm.until_running(service_id, 5)
            there = [t for t in swarm.running_tasks(service_id) if t.node_id == nodes[0]]
            assert len(there) == 1

    run(play())


def test_tasks_of_a_node_that_is_down_move_without_waiting_for_it() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            nodes = await swarm.add_nodes(2)
            service_id = await swarm.create(spec(replicas=4))
            await swarm.until_running(service_id, 4)
            await swarm.node_state(nodes[0], NodeState.DOWN)
            took = await swarm.until(
                lambda: sum(t.node_id == nodes[1] for t in swarm.running_tasks(service_id)) == 4
            )
            assert 5 <= took < 6  # the restart delay
            await swarm.node_state(nodes[0], NodeState.READY)
            await swarm.pass_s(5)
            assert len(swarm.tasks(service_id, TaskState.RUNNING)) == 4

    run(play())


def test_tasks_of_a_removed_node_are_orphaned_and_replaced() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            nodes = await swarm.add_nodes(2)
            service_id = await swarm.create(spec(replicas=2))
            await swarm.until_running(service_id, 2)
            await swarm.remove_node(nodes[0])
            await swarm.until(
                lambda: sum(t.node_id == nodes[1] for t in swarm.running_tasks(service_id)) == 2
            )
            [orphan] = swarm.tasks(service_id, TaskState.ORPHANED)
            assert orphan.status.message == "Task belonged to a node that has been deleted"

    run(play())
