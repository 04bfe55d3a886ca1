import json

import pytest

from sampan.errors import AlreadyExists, InvalidArgument, NotFound, SampanError, Unsupported
from sampan.swarm.control.lookup import find
from sampan.swarm.control.refusals import Ambiguous, OutOfSequence
from sampan.swarm.model import Config, Secret, Service, Task, TaskStatus
from sampan.swarm.states import TaskState
from sampan.swarm.store.interface import Update
from sampan.wire import codec
from sampan.wire.filters import Filters
from sampan.wire.services import (
    ConfigReference,
    EndpointChoice,
    FileTarget,
    Mount,
    NetworkAttachmentConfig,
    PlacementRules,
    PortConfig,
    ReplicatedJobMode,
    ReplicatedMode,
    ResourceRequirements,
    SecretReference,
    ServiceContainer,
    ServiceMode,
    TaskRestart,
    TaskSpec,
    UpdatePolicy,
)
from sampan.wire.services import Limit as Limits
from sampan.wire.swarm import ConfigSpec, SecretSpec
from unit.swarm.control.conftest import spec

RPC = "rpc error: code = InvalidArgument desc = "


def shown(value):
    return json.loads(codec.encode(value))


def tcp(target=80, published=8001, **more):
    return PortConfig(TargetPort=target, PublishedPort=published, **more)


def task(**container):
    return {"TaskTemplate": TaskSpec(ContainerSpec=ServiceContainer(Image="busybox", **container))}


def test_a_new_service_is_shown_as_dockerd_shows_it(manager):
    """The text is dockerd's own for the same request, but for ids and times."""
    manager.network("ingress", ingress=True)
    service = manager.service(Labels={"l": "1"}, EndpointSpec=EndpointChoice(Ports=[tcp()]))
    view = shown(manager.control.services.inspect("web"))
    assert view == {
        "ID": service,
        "Version": {"Index": 3},
        "CreatedAt": "1970-01-01T00:00:03Z",
        "UpdatedAt": "1970-01-01T00:00:03Z",
        "Spec": {
            "Name": "web",
            "Labels": {"l": "1"},
            "TaskTemplate": {
                "ContainerSpec": {"Image": "busybox:latest", "Isolation": "default"},
                "ForceUpdate": 0,
                "Runtime": "container",
            },
            "Mode": {"Replicated": {"Replicas": 1}},
            "EndpointSpec": {
                "Mode": "vip",
                "Ports": [
                    {
                        "Protocol": "tcp",
                        "TargetPort": 80,
                        "PublishedPort": 8001,
                        "PublishMode": "ingress",
                    }
                ],
            },
        },
        "Endpoint": {
            "Spec": {
                "Mode": "vip",
                "Ports": [
                    {
                        "Protocol": "tcp",
                        "TargetPort": 80,
                        "PublishedPort": 8001,
                        "PublishMode": "ingress",
                    }
                ],
            }
        },
    }


def test_defaults_are_spelled_out_on_request(manager):
    manager.service()
    found = shown(manager.control.services.inspect("web", insert_defaults=True))["Spec"]
    policy = {
        "Parallelism": 1,
        "FailureAction": "pause",
        "Monitor": 5000000000,
        "MaxFailureRatio": 0,
        "Order": "stop-first",
    }
    assert found["UpdateConfig"] == found["RollbackConfig"] == policy
    assert found["EndpointSpec"] == {"Mode": "vip"}
    assert found["TaskTemplate"] == {
        "ContainerSpec": {
            "Image": "busybox:latest",
            "Isolation": "default",
            "StopGracePeriod": 10000000000,
            "DNSConfig": {},
        },
        "Resources": {},
        "RestartPolicy": {"Condition": "any", "Delay": 5000000000, "MaxAttempts": 0},
        "Placement": {},
        "ForceUpdate": 0,
        "Runtime": "container",
    }


