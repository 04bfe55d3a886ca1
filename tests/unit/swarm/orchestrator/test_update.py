import pytest

from sampan.swarm.model import Task
from sampan.swarm.states import NodeState, TaskState
from sampan.wire.containers import Empty
from sampan.wire.services import (
    PlacementRules,
    ServiceMode,
    TaskRestart,
    UpdatePolicy,
)
from simulation.agents import Behaviour
from simulation.swarm import Swarm, replace, spec
from simulation.virtual import NANOS, run


def _image(task: Task) -> str:
    return task.spec.ContainerSpec.Image


def _of(tasks: list[Task], image: str) -> list[Task]:
    return [task for task in tasks if _image(task) == image]


def _broken(image: str, **behaviour: object):
    return lambda task: Behaviour(**behaviour) if _image(task) == image else Behaviour()


async def _updated(
    swarm: Swarm, policy: UpdatePolicy, replicas: int = 4, **behaviour: object
) -> str:
    """A service of image old that has just been told to become new, which behaves so."""
    await swarm.add_nodes(3)
    service_id = await swarm.create(spec(replicas=replicas, image="old", UpdateConfig=policy))
    await swarm.until_running(service_id, replicas)
    if behaviour:
        swarm.agents.behave = _broken("new", **behaviour)
    await swarm.update(service_id, spec(replicas=replicas, image="new", UpdateConfig=policy))
    return service_id


def test_one_slot_at_a_time_stop_first_and_its_messages() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            service_id = await _updated(swarm, UpdatePolicy(Parallelism=1))
            fewest = 4
            await swarm.until(lambda: swarm.status(service_id) == "updating")
            assert swarm.service(service_id).update_status.message == "update in progress"
            while swarm.status(service_id) == "updating":
                fewest = min(fewest, len(swarm.running_tasks(service_id)))
                await swarm.pass_s(0.05)
            status = swarm.service(service_id).update_status
            assert (status.state, status.message) == ("completed", "update completed")
            assert status.completed_ns > status.started_ns > 0
            assert fewest == 3
            assert len(_of(swarm.running_tasks(service_id), "new")) == 4

    run(play())


@pytest.mark.parametrize(("parallelism", "fewest"), [(2, 2), (0, 0)])
def test_parallelism_says_how_many_slots_go_at_once(parallelism: int, fewest: int) -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            service_id = await _updated(swarm, UpdatePolicy(Parallelism=parallelism))
            seen = 4
            while swarm.status(service_id) != "completed":
                seen = min(seen, len(swarm.running_tasks(service_id)))
                await swarm.pass_s(0.05)
            assert seen == fewest

    run(play())


def test_start_first_never_runs_fewer_than_asked_for() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            service_id = await _updated(swarm, UpdatePolicy(Parallelism=2, Order="start-first"))
            most = 0
            while swarm.status(service_id) != "completed":
                count = len(swarm.tasks(service_id, TaskState.RUNNING))
                assert count >= 4
                most = max(most, count)
                await swarm.pass_s(0.05)
            assert most in {5, 6}
            assert len(_of(swarm.running_tasks(service_id), "new")) == 4

    run(play())


def test_the_delay_lies_between_slots_and_the_monitor_after_the_last() -> None:
    async def play(delay_s: int, monitor_s: int) -> float:
        async with Swarm().running() as swarm:
            policy = UpdatePolicy(Parallelism=1, Delay=delay_s * NANOS, Monitor=monitor_s * NANOS)
            service_id = await _updated(swarm, policy, replicas=3)
            return await swarm.until(lambda: swarm.status(service_id) == "completed", 200)

    plain = run(play(0, 5))
    assert run(play(10, 5)) == pytest.approx(plain - 5 + 30 + 11, abs=0.5)  # delay hides monitor
    assert run(play(0, 20)) == pytest.approx(plain + 15, abs=0.5)


