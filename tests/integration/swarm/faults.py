"""What tests and rounds of faults ask of a swarm in the lab, and what is right in it.

`Swarm` looks through the API of any manager; `Requests` are a client that goes on asking the
routing mesh while something breaks. Right is what the managers say of the running tasks: every node
must answer the services' names, virtual addresses and published ports with these, and no others.
"""

import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from integration.harness import BUSYBOX, busybox_rootfs
from integration.swarm.lab import Lab, LabNode
from sampan.linux import namespaces

PORT = 8080
NETWORK = "app"
# A page says which service and which container made it.
SERVE = 'mkdir /w; echo "$0 $(hostname)" > /w/index.html; exec httpd -f -p 80 -h /w'
QUICK = ("--init", "--stop-grace-period", "1s")
WAIT_S = 30

Result = TypeVar("Result")


def until(condition: Callable[[], Result], limit_s: float = WAIT_S) -> Result:
    """What the condition is in the end; generous, as machines that test are busy."""
    deadline = time.monotonic() + limit_s
    while not (found := _asked(condition)):
        assert time.monotonic() < deadline, f"it didn't happen: {condition}"
        time.sleep(0.1)
    return found


def _asked(condition: Callable[[], Result]) -> Result | None:
    with suppress(RuntimeError, OSError, http.client.HTTPException):
        return condition()
    return None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def call(
    node: LabNode, method: str, path: str, body: object = None, timeout_s: float = 30
) -> tuple[int, Any]:
    """Status and answer of the engine's API."""
    connection = _UnixConnection(node.socket, timeout_s)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null")
    finally:
        connection.close()


def write(node: LabNode) -> int:
    """One small change of the swarm's state; its status."""
    body = {"Name": f"note-{random.getrandbits(60):x}", "Data": "eA=="}
    return call(node, "POST", "/configs/create", body)[0]


