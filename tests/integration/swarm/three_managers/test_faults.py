"""Three managers of which one or two are killed or cut off: what goes on, and what comes back."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from integration.swarm.faults import PORT, Requests, page, until, write

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

REPLICAS = 4  # one on each node
PUBLISHED = ("-p", f"{PORT}:80")


@pytest.fixture(scope="module", autouse=True)
def web(swarm):
    swarm.serve(swarm.nodes[0], "web", REPLICAS, *PUBLISHED)
    swarm.probe(swarm.nodes[0])
    everything_is_right(swarm)


def everything_is_right(swarm, names=("web",)):
    """In the end, whoever is asked; a worker is judged by what the first manager says."""
    first = swarm.managers[0]
    for at in swarm.managers:
        until(lambda at=at: set(swarm.statuses(at).values()) == {"ready"})
    until(lambda: swarm.as_wanted(first, "web", REPLICAS))

    def look_from(node):
        at = node if node in swarm.managers else first
        for name in names:
            until(lambda name=name: swarm.right_names(at, node, name))
        until(lambda: swarm.right_mesh(at, node, "web"))

    with ThreadPoolExecutor(len(swarm.nodes)) as pool:
        list(pool.map(look_from, swarm.nodes))


def others(swarm, lost):
    return [node for node in swarm.managers if node is not lost]


def test_a_killed_leader_is_replaced_and_comes_back(swarm):
    lost = swarm.leader(swarm.managers)
    left = others(swarm, lost)
    before = swarm.containers(lost, "web")
    with Requests(left[0]) as requests:
        lost.kill()
        assert write(left[1]) == 201
        until(lambda: swarm.leader(left) is not lost)
        lost.start()
        until(lambda: set(swarm.statuses(lost).values()) == {"ready"})
    assert requests.made
    assert requests.lost == []
    assert write(lost) == 201
    assert swarm.containers(lost, "web") == before  # went on, and were taken up again
    everything_is_right(swarm)


def test_without_one_of_three_everything_works(swarm):
    swarm.nodes[0].docker("swarm", "update", "--dispatcher-heartbeat", "1s")
    lost = swarm.leader(swarm.managers)
    left = others(swarm, lost)
    lost.cut()
    try:
        with Requests(left[0]) as requests:
            at = left[1]
            assert write(at) == 201
            until(lambda: swarm.statuses(at)[lost.name] == "down")
            until(lambda: len(swarm.running(at, "web")) == REPLICAS)
            swarm.serve(at, "extra", 2)
            until(lambda: len(swarm.running(at, "extra")) == 2)
            at.docker("service", "scale", "-d", "extra=4")
            until(lambda: len(swarm.running(at, "extra")) == 4)
            until(lambda: swarm.right_names(at, left[0], "extra"))
            at.docker("service", "rm", "extra")
        assert requests.lost == []
    finally:
        lost.heal()
    everything_is_right(swarm)


def test_partitions_leave_nothing_wrong_behind(swarm):
    chosen = random.Random(7)
    for _ in range(3):
        lost = chosen.choice(swarm.managers)
        at = others(swarm, lost)[0]
        swarm.serve(at, "turn", 2)
        until(lambda at=at: len(swarm.running(at, "turn")) == 2)
        lost.cut()
        try:
            at.docker("service", "rm", "turn")
            swarm.serve(at, "turn", 2)  # the name, at another address
            at.docker("service", "update", "-d", "--force", "web")
            time.sleep(chosen.uniform(5, 7))
        finally:
            lost.heal()
        everything_is_right(swarm, names=("web", "turn"))
        at.docker("service", "rm", "turn")


def test_without_two_of_three_tasks_run_on_and_force_mends(swarm):
    """The last: two managers are workers afterwards, and have to join anew."""
    left, *lost = swarm.managers
    before = [swarm.containers(node, "web") for node in swarm.nodes]
    for node in lost:
        node.kill()
    refused = left.docker("service", "scale", "-d", "web=9", check=False)
    assert "The swarm does not have a leader" in refused.stderr
    assert swarm.containers(left, "web") == before[0]
    assert page(left).startswith("web ")  # all of them run, whoever looks after them
    left.docker("swarm", "init", "--force-new-cluster", "--advertise-addr", left.address)
    until(lambda: write(left) == 201)
    until(lambda: swarm.leader([left]) is left)
    until(lambda: len(swarm.running(left, "web")) == REPLICAS)
    for node in lost:
        node.start()
        node.docker("swarm", "leave", "--force")
    token = left.docker("swarm", "join-token", "-q", "manager").stdout.strip()
    for node in lost:
        where = ("--token", token, "--advertise-addr", node.address, f"{left.address}:2377")
        node.docker("swarm", "join", *where)
    until(lambda: swarm.ready(left) == 4)  # beside what they were before, which is down
    until(lambda: swarm.as_wanted(left, "web", REPLICAS))
    assert [write(node) for node in swarm.managers] == [201] * 3
    for node in swarm.nodes:
        until(lambda node=node: swarm.right_mesh(left, node, "web"))
