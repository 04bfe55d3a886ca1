"""Waiting for what `depends_on` and `--wait` ask of containers.

    service_started                  its start has been asked for: nothing to wait for
    service_healthy                  all its containers are healthy
    service_completed_successfully   all have ended with status 0
    running_or_healthy (--wait)      healthy where there is a health check, running elsewhere

An unhealthy or ended container is a failure at once. Dependencies that aren't required only warn.
"""

import time
from collections.abc import Mapping, Sequence

from sampan.compose.api import EngineApi, Json
from sampan.compose.attributes import DependsOn
from sampan.compose.progress import Progress, Reporter, container_subject
from sampan.errors import Conflict, Unavailable
from sampan.lib.records import Record

STARTED = "service_started"
HEALTHY = "service_healthy"
COMPLETED = "service_completed_successfully"
RUNNING_OR_HEALTHY = "running_or_healthy"
FIRST_PAUSE_S = 0.04
LONGEST_PAUSE_S = 0.5
SETTLE_S = 0.5  # what fails at once isn't taken for running
NAMES_ON = {HEALTHY: "Healthy", COMPLETED: "Exited", RUNNING_OR_HEALTHY: "Healthy"}


class DependencyFailed(Conflict):
    """What was waited for can't come any more."""


class NoHealthcheck(DependencyFailed):
    def __init__(self, name: str) -> None:
        super().__init__(f"container {name} has no healthcheck configured")


class Unhealthy(DependencyFailed):
    def __init__(self, name: str) -> None:
        super().__init__(f"container {name} is unhealthy")


class Ended(DependencyFailed):
    def __init__(self, name: str, status: int) -> None:
        super().__init__(f"container {name} exited ({status})")


class NotCompleted(DependencyFailed):
    def __init__(self, service: str, status: int) -> None:
        super().__init__(f'service "{service}" didn\'t complete successfully: exit {status}')


class WaitedTooLong(Unavailable):
    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"timeout of {timeout_s:g}s exceeded while waiting for services")


class DependencyMissing(Conflict):
    def __init__(self, service: str, dependency: str) -> None:
        super().__init__(f"{service} is missing dependency {dependency}")


class Member(Record, frozen=True):
    """One container that is waited for."""

    id: str
    name: str
    service: str


def verdict(member: Member, inspected: Json, condition: str) -> bool:
    """Whether the condition holds. Pure. Raises DependencyFailed when it can't hold any more."""
    state = inspected["State"]
    status = str(state.get("Status", ""))
    if condition == COMPLETED:
        if status != "exited":
            return False
        if state["ExitCode"]:
            raise NotCompleted(member.service, int(state["ExitCode"]))
        return True
    if status in {"exited", "dead", "removing"}:
        raise Ended(member.name, int(state.get("ExitCode") or 0))
    checked = _has_check(inspected)
    if not checked:
        if condition == HEALTHY:
            raise NoHealthcheck(member.name)
        return status == "running"
    health = str((state.get("Health") or {}).get("Status", ""))
    if health == "unhealthy":
        raise Unhealthy(member.name)
    return health == "healthy"


def _has_check(inspected: Json) -> bool:
    test = ((inspected.get("Config") or {}).get("Healthcheck") or {}).get("Test") or []
    if test:
        return bool(test[0] != "NONE")
    return bool((inspected["State"].get("Health") or {}).get("Status", "none") != "none")


class Waiting:
    """Waits with progress; `timeout_s` 0 waits for ever."""

    def __init__(self, api: EngineApi, progress: Progress, timeout_s: float = 0) -> None:
        self._api = api
        self._progress = progress
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s if timeout_s else float("inf")

    def until(self, members: Sequence[Member], condition: str) -> None:
        """Raises DependencyFailed or WaitedTooLong."""
        reporters = {
            member.id: Reporter(self._progress, container_subject(member.name))
            for member in members
        }
        for reporter in reporters.values():
            reporter.working("Waiting")
        left = list(members)
        if condition == RUNNING_OR_HEALTHY:
            time.sleep(SETTLE_S)
        pause_s = FIRST_PAUSE_S
        while left:
            left = [member for member in left if not self._holds(member, condition, reporters)]
            if not left:
                return
            if time.monotonic() > self._deadline:
                raise WaitedTooLong(self._timeout_s)
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)

    def _holds(self, member: Member, condition: str, reporters: Mapping[str, Reporter]) -> bool:
        reporter = reporters[member.id]
        try:
            held = verdict(member, self._api.inspect_container(member.id), condition)
        except DependencyFailed as error:
            reporter.failed(detail=error.message)
            raise
        if held:
            reporter.done(NAMES_ON[condition])
        return held

    def dependencies(
        self,
        service: str,
        wanted: Mapping[str, DependsOn],
        members: Mapping[str, Sequence[Member]],
    ) -> None:
        """What a service depends on; `members` are the containers by service."""
        for other, how in wanted.items():
            if how.condition not in {HEALTHY, COMPLETED}:
                continue
            found = members.get(other)
            if not found:
                if how.required:
                    raise DependencyMissing(service, other)
                continue
            try:
                self.until(found, how.condition)
            except DependencyFailed as error:
                self._judge(other, how, found, error)

    def _judge(
        self, other: str, how: DependsOn, found: Sequence[Member], error: DependencyFailed
    ) -> None:
        if how.required:
            if isinstance(error, NotCompleted):
                raise error
            raise DependencyFailed(f"dependency failed to start: {error.message}") from error
        text = f'optional dependency "{other}" failed to start: {error.message}'
        for member in found:
            Reporter(self._progress, container_subject(member.name)).warning("Skipped", text)
