"""Tasks on real nodes: what they get, what is said of failures, and what they survive."""

import json
import subprocess
import time
from contextlib import suppress

import pytest

from integration.harness import BUSYBOX
from integration.swarm.faults import call

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

WAIT_S = 40
QUICK = ("--stop-grace-period", "1s")


@pytest.fixture
def lab(swarm):
    return swarm


@pytest.fixture
def service(lab):
    """Makes services, which go with the test."""
    manager, made = lab.nodes[0], []

    def create(name, *words):
        manager.docker("service", "create", "-d", "--name", name, *QUICK, *words)
        made.append(name)

    yield create
    for name in made:
        manager.docker("service", "rm", name)
    until(lambda: not any(containers(node) for node in lab.nodes))


def until(condition):
    deadline = time.monotonic() + WAIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "it didn't happen"
        time.sleep(0.1)
    return found


def containers(node, name=""):
    words = ("ps", "-aq", "--no-trunc", "-f", "label=com.docker.swarm.task", "-f", f"name={name}")
    return node.docker(*words).stdout.split()


def tasks(lab, name):
    """(state, error) of all, the youngest first."""
    shown = lab.nodes[0].docker(
        *("service", "ps", name, "--no-trunc", "--format", "{{.CurrentState}}|{{.Error}}")
    )
    rows = [line.split("|", 1) for line in shown.stdout.splitlines()]
    return [(state.split()[0], error.strip('"')) for state, error in rows]


def running(lab, name, count=1):
    return [state for state, _ in tasks(lab, name)].count("Running") == count


def test_secrets_configs_and_templates(lab, service):
    manager, worker, _ = lab.nodes
    templated = ("--template-driver", "golang")
    subprocess.run(
        ["docker", "-H", manager.host, "secret", "create", "plain", "-"],
        input=b"geheim",
        check=True,
        capture_output=True,
    )
    subprocess.run(
        ["docker", "-H", manager.host, "config", "create", *templated, "made", "-"],
        input=b'{{.Service.Name}} {{.Node.Hostname}} {{.Task.Slot}} {{env "A"}} {{secret "s"}}',
        check=True,
        capture_output=True,
    )
    service(
        "app",
        *("--secret", "source=plain,target=s,uid=5,gid=6,mode=0400"),
        *("--config", "source=made,target=/etc/made"),
        *("--env", "A=on {{.Node.Hostname}}", "--hostname", "{{.Service.Name}}-{{.Task.Slot}}"),
        *("--constraint", "node.hostname==node2", BUSYBOX, "sleep", "1000"),
    )
    until(lambda: running(lab, "app"))
    (identifier,) = containers(worker)
    inside = worker.docker(
        *("exec", identifier, "sh", "-c"),
        "cat /run/secrets/s; echo; ls -ln /run/secrets/s; cat /etc/made; echo; hostname;"
        "grep -c 'tmpfs /run/secrets/s tmpfs ro' /proc/mounts; echo x > /etc/made || echo no",
    ).stdout.splitlines()
    assert inside[0] == "geheim"
    assert inside[1].split()[0::1][0] == "-r--------"
    assert inside[1].split()[2:4] == ["5", "6"]
    assert inside[2:] == ["app node2 1 on node2 geheim", "app-1", "1", "no"]
    assert not list(manager.home.glob("**/payloads/*"))
    refused = manager.docker("secret", "rm", "plain", check=False)
    assert "is in use by the following service: app" in refused.stderr


@pytest.mark.parametrize(
    ("words", "state", "error"),
    [
        (("no-such-image:x",), "Rejected", "No such image: no-such-image:x"),
        ((BUSYBOX, "sh", "-c", "exit 7"), "Failed", "task: non-zero exit (7)"),
        ((BUSYBOX, "/no/such/program"), "Failed", "starting container failed: "),
        (
            ("--mount", "type=bind,src=/no/such/path,dst=/x", BUSYBOX, "true"),
            "Rejected",
            'invalid mount config for type "bind": bind source path does not exist: /no/such/path',
        ),
        (
            (
                *("--health-cmd", "false", "--health-interval", "200ms", "--health-retries", "2"),
                *(BUSYBOX, "sleep", "100"),
            ),
            "Failed",
            "dockerexec: unhealthy container",
        ),
        ((BUSYBOX, "true"), "Complete", ""),
    ],
    ids=["image", "status", "program", "mount", "unhealthy", "done"],
)
def test_failures_are_told_in_docker_s_words(lab, service, words, state, error):
    service("bad", "--restart-condition", "none", *words)
    until(lambda: tasks(lab, "bad") and tasks(lab, "bad")[0][0] == state)
    assert error in tasks(lab, "bad")[0][1]


