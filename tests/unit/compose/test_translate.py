"""A service as a create request's body, as Docker Compose 2.40 sends it."""

from pathlib import Path
from typing import Any

import pytest

from sampan.compose.attributes import (
    BindOptions,
    DependsOn,
    Deploy,
    DeviceMapping,
    DeviceRequest,
    FileReference,
    Healthcheck,
    NetworkAttachment,
    Port,
    Provider,
    Resource,
    Resources,
    RestartPolicy,
    TmpfsOptions,
    Ulimit,
    VolumeMount,
    VolumeOptions,
)
from sampan.compose.model import FileObject, Network, Project, Service, Volume
from sampan.compose.mounts import ExternalFile
from sampan.compose.oneoff import OneOff, changed_service, oneoff_body
from sampan.compose.references import NothingToShare, hash_of, resolved
from sampan.compose.scalars import Bytes, Duration, Float32
from sampan.compose.surroundings import Inherited, Surroundings
from sampan.compose.translate import NotHonoured, create_body
from sampan.lib.records import replace

AROUND = Surroundings(name="p-web-1", config_hash="h", image="sha256:1")


def body_of(around: Surroundings = AROUND, **changes: Any) -> Any:
    service = replace(Service(name="web", image="busybox", networks={"default": None}), **changes)
    return create_body(project(), service, around)


def project() -> Project:
    return Project(
        name="p",
        working_dir=Path("/w"),
        files=(Path("/w/compose.yaml"),),
        networks={"default": Network(name="p_default"), "back": Network(name="p_back")},
        volumes={"named": Volume(name="p_named")},
        secrets={"s": FileObject(name="p_s", file="/w/s.txt"), "e": FileObject(external=True)},
        configs={"c": FileObject(name="p_c", file="/w/c.txt"), "i": FileObject(content="x")},
    )


def test_labels_are_those_of_docker_compose() -> None:
    depends = {"db": DependsOn(condition="service_healthy", restart=True)}
    labels = body_of(labels={"my": "label"}, depends_on=depends)["Labels"]
    assert labels == {
        "my": "label",
        "com.docker.compose.project": "p",
        "com.docker.compose.service": "web",
        "com.docker.compose.version": "2.40.3",
        "com.docker.compose.project.working_dir": "/w",
        "com.docker.compose.project.config_files": "/w/compose.yaml",
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.container-number": "1",
        "com.docker.compose.config-hash": "h",
        "com.docker.compose.image": "sha256:1",
        "com.docker.compose.depends_on": "db:service_healthy:true",
    }


def test_a_replacement_says_what_it_replaces() -> None:
    around = replace(AROUND, replaces="web-1")
    assert body_of(around)["Labels"]["com.docker.compose.replace"] == "web-1"


def test_commands_tell_absent_from_empty() -> None:
    assert (body_of()["Cmd"], body_of(command=())["Cmd"]) == (None, [])
    assert body_of(entrypoint=("sh", "-c"))["Entrypoint"] == ["sh", "-c"]


def test_a_variable_without_value_stands_alone() -> None:
    assert body_of(environment={"A": "b", "N": None, "E": ""})["Env"] == ["A=b", "N", "E="]


def test_ports_bind_and_expose() -> None:
    ports = (
        Port(target=80, published="8080", protocol="tcp"),
        Port(target=80, published="8081", host_ip="127.0.0.1", protocol="tcp"),
        Port(target=53, protocol="udp"),
    )
    body = body_of(ports=ports, expose=("99",))
    assert sorted(body["ExposedPorts"]) == ["53/udp", "80/tcp", "99"]
    assert body["HostConfig"]["PortBindings"] == {
        "80/tcp": [
            {"HostIp": "", "HostPort": "8080"},
            {"HostIp": "127.0.0.1", "HostPort": "8081"},
        ],
        "53/udp": [{"HostIp": "", "HostPort": ""}],
    }


def test_the_short_mount_form_is_used_where_it_says_all() -> None:
    volumes = (
        VolumeMount(type="volume", source="named", target="/a"),
        VolumeMount(
            type="bind",
            source="/h",
            target="/b",
            read_only=True,
            bind=BindOptions(create_host_path=True, selinux="z"),
        ),
    )
    assert body_of(volumes=volumes)["HostConfig"]["Binds"] == ["p_named:/a:rw", "/h:/b:ro,z"]


