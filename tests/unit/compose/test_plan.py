"""What `up` and `down` decide: pure, on made-up projects and observations."""

from pathlib import Path

import pytest

from sampan.compose.actions import Kind, Plan, Subject
from sampan.compose.attributes import DependsOn, VolumeMount
from sampan.compose.down import DownOptions, Present, plan_down
from sampan.compose.hashes import network_hash
from sampan.compose.labels import CONFIG_HASH, NETWORK, PROJECT
from sampan.compose.model import Network, Project, Service, Volume
from sampan.compose.observe import (
    Observed,
    ObservedContainer,
    ObservedImage,
    ObservedNetwork,
    ObservedVolume,
)
from sampan.compose.ordering import DependencyCycle
from sampan.compose.plan import NameTaken, PlanOptions, Recreate, plan_up
from sampan.compose.plan_resources import ExternalMissing, WrongNetworkLabel
from sampan.compose.references import hash_of, resolved
from sampan.lib.records import replace

IMAGE = "sha256:1"
DEFAULT = Network(name="p_default")


def project_of(*services: Service, **changes: object) -> Project:
    found = Project(
        name="p",
        working_dir=Path("/w"),
        services={service.name: service for service in services},
        networks={"default": DEFAULT},
    )
    return replace(found, **changes)


def service_of(name: str, **changes: object) -> Service:
    plain = Service(name=name, image="busybox", networks={"default": None})
    return replace(plain, **changes)


def container_of(service: Service, number: int = 1, **changes: object) -> ObservedContainer:
    plain = ObservedContainer(
        id=f"{service.name}{number}".ljust(64, "0"),
        name=f"p-{service.name}-{number}",
        service=service.name,
        number=number,
        state="running",
        config_hash=hash_of(service),
        image_label=IMAGE,
        networks=frozenset({"net-id"}),
    )
    return replace(plain, **changes)


def observed_of(*containers: ObservedContainer, **changes: object) -> Observed:
    labels = {PROJECT: "p", NETWORK: "default", CONFIG_HASH: network_hash(DEFAULT)}
    network = ObservedNetwork(name="p_default", id="net-id", labels=labels)
    plain = Observed(
        containers=containers,
        networks={"p_default": network},
        images={"busybox": ObservedImage(id=IMAGE)},
    )
    return replace(plain, **changes)


def steps(plan: Plan) -> list[tuple[str, str]]:
    return [(str(action.kind), action.name) for action in plan.actions]


def reason(plan: Plan, kind: Kind) -> str:
    return next(action.reason for action in plan.actions if action.kind is kind)


def test_everything_is_created_before_anything_starts() -> None:
    web = service_of("web", depends_on={"db": DependsOn(condition="service_started")})
    plan = plan_up(project_of(web, service_of("db")), Observed(), PlanOptions())
    assert steps(plan) == [
        ("create", "p_default"),
        ("create", "p-db-1"),
        ("create", "p-web-1"),
        ("start", "p-db-1"),
        ("start", "p-web-1"),
    ]
    start = plan.actions[-1]
    assert {"create container p-db-1", "start container p-db-1"} <= start.after


def test_nothing_to_do_is_told_and_no_change() -> None:
    web = service_of("web")
    plan = plan_up(project_of(web), observed_of(container_of(web)), PlanOptions())
    assert steps(plan) == [("keep", "p-web-1")]
    assert plan.changes == ()


def test_a_stopped_container_is_started_as_it_is() -> None:
    web = service_of("web")
    plan = plan_up(project_of(web), observed_of(container_of(web, state="exited")), PlanOptions())
    assert [kind for kind, _ in steps(plan)] == ["keep", "start"]
    assert reason(plan, Kind.START) == "it is exited"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"config_hash": "other"}, "its configuration changed"),
        ({"image_label": "sha256:0"}, "its image changed"),
        ({"networks": frozenset({"elsewhere"})}, "it isn't on network default"),
    ],
)
def test_a_difference_recreates(change: dict[str, object], told: str) -> None:
    web = service_of("web")
    plan = plan_up(project_of(web), observed_of(container_of(web, **change)), PlanOptions())
    assert [kind for kind, _ in steps(plan)] == ["recreate", "start"]
    assert reason(plan, Kind.RECREATE) == told


def test_a_volume_that_is_not_mounted_recreates() -> None:
    mount = VolumeMount(type="volume", source="v", target="/v")
    web = service_of("web", volumes=(mount,))
    project = project_of(web, volumes={"v": Volume(name="p_v")})
    volumes = {"p_v": ObservedVolume(name="p_v", labels={PROJECT: "p"})}
    plan = plan_up(project, observed_of(container_of(web), volumes=volumes), PlanOptions())
    assert reason(plan, Kind.RECREATE) == "volume v isn't mounted"