def test_a_job_gets_its_numbers_and_its_status(manager):
    manager.service(Mode=ServiceMode(ReplicatedJob=ReplicatedJobMode()))
    view = shown(manager.control.services.inspect("web"))
    assert view["Spec"]["Mode"] == {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}}
    assert view["JobStatus"]["JobIteration"] == {}
    assert "LastExecution" in view["JobStatus"]


def test_a_service_without_name_gets_one(manager):
    manager.service(Name="")
    assert manager.control.services.inspect("brisk_cook")


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"TaskTemplate": TaskSpec()}, "mismatched Runtime and *Spec fields"),
        (
            {"TaskTemplate": TaskSpec(ContainerSpec=ServiceContainer(), Runtime="x")},
            "unsupported runtime",
        ),
        (
            {"TaskTemplate": TaskSpec(ContainerSpec=ServiceContainer())},
            RPC + "ContainerSpec: image reference must be provided",
        ),
        (
            {"TaskTemplate": TaskSpec(ContainerSpec=ServiceContainer(Image="UPPER"))},
            RPC + 'ContainerSpec: "UPPER" is not a valid repository/tag',
        ),
        ({"Name": "bad name"}, RPC + "name must be valid as a DNS name component"),
        (
            task(Mounts=[Mount(Target="/x"), Mount(Target="/x")]),
            RPC + "ContainerSpec: duplicate mount point: /x",
        ),
        (
            {"UpdateConfig": UpdatePolicy(FailureAction="x")},
            "unrecognized update failure action x",
        ),
        ({"UpdateConfig": UpdatePolicy(Order="x")}, "unrecognized update order x"),
        (
            {"UpdateConfig": UpdatePolicy(MaxFailureRatio=2)},
            RPC + "TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1",
        ),
        ({"EndpointSpec": EndpointChoice(Mode="x")}, 'invalid resolution mode: "x"'),
        (
            {"EndpointSpec": EndpointChoice(Mode="dnsrr", Ports=[tcp()])},
            RPC + "EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
        ),
        (
            {"EndpointSpec": EndpointChoice(Ports=[tcp(), tcp(81)])},
            RPC + "EndpointSpec: duplicate published ports provided",
        ),
        (
            task(Secrets=[SecretReference(SecretID="x", SecretName="y")]),
            RPC + "malformed secret reference, no target provided",
        ),
        (
            task(Secrets=[SecretReference(SecretID="x", SecretName="y", File=FileTarget())]),
            RPC + "secret not found: y",
        ),
        (
            task(Configs=[ConfigReference(ConfigID="x", ConfigName="y", File=FileTarget())]),
            RPC + "config not found: y",
        ),
        (
            {"Mode": ServiceMode(Replicated=ReplicatedMode(), Global={})},
            "must specify only one service mode",
        ),
        (
            {"Mode": ServiceMode(GlobalJob={}), "UpdateConfig": UpdatePolicy()},
            RPC + "Jobs may not have an update config",
        ),
        ({"Networks": [NetworkAttachmentConfig(Target="nonet")]}, "network nonet not found"),
        (
            {"Networks": [NetworkAttachmentConfig(Target="none")]},
            "could not find the corresponding predefined swarm network: network none not found",
        ),
        (
            {"EndpointSpec": EndpointChoice(Ports=[tcp()])},
            (
                "rpc error: code = FailedPrecondition desc = service needs ingress network, but "
                "no ingress network is present"
            ),
        ),
    ],
)
def test_what_cant_be_is_refused_in_dockerds_words(manager, members, text):
    with pytest.raises(SampanError) as caught:
        manager.service(**members)
    assert caught.value.message == text
    assert not manager.control.services.list(Filters())