def test_a_task_runs_for_others_once_it_is_healthy(lab, service):
    service(
        "slow",
        *("--health-cmd", "test -e /ok", "--health-interval", "200ms", "--health-retries", "99"),
        *("--constraint", "node.role==manager", BUSYBOX, "sleep", "1000"),
    )
    (identifier,) = until(lambda: containers(lab.nodes[0]))
    until(lambda: tasks(lab, "slow")[0][0] == "Starting")
    time.sleep(1)
    assert tasks(lab, "slow")[0][0] == "Starting"
    lab.nodes[0].docker("exec", identifier, "touch", "/ok")
    until(lambda: running(lab, "slow"))


def test_everything_a_service_can_ask_of_its_containers(lab, service):
    service(
        "full",
        *("--init", "--user", "5:6", "--group", "7", "--workdir", "/tmp", "--read-only", "--tty"),
        *("--limit-memory", "64m", "--limit-pids", "40", "--limit-cpu", "0.5"),
        *("--reserve-memory", "32m", "--cap-add", "NET_ADMIN", "--cap-drop", "CHOWN"),
        *("--ulimit", "nofile=77:88", "--sysctl", "net.ipv4.ip_forward=0"),
        *("--host", "other:1.2.3.4", "--dns", "9.9.9.9", "--stop-signal", "SIGINT"),
        *("--container-label", "a=b", "--log-driver", "json-file", "--log-opt", "max-size=1m"),
        *("--publish", "mode=host,target=80,published=8099", "--oom-score-adj", "9"),
        *("--mount", "type=tmpfs,dst=/run/x", "--mount", "type=volume,src=v{{.Task.Slot}},dst=/v"),
        *("--constraint", "node.role==manager", BUSYBOX, "sleep", "1000"),
    )
    until(lambda: running(lab, "full"))
    (identifier,) = containers(lab.nodes[0])
    (found,) = json.loads(lab.nodes[0].docker("inspect", identifier).stdout)
    config, host = found["Config"], found["HostConfig"]
    assert (config["User"], config["WorkingDir"], config["Tty"]) == ("5:6", "/tmp", True)
    assert (config["StopSignal"], config["Labels"]["a"]) == ("SIGINT", "b")
    assert (host["Memory"], host["PidsLimit"], host["NanoCpus"]) == (64 << 20, 40, 500_000_000)
    assert (host["MemoryReservation"], host["GroupAdd"]) == (32 << 20, ["7"])
    assert (host["ReadonlyRootfs"], host["Init"], host["OomScoreAdj"]) == (True, True, 9)
    assert host["Sysctls"] == {"net.ipv4.ip_forward": "0"}
    assert host["Ulimits"] == [{"Name": "nofile", "Hard": 88, "Soft": 77}]
    assert host["ExtraHosts"] == ["other:1.2.3.4"]
    assert host["Dns"] == ["9.9.9.9"]
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "1m"}}
    assert host["RestartPolicy"]["Name"] in {"", "no"}
    assert {mount["Source"] for mount in host["Mounts"] if mount["Type"] == "volume"} == {"v1"}
    ports = lab.nodes[0].docker("service", "ps", "full", "--format", "{{.Ports}}").stdout
    assert "8099->80/tcp" in ports


def set_default_log_driver(manager, driver):
    found = call(manager, "GET", "/swarm")[1]
    spec = {**found["Spec"], "TaskDefaults": {"LogDriver": driver}}
    status, answer = call(
        manager, "POST", f"/swarm/update?version={found['Version']['Index']}", spec
    )
    assert status == 200, answer