def test_no_recreate_keeps_what_differs_and_force_replaces_what_does_not() -> None:
    web = service_of("web")
    other = observed_of(container_of(web, config_hash="other"))
    never = plan_up(project_of(web), other, PlanOptions(recreate=Recreate.NEVER))
    assert steps(never) == [("keep", "p-web-1")]
    same = observed_of(container_of(web))
    forced = plan_up(project_of(web), same, PlanOptions(recreate=Recreate.FORCE))
    assert reason(forced, Kind.RECREATE) == "recreation is forced"


def test_force_spares_dependencies_of_the_services_named() -> None:
    db = service_of("db")
    web = service_of("web", depends_on={"db": DependsOn(condition="service_started")})
    options = PlanOptions(selected=frozenset({"web"}), recreate=Recreate.FORCE)
    plan = plan_up(project_of(db, web), observed_of(container_of(db), container_of(web)), options)
    assert ("keep", "p-db-1") in steps(plan)
    assert ("recreate", "p-web-1") in steps(plan)


def test_scaling_down_removes_outdated_and_high_numbers_first() -> None:
    web = service_of("web", scale=1)
    found = observed_of(
        container_of(web, 1, config_hash="old"), container_of(web, 2), container_of(web, 3)
    )
    plan = plan_up(project_of(web), found, PlanOptions())
    assert steps(plan) == [("remove", "p-web-3"), ("remove", "p-web-1"), ("keep", "p-web-2")]


def test_scaling_up_goes_on_after_the_highest_number() -> None:
    web = service_of("web", scale=3)
    plan = plan_up(project_of(web), observed_of(container_of(web, 4)), PlanOptions(start=False))
    assert steps(plan) == [("keep", "p-web-4"), ("create", "p-web-5"), ("create", "p-web-6")]


def test_a_container_name_allows_one_container() -> None:
    web = service_of("web", scale=2, container_name="only")
    with pytest.raises(NameTaken, match='"web" service is using the custom container name "only"'):
        plan_up(project_of(web), observed_of(), PlanOptions())


def test_sharing_a_namespace_with_a_replaced_container_recreates() -> None:
    main = service_of("main")
    side = service_of("side", network_mode="service:main", networks={})
    known = resolved(side, {"main": [container_of(main).id]})
    found = observed_of(
        container_of(main, config_hash="old"), container_of(side, config_hash=hash_of(known))
    )
    plan = plan_up(project_of(main, side), found, PlanOptions(start=False))
    side_action = next(action for action in plan.actions if action.key == "side")
    assert side_action.reason == "it shares with main, which is replaced"
    assert "recreate container p-main-1" in side_action.after


def test_sharing_a_namespace_with_a_kept_container_keeps() -> None:
    main = service_of("main")
    side = service_of("side", network_mode="service:main", networks={})
    known = resolved(side, {"main": [container_of(main).id]})
    found = observed_of(container_of(main), container_of(side, config_hash=hash_of(known)))
    assert plan_up(project_of(main, side), found, PlanOptions()).changes == ()


def test_restart_true_stops_before_and_starts_after_the_replacement() -> None:
    db = service_of("db")
    how = DependsOn(condition="service_started", restart=True)
    web = service_of("web", depends_on={"db": how})
    found = observed_of(container_of(db, config_hash="old"), container_of(web))
    plan = plan_up(project_of(db, web), found, PlanOptions())
    assert steps(plan) == [
        ("stop", "p-web-1"),
        ("recreate", "p-db-1"),
        ("start", "p-db-1"),
        ("start", "p-web-1"),
    ]
    assert "stop container p-web-1" in plan.actions[1].after


def test_orphans_are_told_of_or_removed() -> None:
    web, gone = service_of("web"), service_of("gone")
    found = observed_of(container_of(web), container_of(gone))
    left = plan_up(project_of(web), found, PlanOptions())
    assert [container.name for container in left.orphans] == ["p-gone-1"]
    removed = plan_up(project_of(web), found, PlanOptions(remove_orphans=True))
    assert ("remove", "p-gone-1") in steps(removed)
    assert removed.orphans == ()


def test_a_service_of_another_profile_is_no_orphan() -> None:
    web, hidden = service_of("web"), service_of("hidden")
    project = project_of(web, disabled_services={"hidden": hidden})
    plan = plan_up(project, observed_of(container_of(web), container_of(hidden)), PlanOptions())
    assert plan.orphans == ()


