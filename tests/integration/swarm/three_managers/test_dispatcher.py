"""Sessions of nodes with three managers: the leader is cut off, and comes back."""

import time
from contextlib import suppress

import pytest

from integration.harness import BUSYBOX

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

WAIT_S = 40


@pytest.fixture
def lab(swarm):
    """With a task on every node, and short heartbeats."""
    manager = swarm.nodes[0]
    manager.docker("swarm", "update", "--dispatcher-heartbeat", "1s")
    words = ("--stop-grace-period", "1s", BUSYBOX, "sleep", "1000")
    manager.docker("service", "create", "-d", "--name", "here", "--mode", "global", *words)
    yield swarm
    manager.docker("service", "rm", "here")
    manager.docker("swarm", "update", "--dispatcher-heartbeat", "5s")


def until(condition):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it didn't happen"
        time.sleep(0.1)


def statuses(node):
    """Hostname -> status, as one manager shows them; empty while it can't."""
    with suppress(RuntimeError):
        shown = node.docker("node", "ls", "--format", "{{.Hostname}} {{.Status}}").stdout
        return dict(line.split() for line in shown.splitlines())
    return {}


def running(node):
    with suppress(RuntimeError):
        shown = node.docker("service", "ps", "here", "--format", "{{.CurrentState}}").stdout
        return shown.count("Running")
    return 0


def leader(lab):
    for node in lab.nodes[:3]:
        with suppress(RuntimeError):
            shown = node.docker("node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}").stdout
            for line in shown.splitlines():
                if line.endswith("Leader"):
                    return next(each for each in lab.nodes if each.name == line.split()[0])
    raise AssertionError("nobody leads")


def test_a_leader_s_nodes_stay_and_it_alone_counts_as_down(lab):
    everybody = {node.name: "Ready" for node in lab.nodes}
    until(lambda: all(statuses(node) == everybody for node in lab.nodes[:3]))
    until(lambda: running(lab.nodes[0]) >= 4)
    lost = leader(lab)
    witness = next(node for node in lab.nodes[:3] if node is not lost)
    lost.cut()
    seen = set()

    def only_it_is_down():
        found = statuses(witness)
        seen.update(name for name, status in found.items() if status == "Down")
        return found == {**everybody, lost.name: "Down"}

    until(only_it_is_down)
    assert seen == {lost.name}
    lost.heal()
    until(lambda: all(statuses(node) == everybody for node in lab.nodes[:3]))
    until(lambda: all(len(tasks_here(node)) == 1 for node in lab.nodes))


def tasks_here(node):
    return node.docker("ps", "-q", "-f", "name=here.").stdout.split()
