"""Several machines on one: network namespaces on a switch, and a daemon in each.

    node 1 (10.99.0.1) ---.
    node 2 (10.99.0.2) ----  a bridge in a namespace of its own
    node 3 (10.99.0.3) ---'

Nothing is made in the machine's own network namespace: no interface, route or rule. `Wires` are
the namespaces alone, for tests of networking; `Lab` adds daemons with their own roots and sockets,
which can be stopped, killed and cut off. Namespaces are mounts below a temporary directory.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import IPv4Interface, ip_network
from pathlib import Path
from typing import Self, TypeVar

from sampan.linux import namespaces, rtmessages, rtroutes
from sampan.linux.netlink import Netlink
from sampan.linux.sysctl import ensure_sysctl

SUBNET = "10.99.0.0/24"
SAMPAN = Path(sys.executable).parent / "sampan"
_LOOPBACK = 1
_ANSWER_S = 30

Result = TypeVar("Result")


class Wires:
    """`size` namespaces that reach each other; `paths` and `addresses` in order."""

    def __init__(self, root: Path, size: int, subnet: str = SUBNET) -> None:
        self.root = root
        hosts = ip_network(subnet).hosts()
        self.prefix = ip_network(subnet).prefixlen
        self.addresses = [str(next(hosts)) for _ in range(size)]
        self.switch = root / "switch.net"
        self.paths = [root / f"node{number}.net" for number in range(1, size + 1)]

    def start(self) -> None:
        namespaces.create_netns(self.switch, self._make_switch)
        for number, path in enumerate(self.paths):
            namespaces.create_netns(path, self._make_node)
            self._connect(number)

    def _make_switch(self) -> None:
        with Netlink() as netlink:
            netlink.execute(rtmessages.create_bridge("switch"))

    def _make_node(self) -> None:
        with Netlink() as netlink:
            netlink.execute(rtmessages.set_up(_LOOPBACK))
        ensure_sysctl("net/ipv4/ip_forward", "1")

    def _connect(self, number: int) -> None:
        netns = namespaces.open_netns(self.paths[number])
        try:
            with namespaces.entered_path(self.switch), Netlink() as netlink:
                veth = rtmessages.Veth(
                    name=f"port{number + 1}",
                    master=netlink.get_link("switch").index,
                    peer="eth0",
                    peer_netns=netns,
                    peer_mac=f"02:99:00:00:00:{number + 1:02x}",
                )
                netlink.execute(rtmessages.create_veth(veth))
        finally:
            os.close(netns)
        with namespaces.entered_path(self.paths[number]), Netlink() as inside:
            index = inside.get_link("eth0").index
            address = IPv4Interface(f"{self.addresses[number]}/{self.prefix}")
            inside.execute(rtroutes.add_address(index, address), rtmessages.set_up(index))

    def plug(self, number: int, *, connected: bool) -> None:
        """Pull the cable of node `number` (from 0) out of the switch, or put it back."""
        with namespaces.entered_path(self.switch), Netlink() as netlink:
            index = netlink.get_link(f"port{number + 1}").index
            netlink.execute(rtmessages.set_up(index, up=connected))

    def inside(self, number: int, function: Callable[[], Result]) -> Result:
        """Call `function` on this thread in a node's namespace."""
        with namespaces.entered_path(self.paths[number]):
            return function()

    def close(self) -> None:
        for path in (*self.paths, self.switch):
            namespaces.remove_netns(path)


