"""One manager and two workers: many tasks, and nodes that are drained, lost, promoted or leave."""

import pytest

from integration.swarm.faults import PORT, call, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]

MANY = 50


@pytest.fixture(scope="module", autouse=True)
def web(swarm):
    manager = swarm.nodes[0]
    swarm.serve(manager, "web", 1, "-p", f"{PORT}:80")
    until(lambda: swarm.as_wanted(manager, "web", 1))
    yield
    manager.docker("service", "rm", "web")


def scale(swarm, replicas):
    swarm.nodes[0].docker("service", "scale", "-d", f"web={replicas}")
    until(lambda: swarm.as_wanted(swarm.nodes[0], "web", replicas))


def shares(swarm):
    return [len(swarm.containers(node, "web")) for node in swarm.nodes]


def role(swarm, node):
    rows = swarm.get(swarm.nodes[0], "/nodes")
    (row,) = [one for one in rows if one["Description"]["Hostname"] == node.name]
    return row["Spec"]["Role"], row.get("ManagerStatus", {}).get("Reachability")


def test_from_one_task_to_many_and_back(swarm):
    scale(swarm, MANY)
    assert sorted(shares(swarm)) == [16, 17, 17]
    for node in swarm.nodes:
        until(lambda node=node: swarm.right_mesh(swarm.nodes[0], node, "web"))
    scale(swarm, 6)
    for node in swarm.nodes:
        until(lambda node=node: swarm.right_mesh(swarm.nodes[0], node, "web"))


def test_a_drained_node_is_emptied(swarm):
    manager, worker, _ = swarm.nodes
    scale(swarm, 6)
    manager.docker("node", "update", "--availability", "drain", worker.name)
    until(lambda: shares(swarm)[1] == 0 and swarm.as_wanted(manager, "web", 6))
    until(lambda: swarm.right_mesh(manager, worker, "web"))  # it still serves the mesh
    manager.docker("node", "update", "--availability", "active", worker.name)
    scale(swarm, 9)
    assert shares(swarm)[1]


def test_tasks_of_a_lost_node_run_elsewhere(swarm):
    manager, worker, _ = swarm.nodes
    scale(swarm, 6)
    worker.cut()
    try:
        until(lambda: swarm.statuses(manager)[worker.name] == "down")
        until(lambda: len(swarm.running(manager, "web")) == 6)
    finally:
        worker.heal()
    until(lambda: swarm.statuses(manager)[worker.name] == "ready")
    until(lambda: swarm.as_wanted(manager, "web", 6))  # what ran there as well has ended
    until(lambda: swarm.right_mesh(manager, worker, "web"))


def test_a_worker_becomes_a_manager_and_a_worker_again(swarm):
    manager, worker, _ = swarm.nodes
    status, refusal = call(worker, "GET", "/nodes")
    assert status == 503
    assert "Worker nodes can't be used" in refusal["message"]
    manager.docker("node", "promote", worker.name)
    until(lambda: role(swarm, worker) == ("manager", "reachable"))
    until(lambda: call(worker, "GET", "/nodes")[0] == 200)
    worker.docker("service", "scale", "-d", "web=3")
    until(lambda: swarm.as_wanted(manager, "web", 3))
    manager.docker("node", "demote", worker.name)
    until(lambda: role(swarm, worker) == ("worker", None))
    until(lambda: call(worker, "GET", "/nodes")[0] == 503)
    scale(swarm, 6)


def test_a_worker_that_leaves_takes_no_task_along(swarm):
    """The last: the node is gone afterwards."""
    manager, _, worker = swarm.nodes
    scale(swarm, 6)
    worker.docker("swarm", "leave")
    assert swarm.statuses(manager)[worker.name] == "down", "it said so itself"
    until(lambda: shares(swarm)[2] == 0 and swarm.as_wanted(manager, "web", 6))
    manager.docker("node", "rm", worker.name)
    assert worker.name not in swarm.statuses(manager)
    with pytest.raises(ConnectionRefusedError):
        worker.fetch(PORT)
