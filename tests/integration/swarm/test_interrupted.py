"""One manager: its `init` is killed under way, and its store's disk becomes full."""

import base64
import os
import subprocess
import time
from contextlib import contextmanager, suppress

import pytest

from integration.swarm.faults import call, until, write
from integration.swarm.lab import Lab
from integration.swarm.membership import needs_etcd

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120), needs_etcd]

PEER_PORT = 7946
MIB = 1 << 20
FULL = "no space left on device"


@pytest.fixture(scope="module")
def node():
    with Lab(1) as lab:
        yield lab.nodes[0]


def standing(node):
    return call(node, "GET", "/info")[1]["Swarm"]


def works(node):
    with suppress(OSError):
        return call(node, "GET", "/swarm")[0] == 200 and write(node) == 201
    return False


def has_etcd(node):
    children = ["pgrep", "-P", str(node.process.pid), "etcd"]
    return bool(subprocess.run(children, capture_output=True, check=False).stdout)


def store_listens(node):
    with suppress(OSError):
        node.fetch(PEER_PORT, host=node.address)
        return True
    return False


def has_founded(node):
    """The keyring is kept without the swarm's first objects once they are in the store."""
    keyrings = list((node.data_root / "swarm").glob("keyring*"))
    return store_listens(node) and any(b"founding" not in one.read_bytes() for one in keyrings)


@pytest.mark.parametrize("moment", [has_etcd, store_listens, has_founded])
def test_an_init_killed_after_the_store_has_started(node, moment):
    init = ("swarm", "init", "--advertise-addr", node.address)
    with subprocess.Popen(
        ["docker", "-H", node.host, *init], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as client:
        deadline = time.monotonic() + 30
        while not moment(node):
            assert time.monotonic() < deadline
            time.sleep(0.002)
        node.kill()
        client.wait(30)
    node.start()
    if standing(node)["LocalNodeState"] == "inactive":
        node.docker(*init)
    until(lambda: works(node))
    assert node.docker("node", "ls", "--format", "{{.ManagerStatus}}").stdout == "Leader\n"
    assert "ingress" in node.docker("network", "ls").stdout
    node.docker("swarm", "leave", "--force")
    assert standing(node)["LocalNodeState"] == "inactive"


@contextmanager
def small_disk(node):
    """Of the swarm's folder, whose daemon is stopped in the end."""
    root = node.data_root / "swarm"
    node.stop()
    root.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192m", "none", root], check=True)
    try:
        node.start()
        yield root
        node.docker("swarm", "leave", "--force")
    finally:
        node.stop()
        subprocess.run(["umount", root], check=True)


def test_a_full_disk_under_the_store(node):
    data = base64.b64encode(os.urandom(400_000)).decode()

    def refusal():
        body = {"Name": f"big{time.monotonic_ns()}", "Data": data}
        status, answer = call(node, "POST", "/configs/create", body)
        assert status in {201, 503}
        return status == 503 and answer["message"]

    with small_disk(node) as root:
        node.docker("swarm", "init", "--advertise-addr", node.address)
        ballast = root / "ballast"
        with pytest.raises(OSError, match="No space"), ballast.open("ab", buffering=0) as out:
            while True:
                out.write(bytes(MIB))
        found = until(lambda: (said := refusal() or "") and FULL in said and said, limit_s=60)
        assert "does not have a leader" in found
        assert FULL in standing(node)["Error"]
        assert call(node, "GET", "/nodes")[0] == 200, "reads go on"
        ballast.unlink()
        until(lambda: works(node))
        until(lambda: not standing(node)["Error"])
    node.start()
