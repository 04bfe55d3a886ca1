"""One step of a task: from what is wanted and what was observed to what is to be done (pure).

    observed     desired ready        desired running, complete    desired shutdown, remove
    assigned     accept               accept                       stop
    accepted     prepare              prepare                      stop
    preparing    prepare              prepare                      stop
    ready        -                    start                        stop
    starting     start                start                        stop
    running      watch                watch                        stop
    ended        -                    -                            -

Each step has a state that it is entered with and one that it leaves behind; a failure is judged
here and nowhere else:

    NotYet       the state stays, the step is tried again
    TaskExited   failed
    any other    before starting: rejected (no such image, bad mount); since then: failed; while
                 stopping: tried again, because nobody may believe that it doesn't run
"""

from enum import StrEnum

import msgspec

from sampan.errors import SampanError
from sampan.swarm.agent.executor import NotYet, Observed, TaskExited
from sampan.swarm.model import ContainerStatus, TaskStatus
from sampan.swarm.states import TaskState, has_ended


class Step(StrEnum):
    ACCEPT = "accept"
    PREPARE = "prepare"
    START = "start"
    WATCH = "watch"
    STOP = "stop"


_STEPS = {
    TaskState.ASSIGNED: Step.ACCEPT,
    TaskState.ACCEPTED: Step.PREPARE,
    TaskState.PREPARING: Step.PREPARE,
    TaskState.STARTING: Step.START,
    TaskState.RUNNING: Step.WATCH,
}
_ENTERED = {
    Step.PREPARE: (TaskState.PREPARING, "preparing"),
    Step.START: (TaskState.STARTING, "starting"),
}
_LEFT = {
    Step.ACCEPT: (TaskState.ACCEPTED, "accepted"),
    Step.PREPARE: (TaskState.READY, "prepared"),
    Step.START: (TaskState.RUNNING, "started"),
    Step.WATCH: (TaskState.COMPLETE, "finished"),
    Step.STOP: (TaskState.SHUTDOWN, "shutdown"),
}


def next_step(desired: TaskState, observed: TaskState) -> Step | None:
    """None: nothing before somebody wants something else."""
    if has_ended(observed):
        return None
    if is_over(desired):
        return Step.STOP
    if observed == TaskState.READY:
        return Step.START if desired >= TaskState.RUNNING else None
    return _STEPS.get(observed)


def is_over(desired: TaskState) -> bool:
    """It shall not run (any more)."""
    return desired >= TaskState.SHUTDOWN


def entered(status: TaskStatus, step: Step, now_ns: int) -> TaskStatus:
    """The status to report before `step` is done; the same object where it's no news."""
    if step not in _ENTERED:
        return status
    state, message = _ENTERED[step]
    return status if status.state == state else _moved(status, state, message, now_ns)


def left(
    status: TaskStatus, step: Step, failure: SampanError | None, seen: Observed, now_ns: int
) -> TaskStatus:
    """The status after `step`, done or failed; `seen` is what is there now."""
    status = _with(status, seen)
    if failure is None:
        return _moved(status, *_LEFT[step], now_ns)
    if isinstance(failure, TaskExited):
        status = _exited(status, failure.exit_code)
    elif isinstance(failure, NotYet) or step is Step.STOP:
        return msgspec.structs.replace(status, err=failure.message)
    begun = status.state >= TaskState.STARTING
    state = TaskState.FAILED if begun else TaskState.REJECTED
    return msgspec.structs.replace(status, state=state, timestamp_ns=now_ns, err=failure.message)


def must_be_tried_again(step: Step, failure: SampanError | None) -> bool:
    """After a pause."""
    if failure is None or isinstance(failure, TaskExited):
        return False
    return isinstance(failure, NotYet) or step is Step.STOP


def _moved(status: TaskStatus, state: TaskState, message: str, now_ns: int) -> TaskStatus:
    return msgspec.structs.replace(
        status, state=state, message=message, err="", timestamp_ns=now_ns
    )


def _with(status: TaskStatus, seen: Observed) -> TaskStatus:
    return msgspec.structs.replace(
        status, container=seen.container or status.container, ports=seen.ports or status.ports
    )


def _exited(status: TaskStatus, exit_code: int) -> TaskStatus:
    container = status.container or ContainerStatus()
    container = msgspec.structs.replace(container, exit_code=exit_code, pid=0)
    return msgspec.structs.replace(status, container=container)
