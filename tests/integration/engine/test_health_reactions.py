"""`--health-on-failure`: what happens to a container that turns unhealthy."""

import json
import time

import pytest

from integration.harness import BUSYBOX

pytestmark = pytest.mark.integration

PROBE = ("--health-cmd", "test ! -e /bad", "--health-interval", "200ms", "--health-retries", "1")


def inspect(engine, name):
    return json.loads(engine.docker("inspect", name).stdout)[0]


def until(engine, name, condition):
    deadline = time.monotonic() + 20
    while not condition(found := inspect(engine, name)):
        assert time.monotonic() < deadline, found["State"]
        time.sleep(0.1)
    return found


@pytest.fixture
def started(engine, request):
    """`started("kill", "--restart=always")`: a container that has turned unhealthy."""
    names = []

    def run(reaction, *flags, client=None):
        name = f"unwell-{reaction}-{len(names)}"
        names.append(name)
        say = client or engine.sampan
        how = ("--label", f"org.sampan.health-on-failure={reaction}")
        if client is None:
            how = ("--health-on-failure", reaction)
        words = ("run", "-d", "--name", name, *how, *PROBE, *flags, BUSYBOX, "sh", "-c")
        say(*words, "trap 'exit 5' TERM; while :; do sleep 0.1; done")
        engine.docker("exec", name, "touch", "/bad")
        return name

    yield run
    engine.docker("rm", "-f", *names)


def test_none_only_tells(engine, started):
    name = started("none")
    until(engine, name, lambda found: found["State"]["Health"]["Status"] == "unhealthy")
    time.sleep(0.6)
    assert inspect(engine, name)["State"]["Running"]


def test_kill_ends_it_and_leaves_the_rest_to_the_policy(engine, started):
    name = started("kill")
    found = until(engine, name, lambda found: not found["State"]["Running"])
    assert found["State"]["ExitCode"] == 137
    name = started("kill", "--restart=on-failure:1")
    until(engine, name, lambda found: found["RestartCount"] == 1)


def test_stop_is_for_good_and_gives_it_time_to_end(engine, started):
    name = started("stop", "--restart=always")
    found = until(engine, name, lambda found: not found["State"]["Running"])
    assert (found["State"]["ExitCode"], found["RestartCount"]) == (5, 0)
    time.sleep(0.5)
    assert inspect(engine, name)["State"]["Status"] == "exited"


def test_restart_begins_a_new_run_that_can_be_healthy(engine, started):
    name = started("restart")
    before = inspect(engine, name)["State"]["StartedAt"]
    until(engine, name, lambda found: found["State"]["StartedAt"] > before)
    engine.docker("exec", name, "rm", "-f", "/bad")
    found = until(engine, name, lambda found: found["State"]["Health"]["Status"] == "healthy")
    assert found["State"]["Running"]


def test_label_is_enough_for_other_clients(engine, started):
    name = started("stop", client=engine.docker)
    until(engine, name, lambda found: not found["State"]["Running"])


def test_unknown_reactions_are_refused(engine):
    done = engine.sampan("run", "--health-on-failure", "pray", BUSYBOX, check=False)
    assert done.returncode == 125
    assert "must be one of none, kill, restart, stop" in done.stderr
    label = "org.sampan.health-on-failure=pray"
    done = engine.docker("run", "--label", label, BUSYBOX, check=False)
    assert (done.returncode, f"invalid label {label}" in done.stderr) == (125, True)
