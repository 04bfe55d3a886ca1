"""A private NetworkService with names of its own; after each test nothing of it may be left."""

import os
import socket
from contextlib import suppress
from ipaddress import IPv4Interface, IPv6Interface, ip_address
from pathlib import Path

import pytest

from sampan.linux import mounts, namespaces, rtmessages, rtroutes
from sampan.linux.netlink import Netlink
from sampan.linux.nft import Nft
from sampan.linux.sysctl import read_sysctl, write_sysctl
from sampan.network import sandbox
from sampan.network.model import NetworkSettings
from sampan.network.service import NetworkService

TAG = f"st{os.getpid() % 100000}"
TIMEOUT_S = 2.0


class FakeDocuments:
    def __init__(self):
        self.bodies = {}

    def put(self, key, body):
        self.bodies[key] = body

    def remove(self, key):
        self.bodies.pop(key, None)

    def all(self):
        return list(self.bodies.items())


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Arena:
    """Makes services (one after the other: a restart) and talks from inside their sandboxes."""

    def __init__(self, root: Path):
        self.documents = FakeDocuments()
        self.settings = NetworkSettings(
            netns_root=root / "netns",
            bridge_name=f"{TAG}br",
            table_name=f"sampan_{TAG}",
            veth_prefix=f"{TAG}v",
            default_address_pools=(("10.213.0.0/16", 24),),
        )
        self.service = self.new_service()
        self.opened = []

    def new_service(self):
        return NetworkService(documents=self.documents, settings=self.settings)

    def sandbox(self, container_id: str) -> Path:
        return self.settings.netns_root / container_id

    def socket_in(self, path: Path | None, kind=socket.SOCK_STREAM, family=socket.AF_INET):
        """A blocking socket in the sandbox at `path`, or in the host's namespace."""
        made = sandbox.open_socket(path, family, kind) if path else socket.socket(family, kind)
        made.settimeout(TIMEOUT_S)
        self.opened.append(made)
        return made

    def listen(self, path: Path | None, port: int, address="0.0.0.0"):
        made = self.socket_in(path, family=family_of(address))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        made.bind((address, port))
        made.listen()
        return made

    def connect(self, path: Path | None, target: tuple[str, int]):
        made = self.socket_in(path, family=family_of(target[0]))
        made.connect(target)
        return made

    def reaches(self, path: Path | None, target: tuple[str, int], server: socket.socket) -> str:
        """The address that `server` sees when `target` is connected to from `path`."""
        client = self.connect(path, target)
        accepted, peer = server.accept()
        accepted.sendall(b"hello")
        assert client.recv(5) == b"hello"
        accepted.close()
        client.close()
        return peer[0]

    def close_sockets(self):
        for made in self.opened:
            made.close()


class Outside:
    """A namespace beyond the host: 198.18.77.2 and fd00:198::2, with the host as its router."""

    def __init__(self, root: Path):
        self.path = root / "outside"
        self.address, self.router = "198.18.77.2", "198.18.77.1"
        self.address6, self.router6 = "fd00:198::2", "fd00:198::1"
        self._name = f"{TAG}out"
        sandbox.create_sandbox(self.path)
        netns = namespaces.open_netns(self.path)
        with Netlink() as netlink:
            veth = rtmessages.Veth(self._name, 0, "eth0", netns, "02:00:00:00:77:02")
            netlink.execute(rtmessages.create_veth(veth))
            index = netlink.get_link(self._name).index
            write_sysctl(f"net/ipv6/conf/{self._name}/disable_ipv6", "0")
            netlink.execute(
                rtroutes.add_address(index, IPv4Interface(f"{self.router}/24")),
                rtroutes.add_address(index, IPv6Interface(f"{self.router6}/64")),
            )
        os.close(netns)
        with namespaces.entered_path(self.path), Netlink() as inside:
            index = inside.get_link("eth0").index
            write_sysctl("net/ipv6/conf/eth0/disable_ipv6", "0")
            inside.execute(
                rtroutes.add_address(index, IPv4Interface(f"{self.address}/24")),
                rtroutes.add_address(index, IPv6Interface(f"{self.address6}/64")),
                rtmessages.set_up(index),
                rtroutes.replace_default_route(ip_address(self.router), index),
                rtroutes.replace_default_route(ip_address(self.router6), index),
            )

    def remove(self):
        with Netlink() as netlink:
            sandbox.detach(netlink, self._name)
        namespaces.remove_netns(self.path)


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def host_forwarding():
    """IPv6 networks switch it on; afterwards the machine is as it was."""
    path = "net/ipv6/conf/all/forwarding"
    before = read_sysctl(path)
    yield
    if read_sysctl(path) != before:
        write_sysctl(path, before)


@pytest.fixture
async def arena(tmp_path):
    made = Arena(tmp_path)
    await made.service.start()
    try:
        yield made
    finally:
        made.close_sockets()
        for path in made.settings.netns_root.iterdir():
            await made.service.destroy_sandbox(path.name)
        await made.service.close(remove=True)
        with Netlink() as netlink, Nft() as nft:
            bridges = [link for link in netlink.links() if link.name.startswith(TAG)]
            for link in bridges:  # interfaces of dropped sandboxes go in the background
                with suppress(OSError):
                    netlink.execute(rtmessages.delete_link(link.index))
            left = [link.name for link in netlink.links() if link.name.startswith(TAG)]
            tables = [entry["table"]["name"] for entry in nft.list("tables")]
        assert not [name for name in left if not name.startswith(made.settings.veth_prefix)]
        assert made.settings.table_name not in tables
        assert mounts.mounts_below(tmp_path) == []


@pytest.fixture
def outside(tmp_path):
    made = Outside(tmp_path)
    yield made
    made.remove()