def test_a_changed_network_is_replaced_with_what_is_on_it() -> None:
    web = service_of("web")
    project = project_of(web, networks={"default": replace(DEFAULT, internal=True)})
    plan = plan_up(project, observed_of(container_of(web)), PlanOptions())
    assert steps(plan)[:2] == [("recreate", "p_default"), ("recreate", "p-web-1")]


def test_a_changed_volume_is_replaced_on_demand_only() -> None:
    mount = VolumeMount(type="volume", source="v", target="/v")
    web = service_of("web", volumes=(mount,))
    project = project_of(web, volumes={"v": Volume(name="p_v")})
    labels = {PROJECT: "p", CONFIG_HASH: "old"}
    found = observed_of(
        container_of(web, volumes=frozenset({"p_v"})),
        volumes={"p_v": ObservedVolume(name="p_v", labels=labels)},
    )
    assert plan_up(project, found, PlanOptions()).changes == ()
    plan = plan_up(project, found, PlanOptions(recreate_volumes=True))
    assert ("recreate", "p_v") in steps(plan)


def test_foreign_networks_are_used_with_a_warning_and_wrong_ones_refused() -> None:
    web = service_of("web")
    foreign = ObservedNetwork(name="p_default", id="net-id", labels={})
    plan = plan_up(
        project_of(web), Observed(networks={"p_default": foreign}), PlanOptions(start=False)
    )
    assert "was not created by compose" in plan.warnings[0]
    wrong = ObservedNetwork(name="p_default", id="x", labels={PROJECT: "p", NETWORK: "other"})
    with pytest.raises(WrongNetworkLabel, match='set to "other"'):
        plan_up(project_of(web), Observed(networks={"p_default": wrong}), PlanOptions())


def test_external_networks_must_exist() -> None:
    network = Network(name="ext", external=True)
    project = project_of(service_of("web"), networks={"default": network})
    with pytest.raises(ExternalMissing, match="network ext declared as external, but could not be"):
        plan_up(project, Observed(), PlanOptions())


def test_a_replacement_broken_off_is_renamed() -> None:
    web = service_of("web")
    found = observed_of(container_of(web, name="0123456789ab_p-web-1"))
    plan = plan_up(project_of(web), found, PlanOptions())
    assert ("rename", "p-web-1") in steps(plan)


def test_services_that_wait_for_each_other_are_refused() -> None:
    one = service_of("one", depends_on={"two": DependsOn()})
    two = service_of("two", depends_on={"one": DependsOn()})
    with pytest.raises(DependencyCycle, match="one -> two -> one"):
        plan_up(project_of(one, two), observed_of(), PlanOptions())


def test_untouched_services_only_get_their_networks() -> None:
    options = PlanOptions(untouched=frozenset({"web"}))
    plan = plan_up(project_of(service_of("web")), Observed(), options)
    assert steps(plan) == [("create", "p_default")]


def test_down_takes_containers_before_the_rest_and_leaves_orphans() -> None:
    web, gone = service_of("web"), service_of("gone")
    present = Present(
        containers=(container_of(web), container_of(gone)),
        networks=("p_default",),
        volumes=("p_v",),
    )
    plan = plan_down(project_of(web), present, DownOptions())
    assert steps(plan) == [("remove", "p-web-1"), ("remove", "p_default")]
    assert plan.actions[1].after == {"remove container p-web-1"}
    every = plan_down(project_of(web), present, DownOptions(volumes=True, remove_orphans=True))
    assert {action.subject for action in every.actions} == {
        Subject.CONTAINER,
        Subject.NETWORK,
        Subject.VOLUME,
    }
    assert ("remove", "p-gone-1") in steps(every)


def test_down_of_one_service_leaves_the_network() -> None:
    web, db = service_of("web"), service_of("db")
    present = Present(containers=(container_of(web), container_of(db)), networks=("p_default",))
    options = DownOptions(services=frozenset({"db"}))
    assert steps(plan_down(project_of(web, db), present, options)) == [("remove", "p-db-1")]


def test_a_broken_off_replacement_gets_the_name_once_the_old_container_is_gone():
    web = service_of("web")
    old = container_of(web, config_hash="another")
    interim = container_of(web, id="e" * 64, name=f"{12 * 'c'}_p-web-1", state="created")
    plan = plan_up(project_of(web), observed_of(old, interim), PlanOptions())
    removal, rename, _, start = plan.actions
    assert (removal.kind, removal.container) == (Kind.REMOVE, old)
    assert (rename.kind, rename.container, rename.name) == (Kind.RENAME, interim, "p-web-1")
    assert removal.id in rename.after
    assert start.kind is Kind.START
    assert rename.id in start.after