class LabNode:
    """One daemon, its clients, and its cable."""

    def __init__(self, wires: Wires, number: int, options: tuple[str, ...]) -> None:
        self._wires = wires
        self._number = number
        self._options = options
        self.name = f"node{number + 1}"
        self.address = wires.addresses[number]
        self.netns = wires.paths[number]
        self.home = wires.root / self.name
        self.home.mkdir()
        self.data_root = self.home / "data"
        self.socket = self.home / "s.sock"
        self.host = f"unix://{self.socket}"
        self.log = self.home / "daemon.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [
                    *("nsenter", f"--net={self.netns}", "--"),
                    *("unshare", "--uts", "--", "sh", "-c", 'hostname "$0" && exec "$@"'),
                    *(self.name, SAMPAN, "daemon"),
                    *("--data-root", self.data_root, "--exec-root", self.home / "exec"),
                    *("--pidfile", self.home / "pid", "-H", self.host, "--log-level", "debug"),
                    *self._options,
                ],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        deadline = time.monotonic() + _ANSWER_S
        while not self.answers():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended:\n{self.log.read_text()[-3000:]}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} does not answer")
            time.sleep(0.05)

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.settimeout(10)
            client.connect(str(self.socket))
            client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in client.recv(100)
        return False

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Signal the daemon and wait for its end; containers go on."""
        if self.process is not None and self.running:
            self.process.send_signal(number)
            self.process.wait(30)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def restart(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.stop(number)
        self.start()

    def cut(self) -> None:
        """No packet in or out, until `heal`."""
        self._wires.plug(self._number, connected=False)

    def heal(self) -> None:
        self._wires.plug(self._number, connected=True)

    def docker(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        program = shutil.which("docker") or "docker"
        return self._run(program, "-H", self.host, *words, check=check)

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A program in the node's network namespace."""
        return self._run("nsenter", f"--net={self.netns}", "--", *words, check=check)

    def _run(self, *words: str, check: bool) -> subprocess.CompletedProcess[str]:
        found = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
        if check and found.returncode:
            raise RuntimeError(f"{self.name}: {' '.join(words)}: {found.stdout}{found.stderr}")
        return found

    def call(self, function: Callable[[], Result]) -> Result:
        """`function` on this thread in the node's namespace: its sockets belong there."""
        return self._wires.inside(self._number, function)

    def fetch(self, port: int, host: str = "127.0.0.1", timeout_s: float = 2.0) -> bytes:
        """What a GET of / answers on a port of this node, head and body."""

        def ask() -> bytes:
            with socket.create_connection((host, port), timeout=timeout_s) as client:
                client.sendall(b"GET / HTTP/1.0\r\nHost: lab\r\n\r\n")
                return b"".join(iter(lambda: client.recv(1 << 16), b""))

        return self.call(ask)

    def leave(self) -> None:
        """The swarm, whatever state the node is in."""
        with suppress(RuntimeError, TimeoutError, OSError, subprocess.TimeoutExpired):
            self.docker("swarm", "leave", "--force", check=False)

    def shut(self) -> None:
        """End of the node: containers removed, the daemon stopped."""
        with suppress(RuntimeError, TimeoutError, OSError, subprocess.TimeoutExpired):
            names = self.docker("ps", "-aq", "--no-trunc", check=False).stdout.split()
            if names:
                self.docker("rm", "-f", "-v", *names, check=False)
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()


class Lab:
    """`size` nodes. All of it is gone after `close`, also of a start that failed."""

    def __init__(self, size: int, *options: str, subnet: str = SUBNET) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="sampan-lab-"))
        self.wires = Wires(self.home, size, subnet)
        self.nodes = [LabNode(self.wires, number, options) for number in range(size)]

    def __enter__(self) -> Self:
        try:
            self.wires.start()
            self._each(LabNode.start, self.nodes)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        used = [node for node in self.nodes if node.process]
        for node in used:
            node.heal()
        with suppress(RuntimeError, TimeoutError):
            self._each(LabNode.start, [node for node in used if not node.running])
        for node in reversed(used):  # one after the other, or they would lose their quorum
            node.leave()
        self._each(LabNode.shut, used)
        self.wires.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def load(self, image_tar: bytes, name: str) -> None:
        """The same image on all nodes, made of a root file system's tar."""

        def load_one(node: LabNode) -> None:
            subprocess.run(
                ["docker", "-H", node.host, "import", "-", name],
                input=image_tar,
                check=True,
                capture_output=True,
                timeout=120,
            )

        self._each(load_one, self.nodes)

    @staticmethod
    def _each(act: Callable[[LabNode], None], nodes: Sequence[LabNode]) -> None:
        """At the same time; raises what the first of them raised."""
        with ThreadPoolExecutor(max(1, len(nodes))) as pool:
            list(pool.map(act, nodes))

    def form(self, managers: int = 1) -> None:
        """A swarm of all nodes, the first `managers` of them managers."""
        first = self.nodes[0]
        first.docker("swarm", "init", "--advertise-addr", first.address)
        for number, node in enumerate(self.nodes[1:], start=1):
            role = "manager" if number < managers else "worker"
            token = first.docker("swarm", "join-token", "-q", role).stdout.strip()
            there = f"{first.address}:2377"
            node.docker("swarm", "join", "--token", token, "--advertise-addr", node.address, there)
