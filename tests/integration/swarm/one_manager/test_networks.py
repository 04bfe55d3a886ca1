"""The networks of a real swarm of three daemons: mesh, names, attachable, partition, restart."""

import json
import time
from collections import Counter

import pytest

from integration.harness import BUSYBOX
from sampan.linux.netlink import Netlink

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

SERVE = "mkdir /w; hostname > /w/index.html; exec httpd -f -p 80 -h /w"
WAIT_S = 30


@pytest.fixture
def lab(swarm):
    return swarm


@pytest.fixture
def web(lab):
    """Two tasks, none on the third node; published on 8080."""
    manager = lab.nodes[0]
    manager.docker(
        *("service", "create", "-d", "--name", "web", "--network", "app", "-p", "8080:80"),
        *("--replicas", "2", "--constraint", "node.hostname!=node3", "--init"),
        *("--stop-grace-period", "1s", BUSYBOX, "sh", "-c", SERVE),
    )
    for node in lab.nodes:
        until(lambda node=node: len(answers(node)) == 2)
    yield manager
    manager.docker("service", "rm", "web")


def until(condition):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it didn't happen"
        time.sleep(0.1)


def answers(node, count=4):
    """Who answers on the node's published port, and how often."""
    found = Counter()
    for _ in range(count):
        try:
            answer = node.fetch(8080, timeout_s=1)
        except OSError:
            continue
        if b" 200 " in answer:
            found[answer.split(b"\r\n\r\n")[1].strip()] += 1
    return found


def state_of(node):
    """What the node was told, and keeps."""
    path = node.data_root / "swarm" / "networks.json"
    return json.loads(path.read_bytes()) if path.exists() else {}


def backends(node, name="web"):
    networks = {one["name"]: one for one in state_of(node).get("networks", ())}
    services = networks.get("app", {}).get("services", ())
    return next((set(one["backends"]) for one in services if one["name"] == name), set())


def lines(found):
    return {line.split()[-1] for line in found.splitlines() if line.startswith("Address: ")}


def test_every_node_answers_in_exact_turns(lab, web):
    for node in lab.nodes:
        assert sorted(answers(node, 6).values()) == [3, 3]
        assert b" 200 " in lab.nodes[2].fetch(8080, host=node.address)


def test_inspect_shows_nodes_and_services_of_a_network(lab, web):
    (app,) = json.loads(web.docker("network", "inspect", "--verbose", "app").stdout)
    there = {node.address for node in lab.nodes[:2]}
    assert {peer["IP"] for peer in app["Peers"]} == there
    found = app["Services"]["web"]
    assert {task["EndpointIP"] for task in found["Tasks"]} == backends(lab.nodes[0])
    assert {task["Info"]["Host IP"] for task in found["Tasks"]} == there
    assert sum(bool(task["EndpointID"]) for task in found["Tasks"]) == 1, "the one on this node"
    (mesh,) = json.loads(web.docker("network", "inspect", "-v", "ingress").stdout)
    assert mesh["Services"]["web"]["Ports"] == ["Target: 80, Publish: 8080"]
    assert {peer["IP"] for peer in mesh["Peers"]} == {node.address for node in lab.nodes}


def test_a_plain_container_finds_the_service_and_is_found(lab, web):
    other = lab.nodes[2]
    other.docker(
        "run", "-d", "--init", "--name", "shell", "--network", "app", BUSYBOX, "sleep", "99"
    )
    try:
        until(lambda: len(backends(other)) == 2)
        found = other.docker("exec", "shell", "nslookup", "tasks.web").stdout
        assert lines(found) == backends(other)
        (vip,) = lines(other.docker("exec", "shell", "nslookup", "web").stdout)
        assert vip not in backends(other)
        (task,) = web.docker("ps", "-q").stdout.split()

        def known():
            asked = web.docker("exec", task, "nslookup", "shell", check=False)
            return asked.stdout and lines(asked.stdout)

        until(known)
        assert web.docker("exec", task, "ping", "-c1", "-W2", *known()).returncode == 0
        ping = other.docker("exec", "shell", "ping", "-c1", "-W2", "-s", "1422", vip)
        assert "1 packets received" in ping.stdout
    finally:
        other.docker("rm", "-f", "shell")
    until(lambda: not known())


def test_a_network_that_is_not_attachable_refuses_containers(lab):
    lab.nodes[0].docker("network", "create", "-d", "overlay", "closed")
    run = lab.nodes[1].docker("run", "--rm", "--network", "closed", BUSYBOX, "true", check=False)
    assert run.returncode != 0
    assert "network closed not manually attachable" in run.stderr
    lab.nodes[0].docker("network", "rm", "closed")


def test_after_a_partition_heals_every_node_is_right(lab, web):
    cut = lab.nodes[2]
    before = backends(lab.nodes[0])
    cut.cut()
    try:
        web.docker("service", "update", "-d", "--force", "web")  # all tasks are replaced
        until(lambda: len(backends(lab.nodes[0])) == 2 and not backends(lab.nodes[0]) & before)
    finally:
        cut.heal()
    until(lambda: len(answers(cut)) == 2 and answers(cut, 8).total() == 8)
    assert answers(cut).keys() == answers(lab.nodes[0]).keys()


def test_a_daemon_that_restarts_interrupts_nothing(lab, web):
    idle = lab.nodes[2]
    idle.kill()
    assert sorted(answers(idle, 4).values()) == [2, 2]  # without a daemon
    idle.start()
    assert sorted(answers(idle, 4).values()) == [2, 2]


def test_a_daemon_that_ends_without_containers_takes_its_part_of_the_mesh_along(lab, web):
    idle = lab.nodes[2]
    idle.stop()
    assert list((idle.home / "exec" / "netns").iterdir()) == []
    with pytest.raises(ConnectionRefusedError):
        idle.fetch(8080)
    idle.start()  # with what it was told last, whether a manager answers or not
    assert sorted(answers(idle, 4).values()) == [2, 2]


def test_what_nobody_uses_is_taken_away(lab):
    def links(node):
        def names():
            with Netlink() as netlink:
                return {link.name for link in netlink.links() if link.kind == "vxlan"}

        return node.call(names)

    for node in lab.nodes:
        until(lambda node=node: len(links(node)) == 1)  # ingress
        with pytest.raises(ConnectionRefusedError):
            node.fetch(8080)