@pytest.mark.parametrize(
    ("volume", "mount"),
    [
        (
            VolumeMount(type="bind", source="/h", target="/b", bind=BindOptions()),
            {"Type": "bind", "Source": "/h", "BindOptions": {"CreateMountpoint": False}},
        ),
        (
            VolumeMount(
                type="volume",
                source="named",
                target="/b",
                volume=VolumeOptions(nocopy=True, subpath="d"),
            ),
            {
                "Type": "volume",
                "Source": "p_named",
                "VolumeOptions": {"NoCopy": True, "Subpath": "d"},
            },
        ),
        (VolumeMount(type="volume", target="/b"), {"Type": "volume", "VolumeOptions": {}}),
        (
            VolumeMount(type="tmpfs", target="/b", tmpfs=TmpfsOptions(size=Bytes(5), mode=448)),
            {"Type": "tmpfs", "TmpfsOptions": {"SizeBytes": 5, "Mode": 448}},
        ),
        (
            VolumeMount(type="image", source="busybox", target="/b"),
            {"Type": "image", "Source": "busybox", "ImageOptions": {"Subpath": ""}},
        ),
    ],
)
def test_the_long_mount_form(volume: VolumeMount, mount: dict[str, object]) -> None:
    (found,) = body_of(volumes=(volume,))["HostConfig"]["Mounts"]
    given = {key: value for key, value in found.items() if key in mount}
    assert (given, found["Target"]) == (mount, "/b")


def test_anonymous_volumes_come_along() -> None:
    volumes = (VolumeMount(type="volume", target="/anon"),)
    around = replace(
        AROUND,
        image_volumes=frozenset({"/img"}),
        inherited=[
            Inherited(target="/anon", type="volume", source="v1"),
            Inherited(target="/img", type="volume", source="v2"),
            Inherited(target="/gone", type="volume", source="v3"),
        ],
    )
    mounts = body_of(around, volumes=volumes)["HostConfig"]["Mounts"]
    assert sorted((m["Target"], m["Source"]) for m in mounts) == [("/anon", "v1"), ("/img", "v2")]


def test_files_of_secrets_and_configs_are_bound_read_only() -> None:
    body = body_of(
        secrets=(FileReference(source="s"), FileReference(source="s", target="/abs")),
        configs=(FileReference(source="c", target="/etc/c"), FileReference(source="i")),
    )
    mounts = body["HostConfig"]["Mounts"]
    assert [(m["Source"], m["Target"], m["ReadOnly"]) for m in mounts] == [
        ("/w/s.txt", "/run/secrets/s", True),
        ("/w/s.txt", "/abs", True),
        ("/w/c.txt", "/etc/c", True),
    ]


def test_external_secrets_need_a_swarm() -> None:
    with pytest.raises(ExternalFile, match="unsupported external secret"):
        body_of(secrets=(FileReference(source="e"),))


def test_networks_by_priority_with_aliases_and_links() -> None:
    back = NetworkAttachment(aliases=("api",), ipv4_address="10.0.0.9", priority=10, gw_priority=3)
    body = body_of(
        replace(AROUND, links={"db": ["p-db-1"]}),
        networks={"default": None, "back": back},
        mac_address="02:00:00:00:00:01",
        links=("db:store",),
    )
    points = body["NetworkingConfig"]["EndpointsConfig"]
    assert body["HostConfig"]["NetworkMode"] == "p_back"
    assert points["p_back"]["Aliases"] == ["p-web-1", "web", "api"]
    assert points["p_back"]["IPAMConfig"] == {"IPv4Address": "10.0.0.9"}
    assert points["p_back"]["MacAddress"] == "02:00:00:00:00:01"
    assert points["p_back"]["GwPriority"] == 3
    links = ["p-db-1:store", "p-db-1:db-1", "p-db-1:p-db-1"]
    assert body["HostConfig"]["Links"] == points["p_default"]["Links"] == links


def test_a_network_mode_has_no_endpoints() -> None:
    body = body_of(network_mode="host", networks={})
    assert body["HostConfig"]["NetworkMode"] == "host"
    assert body["NetworkingConfig"]["EndpointsConfig"] == {}


def test_limits_of_deploy_win() -> None:
    resources = Resources(
        limits=Resource(cpus=Float32(0.5), memory=Bytes(64), pids=7),
        reservations=Resource(memory=Bytes(32)),
    )
    deploy = Deploy(
        resources=resources,
        restart_policy=RestartPolicy(condition="on-failure", max_attempts=3),
    )
    host = body_of(deploy=deploy, restart="always", mem_limit=Bytes(1))["HostConfig"]
    assert (host["NanoCpus"], host["Memory"], host["PidsLimit"]) == (500_000_000, 64, 7)
    assert host["MemoryReservation"] == 32
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}