def test_a_failure_pauses_and_names_the_task() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            service_id = await _updated(swarm, UpdatePolicy(Parallelism=1), runs_for_s=1)
            await swarm.until(lambda: swarm.status(service_id) == "paused")
            failed = _of(swarm.tasks(service_id, TaskState.FAILED), "new")[0]
            assert swarm.service(service_id).update_status.message == (
                f"update paused due to failure or early termination of task {failed.id}"
            )
            await swarm.pass_s(60)
            assert swarm.status(service_id) == "paused"
            old = _of(swarm.running_tasks(service_id), "old")
            assert 1 <= len(old) <= 3

    run(play())


def test_completing_within_the_monitor_period_is_a_failure_and_after_it_none() -> None:
    async def play(runs_for_s: float) -> str:
        async with Swarm().running() as swarm:
            policy = UpdatePolicy(Parallelism=0, Monitor=3 * NANOS)
            behaviour = {"runs_for_s": runs_for_s, "ends": TaskState.COMPLETE}
            service_id = await _updated(swarm, policy, replicas=1, **behaviour)
            await swarm.until(lambda: swarm.status(service_id) in {"paused", "completed"})
            return swarm.status(service_id)

    assert run(play(2.5)) == "paused"
    assert run(play(3.5)) == "completed"


@pytest.mark.parametrize(("ratio", "state"), [(0.25, "completed"), (0.24, "paused")])
def test_the_failure_ratio_must_be_exceeded(ratio: float, state: str) -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            policy = UpdatePolicy(Parallelism=1, MaxFailureRatio=ratio)
            service_id = await _updated(swarm, policy)
            broken: set[str] = set()

            def behave(task: Task) -> Behaviour:
                if _image(task) == "new" and not broken:
                    broken.add(task.id)
                return Behaviour(rejected=task.id in broken)

            swarm.agents.behave = behave
            await swarm.until(lambda: swarm.status(service_id) in {"completed", "paused"})
            assert swarm.status(service_id) == state

    run(play())


def test_continue_goes_on_whatever_fails() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            policy = UpdatePolicy(Parallelism=1, FailureAction="continue")
            service_id = await _updated(swarm, policy, rejected=True)
            await swarm.until(lambda: swarm.status(service_id) == "completed")
            assert not _of(swarm.running_tasks(service_id), "old")

    run(play())


def test_rollback_goes_back_to_the_previous_spec() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            policy = UpdatePolicy(Parallelism=1, FailureAction="rollback")
            service_id = await _updated(swarm, policy, rejected=True)
            old_version = swarm.service(service_id).previous_spec_version
            await swarm.until(lambda: swarm.status(service_id) == "rollback_started")
            assert swarm.service(service_id).update_status.message.startswith(
                "update rolled back due to failure or early termination of task "
            )
            await swarm.until(lambda: swarm.status(service_id) == "rollback_completed")
            service = swarm.service(service_id)
            assert service.update_status.message == "rollback completed"
            assert service.spec.TaskTemplate.ContainerSpec.Image == "old"
            assert (service.spec_version, service.previous_spec) == (old_version, None)
            await swarm.pass_s(20)
            assert len(_of(swarm.running_tasks(service_id), "old")) == 4

    run(play())


def test_a_failing_rollback_only_pauses() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            policy = UpdatePolicy(Parallelism=1, FailureAction="rollback")
            service_id = await _updated(swarm, policy)
            swarm.agents.behave = lambda task: Behaviour(rejected=True)
            await swarm.until(lambda: swarm.status(service_id) == "rollback_paused")
            message = swarm.service(service_id).update_status.message
            assert message.startswith("rollback paused due to failure or early termination of task")
            await swarm.pass_s(60)
            assert swarm.status(service_id) == "rollback_paused"

    run(play())


def test_a_newer_update_replaces_the_running_one() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            policy = UpdatePolicy(Parallelism=1, Delay=30 * NANOS)
            service_id = await _updated(swarm, policy)
            await swarm.pass_s(5)
            await swarm.update(service_id, spec(replicas=4, image="newest"))
            await swarm.until(lambda: swarm.status(service_id) == "completed")
            assert len(_of(swarm.running_tasks(service_id), "newest")) == 4

    run(play())


