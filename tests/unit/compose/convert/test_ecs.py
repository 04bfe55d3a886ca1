"""Compose keys in a task definition, and what the report says of the rest."""

import pytest

from sampan.compose.convert.ecs import ecs
from sampan.compose.convert.ecs_container import HANDLED, REASONS
from sampan.compose.convert.loading import load
from sampan.compose.load import LoadOptions
from sampan.compose.model import Service


@pytest.fixture
def convert(tmp_path):
    def run(text):
        (tmp_path / "compose.yaml").write_text(text)
        options = LoadOptions(working_directory=tmp_path, project_name="shop")
        return ecs(load(options))

    return run


def one(convert, keys):
    task, report = convert(f"services: {{web: {{image: a, mem_limit: 64m, {keys}}}}}")
    return task["containerDefinitions"][0], report


def keys_of(report, kind="dropped"):
    return {(each.service, each.key) for each in report.entries if each.kind == kind}


def test_every_handled_and_explained_key_is_a_key():
    assert set(Service.__fields__) >= HANDLED | set(REASONS)
    assert not HANDLED & set(REASONS)


def test_conditions_and_links(convert):
    task, report = convert(
        "services:\n"
        "  job: {image: a}\n"
        "  db: {image: a, healthcheck: {test: [CMD, 'true'], interval: 1s, retries: 3}}\n"
        "  web:\n"
        "    image: a\n"
        "    depends_on:\n"
        "      db: {condition: service_healthy}\n"
        "      job: {condition: service_completed_successfully}\n"
    )
    found = {each["name"]: each for each in task["containerDefinitions"]}
    assert found["web"]["dependsOn"] == [
        {"containerName": "db", "condition": "HEALTHY"},
        {"containerName": "job", "condition": "SUCCESS"},
    ]
    assert found["web"]["links"] == ["db", "job"]
    assert [found[name]["essential"] for name in ("job", "db", "web")] == [False, True, True]
    assert found["db"]["healthCheck"] == {"command": ["CMD", "true"], "interval": 5, "retries": 3}
    assert ("db", "healthcheck") in keys_of(report, "changed")
    assert not report.lossy


def test_ports_keep_their_numbers(convert):
    web, report = one(convert, 'ports: ["8000:80", "53/udp", "127.0.0.1:9:9", "1:1/sctp"]')
    assert sorted(web["portMappings"], key=lambda each: each["containerPort"]) == [
        {"containerPort": 53, "hostPort": 0, "protocol": "udp"},
        {"containerPort": 80, "hostPort": 8000, "protocol": "tcp"},
    ]
    assert keys_of(report) == {("web", "ports.9.host_ip"), ("web", "ports.1")}


def test_names_that_ecs_does_not_take_stay_apart(convert):
    task, report = convert(
        "services: {a.b: {image: a}, a-b: {image: a}, web: {image: a, depends_on: [a.b]}}"
    )
    first, second, web = task["containerDefinitions"]
    assert (first["name"], second["name"]) == ("a-b", "a-b-2")
    assert web["dependsOn"][0]["containerName"] in {"a-b", "a-b-2"}
    assert {key for _, key in keys_of(report, "changed")} >= {"name"}


def test_resources(convert):
    web, _ = one(convert, "cpus: 0.5, mem_reservation: 32m, shm_size: 16m")
    assert (web["cpu"], web["memory"], web["memoryReservation"]) == (512, 64, 32)
    assert web["linuxParameters"] == {"sharedMemorySize": 16}


def test_linux_parameters(convert):
    web, report = one(
        convert,
        'cap_add: [CAP_SYS_TIME], init: true, tmpfs: ["/run:size=8m,noexec"], memswap_limit: 128m, '
        'devices: ["/dev/fuse:/dev/fuse:rw"]',
    )
    assert web["linuxParameters"] == {
        "capabilities": {"add": ["SYS_TIME"]},
        "devices": [
            {
                "hostPath": "/dev/fuse",
                "containerPath": "/dev/fuse",
                "permissions": ["read", "write"],
            }
        ],
        "initProcessEnabled": True,
        "maxSwap": 64,
        "tmpfs": [{"containerPath": "/run", "size": 8, "mountOptions": ["noexec"]}],
    }
    assert not report.lossy


def test_volumes(convert):
    task, report = convert(
        "services: {web: {image: a, volumes: [vol:/v, /anonymous, '/etc:/etc:ro']}}\n"
        "volumes: {vol: }"
    )
    names = [each["name"] for each in task["volumes"]]
    assert names == ["vol", "web-anonymous", "host-etc"]
    assert task["volumes"][2]["host"] == {"sourcePath": "/etc"}
    points = task["containerDefinitions"][0]["mountPoints"]
    assert [each["sourceVolume"] for each in points] == names
    assert points[2]["readOnly"] is True
    assert not report.lossy


def test_secrets_come_as_variables_and_are_reported(convert):
    task, report = convert(
        "services: {web: {image: a, secrets: [db-password]}}\n"
        "secrets: {db-password: {external: true, name: prod/db}}"
    )
    (web,) = task["containerDefinitions"]
    assert web["secrets"] == [{"name": "DB_PASSWORD", "valueFrom": "prod/db"}]
    assert keys_of(report) == {("web", "secrets.db-password")}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("always", {"enabled": True}),
        ("on-failure", {"enabled": True, "ignoredExitCodes": [0]}),
    ],
)
def test_restart_policies(convert, policy, expected):
    web, _ = one(convert, f"restart: {policy}")
    assert web["restartPolicy"] == expected


@pytest.mark.parametrize("keys", ["userns_mode: host", "cgroup_parent: x", "stop_signal: SIGINT"])
def test_nothing_is_lost_silently(convert, keys):
    _, report = one(convert, keys)
    assert keys_of(report) == {("web", keys.partition(":")[0])}
