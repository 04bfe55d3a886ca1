"""What `down` takes away."""

from pathlib import Path

from sampan.compose.down import DownOptions, Present, plan_down
from sampan.compose.model import Project, Service
from sampan.compose.observe import ObservedContainer


def project() -> Project:
    return Project(
        name="p",
        working_dir=Path("/p"),
        services={"web": Service(name="web")},
        disabled_services={"debug": Service(name="debug", profiles=("dev",))},
    )


PRESENT = Present(
    containers=tuple(
        ObservedContainer(id=name, name=f"p-{name}-1", service=name)
        for name in ("web", "debug", "gone")
    )
)


def removed(known: Project | None, **options: object) -> list[str]:
    plan = plan_down(known, PRESENT, DownOptions(**options))
    return [action.container.id for action in plan.actions if action.container]


def test_services_whose_profile_is_off_stay() -> None:
    assert removed(project()) == ["web"]
    assert removed(project(), remove_orphans=True) == ["web", "gone"]


def test_a_service_that_is_named_goes_whatever_its_profile() -> None:
    assert removed(project(), services=frozenset({"debug"})) == ["debug"]


def test_without_files_everything_goes() -> None:
    assert removed(None) == ["web", "debug", "gone"]
