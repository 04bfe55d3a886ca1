"""A swarm of one node, driven by our command line and by Docker's."""

import json
import os
import re
import socket
import time
from contextlib import closing, suppress

import pytest

from integration.harness import BUSYBOX, Engine

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

WAIT_S = 30
QUICK = ("--stop-grace-period", "1s")
MONITORS = ("--update-monitor", "1s", "--rollback-monitor", "1s")
SLEEP = (BUSYBOX, "sleep", "1000")
STACK = """
services:
  web:
    image: busybox:latest
    command: ["sh", "-c", "cat /run/secrets/token /settings; sleep 1000"]
    stop_grace_period: 1s
    secrets: [token]
    configs: [{source: settings, target: /settings}]
secrets: {token: {file: ./token}}
configs: {settings: {file: ./token}}
"""


def free_port():
    """For nodes; the store's peers listen 5569 above, so both lie below the ephemeral ports."""
    for port in range(20000 + os.getpid() % 4000, 27000):
        with socket.socket() as lower, socket.socket() as upper, suppress(OSError):
            lower.bind(("127.0.0.1", port))
            upper.bind(("127.0.0.1", port + 5569))
            return port
    raise AssertionError("no free ports")


@pytest.fixture(scope="module")
def swarm():
    engine = Engine()
    engine.start()
    try:
        engine.import_busybox()
        where = ("--advertise-addr", "127.0.0.1", "--listen-addr", f"127.0.0.1:{free_port()}")
        out = engine.sampan("swarm", "init", *where, "--data-path-port", "47891").stdout
        assert re.search(r"sampan swarm join --token SWMTKN-1-\w{50}-\w{25} 127\.0\.0\.1:\d+", out)
        yield engine
        engine.sampan("swarm", "leave", "--force")
    finally:
        engine.destroy()
    engine.check_nothing_is_left()


@pytest.fixture
def service(swarm):
    made = []

    def create(name, *words):
        done = swarm.sampan("service", "create", "--name", name, *QUICK, *words)
        made.append(name)
        return done.stdout

    yield create
    if made:
        swarm.sampan("service", "rm", *made)
        until(lambda: not swarm.docker("ps", "-q").stdout)


def until(condition):
    deadline = time.monotonic() + WAIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "it didn't happen"
        time.sleep(0.1)
    return found


def running(swarm, name):
    words = ("service", "ps", name, "-f", "desired-state=running", "--format", "{{.CurrentState}}")
    return sum(line.startswith("Running") for line in swarm.docker(*words).stdout.splitlines())


def test_a_service_from_its_creation_to_its_rollback(swarm, service):
    out = service("web", *MONITORS, "-p", "48090:80", *SLEEP)
    assert "overall progress: 1 out of 1 tasks" in out
    assert re.search(r"verify: Service \w{25} converged", out)
    for client in (swarm.sampan, swarm.docker):
        listed = client("service", "ls").stdout.splitlines()
        assert listed[1].split()[1:] == ["web", "replicated", "1/1", BUSYBOX, "*:48090->80/tcp"]
    assert "web scaled to 2" in swarm.sampan("service", "scale", "web=2").stdout
    assert running(swarm, "web") == 2
    swarm.sampan("service", "update", "--env-add", "COLOUR=red", "--replicas", "1", "web")
    (name,) = swarm.docker("ps", "--format", "{{.Names}}", "-f", "name=web.1").stdout.split()
    assert "COLOUR=red" in swarm.docker("exec", name, "env").stdout
    swarm.sampan("service", "rollback", "web")
    env = "{{json .Spec.TaskTemplate.ContainerSpec.Env}} {{.Spec.Mode.Replicated.Replicas}}"
    assert swarm.docker("service", "inspect", "-f", env, "web").stdout == "null 2\n"


def test_a_port_thats_taken_is_refused_with_its_owner(swarm, service):
    service("first", "-d", "-p", "48091:80", *SLEEP)
    words = ("service", "create", "-d", "-p", "48091:80", *SLEEP)
    refused = swarm.sampan(*words, check=False)
    assert refused.returncode == 1
    assert "port '48091' is already in use by service 'first'" in refused.stderr


def test_no_network_at_all_is_nothing_that_a_service_can_have(swarm):
    """As dockerd: it isn't among the swarm's networks."""
    words = ("service", "create", "-d", "--name", "alone", "--network", "none", *SLEEP)
    for client in (swarm.sampan, swarm.docker):
        refused = client(*words, check=False)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.endswith("network none not found\n")
    template = {"ContainerSpec": {"Image": BUSYBOX}, "Networks": [{"Target": "none"}]}
    body = json.dumps({"Name": "alone", "TaskTemplate": template})
    with closing(swarm.http()) as asked:
        asked.request("POST", "/services/create", body, {"Content-Type": "application/json"})
        answer = asked.getresponse()
        found = answer.status, json.loads(answer.read())["message"]
    why = "could not find the corresponding predefined swarm network: network none not found"
    assert found == (404, why)


def test_a_job_runs_until_it_is_complete(swarm, service):
    out = service(
        "job", "--mode", "replicated-job", "--replicas", "2", BUSYBOX, "sh", "-c", "echo done"
    )
    assert "job progress: 2 out of 2 complete" in out
    logs = swarm.sampan("service", "logs", "job").stdout
    assert len(re.findall(r"^job\.\w+\.\w{12}@\S+ +\| done$", logs, re.MULTILINE)) == 2
    assert swarm.sampan("service", "logs", "--raw", "job").stdout == "done\ndone\n"


def test_a_stack_brings_its_files_and_goes_as_a_whole(swarm, tmp_path):
    (tmp_path / "stack.yml").write_text(STACK)
    (tmp_path / "token").write_text("token\n")
    swarm.sampan("stack", "deploy", "-c", tmp_path / "stack.yml", "st")
    until(lambda: running(swarm, "st_web") == 1)
    until(lambda: swarm.sampan("service", "logs", "--raw", "st_web").stdout == "token\n" * 2)
    assert swarm.docker("stack", "ls").stdout.splitlines()[1].split() == ["st", "1"]
    refused = swarm.sampan("secret", "rm", "st_token", check=False)
    assert "secret 'st_token' is in use by the following service: st_web" in refused.stderr
    swarm.sampan("stack", "rm", "--detach=false", "st")
    assert "st_" not in swarm.docker("network", "ls").stdout
    assert "st_" not in swarm.docker("secret", "ls").stdout


def test_overlay_networks_are_listed_with_the_nodes_own(swarm):
    swarm.sampan("network", "create", "-d", "overlay", "--attachable", "back")
    shown = swarm.docker("network", "ls", "--format", "{{.Name}} {{.Driver}} {{.Scope}}").stdout
    assert {"back overlay swarm", "ingress overlay swarm", "bridge bridge local"} <= set(
        shown.splitlines()
    )
    again = swarm.sampan("network", "create", "-d", "overlay", "back", check=False)
    assert "network with name back already exists" in again.stderr
    swarm.sampan("network", "rm", "back")
    assert "back" not in swarm.docker("network", "ls").stdout


def test_info_and_node_ls_know_the_swarm(swarm):
    info = "{{.Swarm.LocalNodeState}} {{.Swarm.Managers}} {{.Swarm.ControlAvailable}}"
    assert swarm.docker("info", "-f", info).stdout == "active 1 true\n"
    node = swarm.sampan("node", "ls").stdout.splitlines()[1].split()
    assert node[1] == "*"
    assert node[3:6] == ["Ready", "Active", "Leader"]
    events = swarm.docker("events", "--since", "0", "--until", "0s", "-f", "scope=swarm").stdout
    assert "network create" in events