@pytest.mark.parametrize(
    ("members", "text"),
    [
        (
            {"Resources": ResourceRequirements(Limits=Limits(NanoCPUs=1))},
            RPC + "invalid cpu value 1e-09: Must be at least 0.001",
        ),
        (
            {"Resources": ResourceRequirements(Limits=Limits(MemoryBytes=1))},
            RPC + "invalid memory value 1: Must be at least 4MiB",
        ),
        ({"RestartPolicy": TaskRestart(Condition="x")}, 'invalid RestartCondition: "x"'),
        (
            {"RestartPolicy": TaskRestart(Delay=-1)},
            RPC + "TaskSpec: restart-delay cannot be negative",
        ),
        (
            {"Placement": PlacementRules(Constraints=["foo"])},
            "rpc error: code = Unknown desc = constraint expected one operator from ==, !=",
        ),
    ],
)
def test_what_a_task_cant_ask_for(manager, members, text):
    template = TaskSpec(ContainerSpec=ServiceContainer(Image="busybox"), **members)
    with pytest.raises(SampanError) as caught:
        manager.service(TaskTemplate=template)
    assert caught.value.message == text


def test_a_name_is_given_once(manager):
    manager.service()
    with pytest.raises(AlreadyExists, match="name conflicts with an existing object: service web"):
        manager.service()


def test_a_port_belongs_to_one_service(manager):
    manager.network("ingress", ingress=True)
    endpoint = EndpointChoice(Ports=[tcp()])
    first = manager.service(EndpointSpec=endpoint)
    with pytest.raises(InvalidArgument) as caught:
        manager.service(name="other", EndpointSpec=endpoint)
    assert caught.value.message == (
        f"{RPC}port '8001' is already in use by service 'web' ({first}) as an ingress port"
    )


def test_two_services_may_have_a_host_port(manager):
    endpoint = EndpointChoice(Ports=[tcp(PublishMode="host")])
    manager.service(EndpointSpec=endpoint)
    manager.service(name="other", EndpointSpec=endpoint)


def test_networks_are_kept_by_id(manager):
    manager.network("back")
    manager.service(Networks=[NetworkAttachmentConfig(Target="back", Aliases=["w"])])
    view = shown(manager.control.services.inspect("web"))
    assert view["Spec"]["Networks"] == [{"Target": "backid", "Aliases": ["w"]}]


def update(manager, version=None, service="web", **members):
    held = manager.store.tables.find_named(Service, service)
    version = held.version if version is None else version
    options = {key: members.pop(key) for key in ("rollback", "registry_auth") if key in members}
    manager.do(manager.control.services.update(service, version, spec(**members), **options))
    return manager.store.tables.find_named(Service, service)


def test_an_update_keeps_what_was_before(manager):
    manager.service(Labels={"a": "1"})
    changed = update(manager, Labels={"a": "2"})
    assert changed.spec.Labels == {"a": "2"}
    assert changed.previous_spec.Labels == {"a": "1"}
    assert changed.spec_version > changed.previous_spec_version


def test_a_rollback_takes_the_older_spec_with_its_version(manager):
    manager.service(Labels={"a": "1"})
    before = manager.store.tables.find_named(Service, "web")
    update(manager, Labels={"a": "2"}, registry_auth="new")
    back = update(manager, rollback="previous")
    assert (back.spec.Labels, back.spec_version) == ({"a": "1"}, before.spec_version)
    assert (back.registry_auth, back.previous_registry_auth) == ("", "new")
    assert back.update_status.state == "rollback_started"
    assert update(manager, rollback="previous").spec.Labels == {"a": "2"}


def test_a_rollback_needs_a_spec_before(manager):
    identifier = manager.service()
    with pytest.raises(InvalidArgument) as caught:
        update(manager, rollback="previous")
    assert caught.value.message == (
        f"rpc error: code = FailedPrecondition desc = service {identifier} does not have a "
        "previous spec"
    )


def test_a_client_that_hasnt_seen_the_spec_is_refused(manager):
    manager.service()
    version = manager.store.tables.find_named(Service, "web").version
    update(manager, Labels={"a": "2"})
    for stale in (version, 1, 999):
        with pytest.raises(OutOfSequence, match="update out of sequence"):
            update(manager, stale)


def test_what_others_write_doesnt_make_a_client_stale(manager):
    manager.service()
    seen = manager.store.tables.find_named(Service, "web")
    manager.do(manager.store.apply(Update(seen)))  # as the allocator does
    assert update(manager, seen.version, Labels={"a": "2"}).spec.Labels == {"a": "2"}