class Swarm:
    """A lab's swarm, whichever of its managers are there."""

    def __init__(self, lab: Lab, managers: int) -> None:
        self.nodes = lab.nodes
        self.managers = lab.nodes[:managers]

    @classmethod
    def form(cls, lab: Lab, managers: int) -> Self:
        lab.load(busybox_rootfs(), BUSYBOX)
        lab.form(managers)
        found = cls(lab, managers)
        first = lab.nodes[0]
        first.docker("network", "create", "-d", "overlay", "--attachable", NETWORK)
        until(lambda: set(found.statuses(first).values()) == {"ready"})
        return found

    # --- what there is

    def get(self, node: LabNode, path: str) -> Any:
        status, found = call(node, "GET", path)
        if status != http.HTTPStatus.OK:
            raise RuntimeError(f"{node.name}: {path}: {status} {found}")
        return found

    def statuses(self, at: LabNode) -> dict[str, str]:
        return {n["Description"]["Hostname"]: n["Status"]["State"] for n in self.get(at, "/nodes")}

    def ready(self, at: LabNode) -> int:
        return sum(node["Status"]["State"] == "ready" for node in self.get(at, "/nodes"))

    def leader(self, among: Iterable[LabNode]) -> LabNode:
        """Raises RuntimeError when they know none."""
        by_name = {node.name: node for node in self.nodes}
        for node in among:
            for row in self.get(node, "/nodes"):
                if row.get("ManagerStatus", {}).get("Leader"):
                    return by_name[row["Description"]["Hostname"]]
        raise RuntimeError("nobody leads")

    def running(self, at: LabNode, name: str) -> list[dict[str, Any]]:
        """Tasks that should run, and do."""
        wanted = f'{{"service":["{name}"],"desired-state":["running"]}}'
        tasks = self.get(at, f"/tasks?filters={wanted}")
        return [task for task in tasks if task["Status"]["State"] == "running"]

    def addresses(self, at: LabNode, name: str) -> set[str]:
        """Of the running tasks, in the common network."""
        return {
            address.partition("/")[0]
            for task in self.running(at, name)
            for network in task["NetworksAttachments"]
            if network["Network"]["Spec"]["Name"] == NETWORK
            for address in network["Addresses"]
        }

    def virtual(self, at: LabNode, name: str) -> set[str]:
        network = self.get(at, f"/networks/{NETWORK}")["Id"]
        virtual = self.get(at, f"/services/{name}")["Endpoint"]["VirtualIPs"]
        return {one["Addr"].partition("/")[0] for one in virtual if one["NetworkID"] == network}

    @staticmethod
    def containers(node: LabNode, name: str) -> list[str]:
        """Ids of those that run on the node for a service."""
        words = ("ps", "-q", "--no-trunc", "-f", f"label=com.docker.swarm.service.name={name}")
        return sorted(node.docker(*words).stdout.split())

    # --- services

    def serve(self, at: LabNode, name: str, replicas: int, *words: str) -> None:
        at.docker(
            *("service", "create", "-d", "--name", name, "--network", NETWORK, *QUICK, *words),
            *("--replicas", str(replicas), BUSYBOX, "sh", "-c", SERVE, name),
        )

    def probe(self, at: LabNode) -> None:
        """A container on every node, to look from."""
        words = ("--name", "probe", "--mode", "global", "--network", NETWORK, *QUICK)
        at.docker("service", "create", "-d", *words, BUSYBOX, "sleep", "100000")

    # --- what is right

    def as_wanted(self, at: LabNode, name: str, replicas: int) -> bool:
        """As many run as should, on the nodes too."""
        running = {
            task["Status"]["ContainerStatus"]["ContainerID"] for task in self.running(at, name)
        }
        there = {one for node in self.nodes for one in self.containers(node, name)}
        return len(running) == replicas and there == running

    def right_names(self, at: LabNode, node: LabNode, name: str) -> bool:
        """Seen from the node: the service's name, its tasks', and who answers at its address."""
        probes = self.containers(node, "probe")
        virtual = next(iter(self.virtual(at, name)), "")
        if len(probes) != 1 or not virtual:
            return False
        probe = probes[0]
        asked = f"nslookup {name} | sed 's/^/vip /'; nslookup tasks.{name} | sed 's/^/task /'"
        rows = node.docker("exec", probe, "sh", "-c", asked, check=False).stdout.splitlines()
        names = {
            kind: {row.split()[-1] for row in rows if row.startswith(f"{kind} Address: ")}
            for kind in ("vip", "task")
        }
        if names != {"vip": {virtual}, "task": self.addresses(at, name)}:
            return False
        pid = self.get(node, f"/containers/{probe}/json")["State"]["Pid"]
        with namespaces.entered_path(Path(f"/proc/{pid}/ns/net")):
            pages = {fetch(virtual, 80) for _ in range(3)}
        return pages <= self.pages(at, name)

    def right_mesh(self, at: LabNode, node: LabNode, name: str) -> bool:
        """The published port, on this node: all running tasks answer in turn, and only they."""
        wanted = self.pages(at, name)
        return {page(node) for _ in range(2 * len(wanted))} == wanted

    def pages(self, at: LabNode, name: str) -> set[str]:
        """What the running tasks answer."""
        running = self.running(at, name)
        return {f"{name} {one['Status']['ContainerStatus']['ContainerID'][:12]}" for one in running}


def page(node: LabNode) -> str:
    """What the published port answers on a node. Raises OSError."""
    return node.call(lambda: fetch("127.0.0.1", PORT))


def fetch(host: str, port: int, timeout_s: float = 1.0) -> str:
    """The page that is answered in this thread's network namespace. Raises OSError."""
    with socket.create_connection((host, port), timeout=timeout_s) as client:
        client.sendall(b"GET / HTTP/1.0\r\nHost: lab\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
    if b" 200 " not in answer:
        raise OSError(f"{host}: {answer!r}")
    return answer.split(b"\r\n\r\n", 1)[1].decode().strip()


class Requests:
    """Asks the mesh of one node again and again, as long as the block lasts.

    `failed`: first attempts that failed; `lost`: those of them whose retry failed as well.
    """

    def __init__(self, node: LabNode) -> None:
        self._node = node
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.made = 0
        self.failed: list[str] = []
        self.lost: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._over.wait(0.01):
            self.made += 1
            try:
                page(self._node)
            except OSError as error:
                self.failed.append(repr(error))
                try:
                    page(self._node)
                except OSError as again:
                    self.lost.append(repr(again))
