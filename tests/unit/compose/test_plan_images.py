"""Which images are pulled or built, and why."""

import pytest

from sampan.compose.actions import Action
from sampan.compose.attributes import Build
from sampan.compose.observe import ObservedImage
from sampan.compose.plan_images import BadPullPolicy, ImageChoice, plan_images
from sampan.lib.records import replace

from .test_plan import project_of, service_of

HERE = {"busybox": ObservedImage(id="sha256:1", pulled="2024-01-01T00:00:00Z")}
NEW_YEAR_S = 1_704_067_200.0
DAY_S = 86_400
BUILD = Build(context="/w")


def planned(
    images: dict[str, ObservedImage], choice: ImageChoice, **changes: object
) -> list[Action]:
    return plan_images(project_of(service_of("web", **changes)), images, choice)


def test_what_is_here_is_not_fetched() -> None:
    assert planned(HERE, ImageChoice()) == []


def test_what_is_missing_is_pulled_once_for_all_services() -> None:
    project = project_of(service_of("one"), service_of("two"))
    assert [a.id for a in plan_images(project, {}, ImageChoice())] == ["pull image busybox"]


@pytest.mark.parametrize("policy", ["never", "build"])
def test_policies_that_never_pull(policy: str) -> None:
    assert planned({}, ImageChoice(), pull_policy=policy) == []


def test_always_pulls_and_the_flag_wins_over_the_policy() -> None:
    assert [a.reason for a in planned(HERE, ImageChoice(), pull_policy="always")] == [
        "the policy is always"
    ]
    assert planned(HERE, ImageChoice(pull="missing"), pull_policy="always") == []


@pytest.mark.parametrize(
    ("policy", "days", "pulls"),
    [("daily", 0.5, 0), ("daily", 2, 1), ("weekly", 2, 0), ("every_12h", 0.6, 1)],
)
def test_periods_count_from_the_last_pull(policy: str, days: float, pulls: int) -> None:
    choice = ImageChoice(now_s=NEW_YEAR_S + days * DAY_S)
    assert len(planned(HERE, choice, pull_policy=policy)) == pulls


def test_unknown_policies_are_refused() -> None:
    with pytest.raises(BadPullPolicy, match="sometimes"):
        planned(HERE, ImageChoice(), pull_policy="sometimes")


def test_image_and_build_pulls_first_and_builds_when_that_fails() -> None:
    pull, build = planned({}, ImageChoice(), build=BUILD)
    assert (pull.optional, build.optional) == (True, True)
    assert build.id == "build image busybox"


def test_build_alone_gets_the_name_of_project_and_service() -> None:
    (build,) = planned({}, ImageChoice(), build=BUILD, image="")
    assert (build.id, build.optional) == ("build image p-web", False)


def test_build_on_demand_and_not_at_all() -> None:
    assert [a.id for a in planned(HERE, ImageChoice(build=True), build=BUILD)] == [
        "build image busybox"
    ]
    assert planned(HERE, ImageChoice(build=True)) == []
    (pull,) = planned({}, ImageChoice(no_build=True), build=BUILD)
    assert pull == replace(pull, optional=False)
