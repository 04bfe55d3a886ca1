"""Restart policies through the docker CLI: back-off, daemon restarts, a machine that went down."""

import json
import os
import signal
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest

from integration.harness import BUSYBOX

pytestmark = pytest.mark.integration


@pytest.fixture
def run(file_engine):
    """`run(name, policy, "cmd")`: a detached container; gone after the test."""
    names = []

    def start(name, policy, *command):
        names.append(name)
        words = ("run", "-d", "--name", name, f"--restart={policy}", BUSYBOX)
        file_engine.docker(*words, *(command or ("sleep", "1000")))
        return name

    yield start
    file_engine.docker("rm", "-f", *names)


def state(engine, name):
    found = json.loads(engine.docker("inspect", name).stdout)[0]
    return {**found["State"], "RestartCount": found["RestartCount"]}


def until(engine, name, condition, limit_s=20):
    deadline = time.monotonic() + limit_s
    while not condition(found := state(engine, name)):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def running(found):
    return found["Status"] == "running"


def test_pauses_between_restarts_double(file_engine, run):
    since = str(time.time())
    name = run("failing", "always", "false")
    until(file_engine, name, lambda found: found["RestartCount"] >= 5)
    filters = ("--filter", f"container={name}", "--format", "{{.Action}} {{.TimeNano}}")
    text = file_engine.docker("events", "--since", since, "--until", str(time.time()), *filters)
    events = [row.split() for row in text.stdout.splitlines()]
    died = [int(moment) for action, moment in events if action == "die"]
    began = [int(moment) for action, moment in events if action == "start"]
    pauses = [(start - die) / 1e9 for die, start in zip(died, began[1:], strict=False)]
    for pause, least in zip(pauses, (0.1, 0.2, 0.4, 0.8), strict=False):
        assert least <= pause < least * 2 + 0.5, pauses


def test_on_failure_counts_and_gives_up(file_engine, run):
    name = run("thrice", "on-failure:3", "sh", "-c", "exit 9")
    found = until(file_engine, name, lambda found: found["Status"] == "exited")
    assert (found["RestartCount"], found["ExitCode"]) == (3, 9)
    name = run("fine", "on-failure:3", "true")
    found = until(file_engine, name, lambda found: found["Status"] == "exited")
    assert found["RestartCount"] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_running_containers_just_go_on_over_a_daemon_restart(file_engine, run, number):
    names = [run(f"on-{policy}", policy) for policy in ("no", "always", "unless-stopped")]
    before = {name: state(file_engine, name)["Pid"] for name in names}
    file_engine.restart(number)
    for name in names:
        found = state(file_engine, name)
        assert (found["Pid"], found["RestartCount"]) == (before[name], 0)


def test_only_always_starts_what_a_user_had_stopped(file_engine, run):
    for policy in ("always", "unless-stopped"):
        file_engine.docker("stop", "-t", "0", run(policy, policy))
    file_engine.restart()
    until(file_engine, "always", running)
    time.sleep(0.5)
    assert state(file_engine, "unless-stopped")["Status"] == "exited"


def test_policies_bring_containers_back_after_the_machine_went_down(file_engine, run):
    names = [run(f"up-{policy}", policy) for policy in ("no", "always", "unless-stopped")]
    begun = {name: state(file_engine, name) for name in names}
    file_engine.stop(signal.SIGKILL)
    for found in begun.values():
        stat = Path(f"/proc/{found['Pid']}/stat").read_text()
        monitor = int(stat.rpartition(")")[2].split()[1])
        for victim in (monitor, found["Pid"]):
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
    file_engine.start()
    for name in names[1:]:
        found = until(file_engine, name, running)
        assert moment(found) > moment(begun[name])
    found = state(file_engine, "up-no")
    assert (found["Status"], found["ExitCode"]) == ("exited", 137)


def moment(found):
    return datetime.fromisoformat(found["StartedAt"][:26])


def test_waiting_for_a_restart_outlives_the_daemon(file_engine, run):
    name = run("waiting", "always", "sh", "-c", "sleep 0.2; exit 1")
    until(file_engine, name, lambda found: found["Status"] == "restarting")
    file_engine.restart()
    after = state(file_engine, name)["RestartCount"]
    until(file_engine, name, lambda found: found["RestartCount"] > after)


def test_stop_ends_the_restarts(file_engine, run):
    name = run("looping", "unless-stopped", "false")
    until(file_engine, name, lambda found: found["RestartCount"] >= 2)
    file_engine.docker("stop", name)
    count = state(file_engine, name)["RestartCount"]
    time.sleep(1)
    found = state(file_engine, name)
    assert (found["Status"], found["RestartCount"]) == ("exited", count)
    file_engine.restart()
    time.sleep(0.5)
    assert state(file_engine, name)["Status"] == "exited"


def test_policy_can_be_changed_while_it_runs(file_engine, run):
    name = run("changed", "no", "sh", "-c", "sleep 0.5; exit 1")
    file_engine.docker("update", "--restart=on-failure:1", name)
    found = until(file_engine, name, lambda found: found["Status"] == "exited")
    assert found["RestartCount"] == 1