@pytest.mark.parametrize(
    ("restart", "policy"),
    [
        ("on-failure:3", {"Name": "on-failure", "MaximumRetryCount": 3}),
        ("unless-stopped", {"Name": "unless-stopped", "MaximumRetryCount": 0}),
        ("", {"Name": "", "MaximumRetryCount": 0}),
    ],
)
def test_restart_policies(restart: str, policy: dict[str, object]) -> None:
    assert body_of(restart=restart)["HostConfig"]["RestartPolicy"] == policy


def test_devices_and_limits_of_processes() -> None:
    host = body_of(
        devices=(
            DeviceMapping(source="/dev/null", target="/dev/x", permissions="rw"),
            DeviceMapping(source="v.com/c=all", target="v.com/c=all"),
        ),
        ulimits={"nofile": Ulimit(single=5), "nproc": Ulimit(soft=1, hard=2)},
    )["HostConfig"]
    assert [device["PathOnHost"] for device in host["Devices"]] == ["/dev/null"]
    assert host["DeviceRequests"] == [{"Driver": "cdi", "DeviceIDs": ["v.com/c=all"]}]
    assert host["Ulimits"] == [
        {"Name": "nofile", "Soft": 5, "Hard": 5},
        {"Name": "nproc", "Soft": 1, "Hard": 2},
    ]


def test_health_checks_and_grace_periods() -> None:
    check = Healthcheck(test=("CMD", "true"), interval=Duration(5), retries=2)
    body = body_of(healthcheck=check, stop_grace_period=Duration(90_000_000_000))
    assert body["Healthcheck"] == {"Test": ["CMD", "true"], "Interval": 5, "Retries": 2}
    assert body["StopTimeout"] == 90
    assert body_of(healthcheck=Healthcheck(disable=True))["Healthcheck"]["Test"] == ["NONE"]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"provider": Provider(type="x")}, "provider"),
        ({"gpus": (DeviceRequest(count=-1),)}, "gpus"),
        ({"use_api_socket": True}, "use_api_socket"),
    ],
)
def test_what_can_not_be_honoured_is_refused_by_name(change: dict[str, object], key: str) -> None:
    with pytest.raises(NotHonoured, match=f'service "web": {key} is not supported'):
        body_of(**change)


def test_references_are_resolved_before_hashing() -> None:
    service = Service(name="side", network_mode="service:main", volumes_from=("main:ro",))
    known = resolved(service, {"main": ["abc"]})
    assert (known.network_mode, known.volumes_from) == ("container:abc", ("abc:ro",))
    assert hash_of(known) == hash_of(replace(known, volumes_from=("abc",)))
    with pytest.raises(NothingToShare, match='cannot share network_mode with service "main"'):
        resolved(service, {})


def test_a_one_off_container_has_its_own_command_and_no_ports() -> None:
    service = Service(
        name="web",
        image="busybox",
        restart="always",
        container_name="fixed",
        command=("serve",),
        networks={"default": None},
        ports=(Port(target=80, published="80", protocol="tcp"),),
        volumes=(VolumeMount(type="volume", source="named", target="/v"),),
    )
    choices = OneOff(
        command=["env"],
        environment={"Z": "9"},
        volumes=["./x:/v:ro"],
        ports=["81:81"],
        remove=True,
    )
    changed = changed_service(service, choices, "/w")
    around = Surroundings(slug="a" * 64, name="p-web-run-aaaaaaaaaaaa", aliases=False)
    body = oneoff_body(project(), changed, choices, around)
    host = body["HostConfig"]
    assert (body["Cmd"], body["Env"], body["StdinOnce"]) == (["env"], ["Z=9"], True)
    assert (host["AutoRemove"], host["RestartPolicy"]["Name"]) == (True, "no")
    assert list(host["PortBindings"]) == ["81/tcp"]
    assert host["Binds"] == ["/w/x:/v:ro"]
    assert body["Labels"]["com.docker.compose.oneoff"] == "True"
    assert "com.docker.compose.container-number" not in body["Labels"]
    points = body["NetworkingConfig"]["EndpointsConfig"]
    assert points["p_default"]["Aliases"] == ["p-web-run-aaaaaaaaaaaa"]


def test_an_entrypoint_from_the_command_line_drops_the_command() -> None:
    service = Service(name="web", command=("serve",))
    changed = changed_service(service, OneOff(entrypoint="sh -c 'a b'"), "/w")
    assert (changed.entrypoint, changed.command) == (("sh", "-c", "a b"), ())