def test_a_new_leader_finishes_the_update() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            service_id = await _updated(swarm, UpdatePolicy(Parallelism=1))
            await swarm.pass_s(2)
            assert swarm.status(service_id) == "updating"
            await swarm.new_leader()
            await swarm.until(lambda: swarm.status(service_id) == "completed")
            assert len(_of(swarm.running_tasks(service_id), "new")) == 4

    run(play())


def test_force_replaces_all_and_scaling_or_met_constraints_none() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(2, zone="a")
            service_id = await swarm.create(spec(replicas=2))
            await swarm.until_running(service_id, 2)
            first = {task.id for task in swarm.running_tasks(service_id)}
            rules = PlacementRules(Constraints=["node.labels.zone==a"])
            await swarm.update(service_id, spec(replicas=3, template={"Placement": rules}))
            await swarm.until_running(service_id, 3)
            await swarm.pass_s(10)
            assert first < {task.id for task in swarm.running_tasks(service_id)}
            assert swarm.status(service_id) == ""
            wanted = spec(replicas=3, template={"Placement": rules, "ForceUpdate": 1})
            await swarm.update(service_id, wanted)
            await swarm.until(lambda: swarm.status(service_id) == "completed")
            assert not first & {task.id for task in swarm.running_tasks(service_id)}

    run(play())


def test_a_global_service_is_updated_node_by_node() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(3)
            parts = {"Mode": ServiceMode(Global=Empty())}
            service_id = await swarm.create(spec(image="old", **parts))
            await swarm.until_running(service_id, 3)
            await swarm.update(service_id, spec(image="new", **parts))
            fewest = 3
            while swarm.status(service_id) != "completed":
                fewest = min(fewest, len(swarm.running_tasks(service_id)))
                await swarm.pass_s(0.05)
            assert fewest == 2
            new = _of(swarm.running_tasks(service_id), "new")
            assert len({task.node_id for task in new}) == 3

    run(play())


def test_the_new_task_waits_a_minute_at_most_for_the_old_one() -> None:
    async def play() -> None:
        async with Swarm(lawful=False).running() as swarm:
            await swarm.add_nodes(1)
            service_id = await swarm.create(spec(image="old"))
            await swarm.until_running(service_id, 1)
            swarm.agents.behave = lambda task: Behaviour(stops_s=1000)
            await swarm.update(service_id, spec(image="new"))
            took = await swarm.until(
                lambda: len(_of(swarm.running_tasks(service_id), "new")) == 1, 100
            )
            assert 59 < took < 62

    run(play())


def test_a_task_that_its_policy_let_rest_is_replaced_by_an_update_too() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            await swarm.add_nodes(1)
            template = {"RestartPolicy": TaskRestart(Condition="none")}
            swarm.agents.behave = _broken("old", runs_for_s=1, ends=TaskState.COMPLETE)
            service_id = await swarm.create(spec(image="old", template=template))
            await swarm.pass_s(30)
            assert len(swarm.tasks(service_id)) == 1
            await swarm.update(service_id, spec(image="new", template=template))
            await swarm.until_running(service_id, 1)

    run(play())


def test_an_update_goes_on_when_a_node_is_lost() -> None:
    async def play() -> None:
        async with Swarm().running() as swarm:
            policy = UpdatePolicy(Parallelism=1, FailureAction="continue")
            service_id = await _updated(swarm, policy)
            await swarm.pass_s(1)
            node_id = swarm.tasks(service_id)[0].node_id
            await swarm.node_state(node_id, NodeState.DOWN)
            await swarm.until(lambda: swarm.status(service_id) == "completed", 100)
            await swarm.until(lambda: len(_of(swarm.running_tasks(service_id), "new")) == 4)
            assert replace(swarm.service(service_id), update_status=None).spec.Name == "web"

    run(play())