def test_after_a_rollback_only_the_last_version_will_do(manager):
    manager.service()
    update(manager, Labels={"a": "2"})
    seen = manager.store.tables.find_named(Service, "web").version
    update(manager, rollback="previous")
    with pytest.raises(OutOfSequence):
        update(manager, seen)
    update(manager, Labels={"a": "3"})


def test_name_and_mode_stay(manager):
    manager.service()
    for members, text in (
        ({"Name": "web9"}, "renaming services is not supported"),
        ({"Mode": ServiceMode(Global={})}, "service mode change is not allowed"),
    ):
        held = manager.store.tables.find_named(Service, "web")
        with pytest.raises(Unsupported) as caught:
            manager.do(manager.control.services.update("web", held.version, spec(**members)))
        assert caught.value.message == f"rpc error: code = Unimplemented desc = {text}"


def test_lookup_takes_id_then_name_then_the_beginning_of_an_id(manager):
    first, second = manager.service(name="a"), manager.service(name="b")
    tables = manager.store.tables
    assert find(tables, Service, first).id == find(tables, Service, "a").id == first
    assert find(tables, Service, second[:20]).id == second
    with pytest.raises(NotFound, match="service nope not found"):
        find(tables, Service, "nope")
    manager.put(
        Service(id="xy1", spec=spec(name="c")),
        Service(id="xy2", spec=spec(name="d")),
    )
    with pytest.raises(Ambiguous, match=r"service xy is ambiguous \(2 matches found\)"):
        find(tables, Service, "xy")


def test_filters_choose(manager):
    manager.service(name="web", Labels={"a": "1"})
    manager.service(name="web2", Mode=ServiceMode(Global={}))

    def names(**filters):
        values = {key: (value,) for key, value in filters.items()}
        return [each.Spec.Name for each in manager.control.services.list(Filters(values))]

    assert sorted(names()) == ["web", "web2"]
    assert names(label="a") == ["web"]
    assert names(mode="global") == ["web2"]
    assert sorted(names(name="web")) == ["web", "web2"]
    with pytest.raises(InvalidArgument, match="invalid filter 'foo'"):
        names(foo="x")


def test_status_counts_tasks(manager):
    service = manager.service(Mode=ServiceMode(Replicated=ReplicatedMode(Replicas=3)))

    def task(name, state, desired=TaskState.RUNNING):
        status = TaskStatus(state=state)
        return Task(
            id=name, spec=TaskSpec(), service_id=service, status=status, desired_state=desired
        )

    manager.put(
        task("t1", TaskState.RUNNING),
        task("t2", TaskState.STARTING),
        task("t3", TaskState.RUNNING, TaskState.SHUTDOWN),
    )
    (found,) = manager.control.services.list(Filters(), status=True)
    assert shown(found)["ServiceStatus"] == {
        "RunningTasks": 1,
        "DesiredTasks": 3,
        "CompletedTasks": 0,
    }
    assert "ServiceStatus" not in shown(manager.control.services.list(Filters())[0])


def test_a_used_secret_or_config_stays(manager):
    manager.put(
        Secret(id="s", spec=SecretSpec(Name="s1", Data="aGk=")),
        Config(id="c1", spec=ConfigSpec(Name="c1", Data="aGk=")),
    )
    manager.service(
        **task(
            Secrets=[SecretReference(SecretID="s", SecretName="s1", File=FileTarget(Name="s1"))],
            Configs=[ConfigReference(ConfigID="c1", ConfigName="c1", File=FileTarget(Name="/c"))],
        )
    )
    for noun, name in (("secret", "s1"), ("config", "c1")):
        with pytest.raises(InvalidArgument) as caught:
            manager.do(getattr(manager.control, f"{noun}s").remove(name))
        assert caught.value.message == (
            f"{RPC}{noun} '{name}' is in use by the following service: web"
        )
    manager.do(manager.control.services.remove("web"))
    manager.do(manager.control.secrets.remove("s1"))
    manager.do(manager.control.configs.remove("c1"))
