from sampan.swarm.model import Task
from sampan.swarm.states import TaskState
from sampan.wire.containers import Empty
from sampan.wire.services import ReplicatedJobMode, ServiceMode, TaskRestart
from simulation.agents import Behaviour
from simulation.swarm import Swarm, spec
from simulation.virtual import NANOS, run


def _job(at_once: int, in_all: int, **parts: object):
    job = ReplicatedJobMode(MaxConcurrent=at_once, TotalCompletions=in_all)
    return spec(Mode=ServiceMode(ReplicatedJob=job), **parts)


def _short(task: Task) -> Behaviour:
    return Behaviour(runs_for_s=2, ends=TaskState.COMPLETE)


def test_a_replicated_job_runs_so_many_at_a_time_until_all_have_completed() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(2)
            swarm.agents.behave = _short
            service_id = await swarm.create(_job(2, 5))
            most = 0
            while len(swarm.tasks(service_id, TaskState.COMPLETE)) < 5:
                most = max(most, len(swarm.tasks(service_id, TaskState.RUNNING)))
                await swarm.pass_s(0.05)
            assert most == 2
            await swarm.pass_s(30)
            tasks = swarm.tasks(service_id)
            assert {task.slot for task in tasks} == {1, 2, 3, 4, 5}
            assert len(tasks) == 5
            assert {task.desired_state for task in tasks} == {TaskState.COMPLETE}

    run(play())


def test_a_failure_is_tried_again_in_its_slot_up_to_the_limit() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(2)
            swarm.agents.behave = lambda task: Behaviour(
                runs_for_s=1, ends=TaskState.FAILED if task.slot == 1 else TaskState.COMPLETE
            )
            template = {"RestartPolicy": TaskRestart(MaxAttempts=2, Delay=NANOS)}
            service_id = await swarm.create(_job(2, 3, template=template))
            await swarm.pass_s(60)
            by_slot = {n: [t for t in swarm.tasks(service_id) if t.slot == n] for n in (1, 2, 3)}
            assert [t.status.state for t in by_slot[1]] == [TaskState.FAILED] * 3
            assert [len(by_slot[n]) for n in (2, 3)] == [1, 1]

    run(play())


def test_a_new_iteration_starts_anew_and_removes_the_old() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(2)
            swarm.agents.behave = _short
            service_id = await swarm.create(_job(3, 3))
            await swarm.until(lambda: len(swarm.tasks(service_id, TaskState.COMPLETE)) == 3)
            first = {task.id for task in swarm.tasks(service_id)}
            await swarm.update(service_id, _job(3, 3, image="other"))
            await swarm.pass_s(10)
            tasks = swarm.tasks(service_id)
            assert not first & {task.id for task in tasks}
            assert {(t.job_iteration, t.status.state) for t in tasks} == {(1, TaskState.COMPLETE)}

    run(play())


def test_a_global_job_runs_once_on_each_node_also_on_new_ones() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            nodes = await swarm.add_nodes(2)
            swarm.agents.behave = _short
            service_id = await swarm.create(spec(Mode=ServiceMode(GlobalJob=Empty())))
            await swarm.until(lambda: len(swarm.tasks(service_id, TaskState.COMPLETE)) == 2)
            nodes += await swarm.add_nodes(1)
            await swarm.pass_s(30)
            done = swarm.tasks(service_id, TaskState.COMPLETE)
            assert sorted(task.node_id for task in done) == sorted(nodes)
            assert len(swarm.tasks(service_id)) == 3

    run(play())
