"""Waiting for dependencies: what holds, what can't hold any more, and what is only a warning."""

from typing import Any

import pytest

from sampan.compose.attributes import DependsOn
from sampan.compose.conditions import (
    COMPLETED,
    HEALTHY,
    RUNNING_OR_HEALTHY,
    DependencyFailed,
    DependencyMissing,
    Ended,
    Member,
    NoHealthcheck,
    NotCompleted,
    Unhealthy,
    Waiting,
    verdict,
)
from sampan.compose.progress import Event, Phase

DB = Member("id", "p-db-1", "db")


def inspected(status: str, *, health: str = "", code: int = 0) -> dict[str, Any]:
    state: dict[str, Any] = {"Status": status, "ExitCode": code}
    config: dict[str, Any] = {}
    if health:
        state["Health"] = {"Status": health}
        config["Healthcheck"] = {"Test": ["CMD", "true"]}
    return {"State": state, "Config": config}


@pytest.mark.parametrize(
    ("found", "condition", "holds"),
    [
        (inspected("running", health="healthy"), HEALTHY, True),
        (inspected("running", health="starting"), HEALTHY, False),
        (inspected("running"), RUNNING_OR_HEALTHY, True),
        (inspected("created"), RUNNING_OR_HEALTHY, False),
        (inspected("running", health="starting"), RUNNING_OR_HEALTHY, False),
        (inspected("exited"), COMPLETED, True),
        (inspected("running"), COMPLETED, False),
    ],
)
def test_verdicts(found: dict[str, Any], condition: str, holds: bool) -> None:
    assert verdict(DB, found, condition) is holds


@pytest.mark.parametrize(
    ("found", "condition", "failure", "told"),
    [
        (inspected("running"), HEALTHY, NoHealthcheck, "p-db-1 has no healthcheck configured"),
        (inspected("running", health="unhealthy"), HEALTHY, Unhealthy, "p-db-1 is unhealthy"),
        (inspected("exited", code=3), HEALTHY, Ended, r"p-db-1 exited \(3\)"),
        (inspected("exited", code=4), COMPLETED, NotCompleted, "complete successfully: exit 4"),
    ],
)
def test_what_can_not_hold_any_more(
    found: dict[str, Any], condition: str, failure: type[Exception], told: str
) -> None:
    with pytest.raises(failure, match=told):
        verdict(DB, found, condition)


class Answers:
    """Inspects with one answer after another."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)

    def inspect_container(self, _container: str) -> dict[str, Any]:
        return self.answers.pop(0)


class Seen:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def report(self, event: Event) -> None:
        self.events.append(event)


def waited(api: Answers, seen: Seen, **how: Any) -> None:
    wanted = {"db": DependsOn(**how)}
    Waiting(api, seen).dependencies("web", wanted, {"db": [DB]})  # type: ignore[arg-type]


def test_waits_until_healthy_and_reports_it() -> None:
    seen = Seen()
    api = Answers(inspected("running", health="starting"), inspected("running", health="healthy"))
    waited(api, seen, condition=HEALTHY)
    assert [event.text for event in seen.events] == ["Waiting", "Healthy"]
    assert api.answers == []


def test_a_required_dependency_that_fails_is_a_failure() -> None:
    api = Answers(inspected("running", health="unhealthy"))
    told = "dependency failed to start: container p-db-1 is unhealthy"
    with pytest.raises(DependencyFailed, match=told):
        waited(api, Seen(), condition=HEALTHY)


def test_one_that_is_not_required_only_warns() -> None:
    seen = Seen()
    waited(Answers(inspected("exited", code=1)), seen, condition=COMPLETED, required=False)
    assert seen.events[-1].phase is Phase.WARNING


def test_a_started_dependency_is_not_asked_about() -> None:
    waited(Answers(), Seen(), condition="service_started")


def test_a_dependency_without_containers_is_missing() -> None:
    with pytest.raises(DependencyMissing, match="web is missing dependency db"):
        Waiting(Answers(), Seen()).dependencies(  # type: ignore[arg-type]
            "web", {"db": DependsOn(condition=HEALTHY)}, {}
        )
