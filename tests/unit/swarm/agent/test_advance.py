import pytest

from sampan.errors import NotFound
from sampan.swarm.agent.advance import Step, entered, left, must_be_tried_again, next_step
from sampan.swarm.agent.executor import UNHEALTHY, NotYet, Observed, TaskExited
from sampan.swarm.model import ContainerStatus, TaskStatus
from sampan.swarm.states import TaskState as S

ENDED = [S.COMPLETE, S.SHUTDOWN, S.FAILED, S.REJECTED, S.ORPHANED]


@pytest.mark.parametrize(
    ("observed", "ready", "running"),
    [
        (S.ASSIGNED, Step.ACCEPT, Step.ACCEPT),
        (S.ACCEPTED, Step.PREPARE, Step.PREPARE),
        (S.PREPARING, Step.PREPARE, Step.PREPARE),
        (S.READY, None, Step.START),
        (S.STARTING, Step.START, Step.START),
        (S.RUNNING, Step.WATCH, Step.WATCH),
    ],
)
def test_each_state_has_its_step(observed, ready, running):
    assert next_step(S.READY, observed) is ready
    assert next_step(S.RUNNING, observed) is running
    assert next_step(S.COMPLETE, observed) is running
    assert next_step(S.SHUTDOWN, observed) is Step.STOP
    assert next_step(S.REMOVE, observed) is Step.STOP


@pytest.mark.parametrize("observed", ENDED)
@pytest.mark.parametrize("desired", [S.READY, S.RUNNING, S.SHUTDOWN, S.REMOVE])
def test_what_has_ended_takes_no_step(observed, desired):
    assert next_step(desired, observed) is None


@pytest.mark.parametrize(
    ("step", "before", "state", "message"),
    [
        (Step.ACCEPT, S.ASSIGNED, S.ACCEPTED, "accepted"),
        (Step.PREPARE, S.PREPARING, S.READY, "prepared"),
        (Step.START, S.STARTING, S.RUNNING, "started"),
        (Step.WATCH, S.RUNNING, S.COMPLETE, "finished"),
        (Step.STOP, S.RUNNING, S.SHUTDOWN, "shutdown"),
        (Step.STOP, S.PREPARING, S.SHUTDOWN, "shutdown"),
    ],
)
def test_success_moves_on(step, before, state, message):
    after = left(TaskStatus(state=before, err="old"), step, None, Observed(), 7)
    assert after == TaskStatus(state=state, message=message, timestamp_ns=7)


@pytest.mark.parametrize(
    ("step", "before", "failure", "state", "again"),
    [
        (Step.PREPARE, S.PREPARING, NotFound("No such image: x"), S.REJECTED, False),
        (Step.PREPARE, S.PREPARING, NotYet("soon"), S.PREPARING, True),
        (Step.START, S.STARTING, NotFound("starting container failed"), S.FAILED, False),
        (Step.START, S.STARTING, NotYet("soon"), S.STARTING, True),
        (Step.WATCH, S.RUNNING, TaskExited(3), S.FAILED, False),
        (Step.WATCH, S.RUNNING, NotFound("No such container: x"), S.FAILED, False),
        (Step.STOP, S.RUNNING, NotFound("stuck"), S.RUNNING, True),
    ],
)
def test_failures_are_judged_in_one_place(step, before, failure, state, again):
    after = left(TaskStatus(state=before), step, failure, Observed(), 7)
    assert (after.state, after.err) == (state, failure.message)
    assert must_be_tried_again(step, failure) is again


def test_an_exit_code_is_kept_with_the_container():
    seen = Observed(ContainerStatus(container_id="c", pid=5))
    after = left(TaskStatus(state=S.RUNNING), Step.WATCH, TaskExited(143, UNHEALTHY), seen, 7)
    assert after.container == ContainerStatus(container_id="c", exit_code=143)
    assert after.err == "task: non-zero exit (143): dockerexec: unhealthy container"


def test_a_step_that_is_entered_again_is_no_news():
    preparing = TaskStatus(state=S.PREPARING, err="soon", timestamp_ns=1)
    assert entered(preparing, Step.PREPARE, 9) is preparing
    assert entered(TaskStatus(state=S.READY), Step.START, 9).state is S.STARTING