def test_the_swarm_s_log_driver_is_for_tasks_that_name_none(lab, service):
    manager = lab.nodes[0]
    here = ("--constraint", "node.hostname==node1", BUSYBOX, "sleep", "1000")
    local = {"Name": "local", "Options": {"max-size": "3m"}}
    set_default_log_driver(manager, local)
    service("plain", *here)
    service("own", "--log-driver", "none", *here)
    until(lambda: running(lab, "plain") and running(lab, "own"))
    kinds = {}
    for name in ("plain", "own"):
        (found,) = json.loads(manager.docker("inspect", *containers(manager, name)).stdout)
        kinds[name] = found["HostConfig"]["LogConfig"]
    assert kinds["plain"] == {"Type": "local", "Config": {"max-size": "3m"}}
    assert kinds["own"]["Type"] == "none"
    set_default_log_driver(manager, {"Name": "json-file"})


def test_a_node_s_own_networks(lab, service):
    on_manager = ("--constraint", "node.role==manager", BUSYBOX, "sleep", "1000")
    service("bare", "--network", "host", *on_manager)
    until(lambda: running(lab, "bare"))
    (identifier,) = containers(lab.nodes[0])
    address = lab.nodes[0].address
    assert address in lab.nodes[0].docker("exec", identifier, "ip", "addr").stdout


def test_containers_survive_the_restart_of_their_node_s_daemon(lab, service):
    """swarmkit#2381"""
    # however slowly they start: none of them counts as lost
    lab.nodes[0].docker("swarm", "update", "--dispatcher-heartbeat", "5s")
    service("web", "--mode", "global", BUSYBOX, "sleep", "1000")
    until(lambda: running(lab, "web", 3))
    time.sleep(1.5)  # by then each has sent a heartbeat, and knows
    before = [containers(node, "web") for node in lab.nodes]
    for node in reversed(lab.nodes):
        node.kill()
        node.start()
    until(lambda: ready(lab) == 3)
    time.sleep(2)
    assert [containers(node, "web") for node in lab.nodes] == before
    assert running(lab, "web", 3)
    lab.nodes[0].docker("swarm", "update", "--dispatcher-heartbeat", "1s")


def test_a_node_without_a_manager_goes_on_and_tells_later(lab, service):
    manager, worker, _ = lab.nodes
    service(
        "alone",
        *("--replicas", "2", "--restart-condition", "none", "--constraint", "node.hostname==node2"),
        *(BUSYBOX, "sleep", "1000"),
    )
    until(lambda: running(lab, "alone", 2))
    manager.kill()
    worker.restart()
    first, second = containers(worker, "alone")
    worker.docker("kill", first)
    manager.start()
    until(lambda: ready(lab) == 3)
    until(lambda: sorted(state for state, _ in tasks(lab, "alone")) == ["Failed", "Running"])
    assert second in worker.docker("ps", "-q", "--no-trunc").stdout


def ready(lab):
    with suppress(RuntimeError):
        return lab.nodes[0].docker("node", "ls", "--format", "{{.Status}}").stdout.count("Ready")
    return 0


def test_logs_come_from_every_node(lab, service):
    manager = lab.nodes[0]
    service(
        "talk",
        *("--mode", "global", BUSYBOX, "sh", "-c"),
        "for i in $(seq 1 300); do echo line $i; done; sleep 0.5; echo err >&2; sleep 1000",
    )
    until(lambda: running(lab, "talk", 3))
    found = until(lambda: all_lines(manager))
    by_task = {line.split("|")[0].strip() for line in found}
    assert len(by_task) == 3
    for name in by_task:
        own = [line.split("| ")[1] for line in found if line.startswith(name)]
        assert own == [f"line {number}" for number in range(1, 301)]
    tail = ("service", "logs", "--tail", "2", "talk")
    until(lambda: manager.docker(*tail).stderr.count("err") == 3)
    assert len(manager.docker(*tail).stdout.splitlines()) == 3


def all_lines(manager):
    lines = manager.docker("service", "logs", "talk").stdout.splitlines()
    return lines if len(lines) == 900 else []
