"""Namespaces that stand for machines, each with a network service, and what they are told.

Containers are bare sandboxes. What a swarm's manager would say, `Swarm` says (`Topology`).
"""

import asyncio
import socket
from contextlib import suppress
from dataclasses import replace

from integration.network.conftest import TAG, FakeDocuments
from sampan.linux import libc, namespaces
from sampan.linux.netlink import Netlink
from sampan.network import sandbox
from sampan.network.mesh import INGRESS_SANDBOX
from sampan.network.model import EndpointRequest, NetworkSettings
from sampan.network.overlay_model import (
    OverlayName,
    OverlayPeer,
    OverlayService,
    OverlayState,
    Topology,
)
from sampan.network.service import NetworkService

TIMEOUT_S = 2.0
WEB, WEB_ADDRESS, VIP = "a" * 64, "10.77.1.11", "10.77.1.2"
FAR, FAR_ADDRESS = "b" * 64, "10.77.1.12"
SHELL, SHELL_ADDRESS = "c" * 64, "10.77.1.13"


class HostedService(NetworkService):
    """Its networking thread, and with it all that it makes, is in another namespace."""

    def __init__(self, netns, **parts):
        super().__init__(**parts)
        self._netns = netns

    def _open(self):
        netns = namespaces.open_netns(self._netns)
        libc.setns(netns, libc.CLONE_NEWNET)
        super()._open()


class Host:
    def __init__(self, wires, number, root):
        self.wires, self.number = wires, number
        self.vtep = wires.addresses[number]
        self.documents = FakeDocuments()
        self.settings = NetworkSettings(
            netns_root=root / f"sandboxes{number}",
            bridge_name="none",
            table_name=f"sampan_{TAG}",
            veth_prefix="v",
            overlay_prefix="o",
            default_address_pools=((f"172.3{number}.0.0/16", 24),),
            topology_path=root / f"topology{number}",
        )
        self.service = self.new_service()
        self.ingress = f"10.78.0.{number + 2}/24"
        self.opened = []

    def new_service(self):
        return HostedService(
            self.wires.paths[self.number], documents=self.documents, settings=self.settings
        )

    def path(self, container_id):
        return self.settings.netns_root / container_id

    async def run(self, container_id, address, name="c", network="front"):
        await self.service.create_sandbox(container_id)
        request = EndpointRequest(network, ipv4=address)
        return await self.service.join(container_id, name, request)

    def socket_in(self, path, kind=socket.SOCK_STREAM):
        made = sandbox.open_socket(path, socket.AF_INET, kind)
        made.settimeout(TIMEOUT_S)
        self.opened.append(made)
        return made

    def listen(self, container_id, port=80):
        made = self.socket_in(self.path(container_id))
        made.bind(("0.0.0.0", port))
        made.listen(128)
        return made

    def connect(self, container_id, address, port=80):
        made = self.socket_in(self.path(container_id))
        made.connect((address, port))
        return made

    def accept(self, server):
        end, peer = server.accept()
        end.settimeout(TIMEOUT_S)
        self.opened.append(end)
        return end, peer

    def links(self):
        def names():
            with Netlink() as netlink:
                return {link.name for link in netlink.links()}

        return self.wires.inside(self.number, names)

    async def close(self):
        for made in self.opened:
            made.close()
        for path in list(self.settings.netns_root.iterdir()):
            if path.name != INGRESS_SANDBOX:
                await self.service.destroy_sandbox(path.name)
        await self.service.apply(Topology())
        assert not [name for name in self.links() if name.startswith(("ob", "ox"))]
        await self.service.close(remove=True)


class Swarm:
    """What all hosts are told."""

    def __init__(self, hosts):
        self.hosts = hosts
        front_peers = ((WEB_ADDRESS, 0), (FAR_ADDRESS, 1), (SHELL_ADDRESS, 0))
        self.front = OverlayState(
            id="front",
            name="front",
            vni=4097,
            subnets=("10.77.1.0/24",),
            gateways=("10.77.1.1",),
            peers=tuple(OverlayPeer(text, hosts[at].vtep) for text, at in front_peers),
            services=(
                OverlayService("web", ("www",), VIP, (WEB_ADDRESS, FAR_ADDRESS)),
                OverlayService("rr", (), "", (WEB_ADDRESS, FAR_ADDRESS)),
            ),
            tasks=(OverlayName(("web.1.x",), WEB_ADDRESS), OverlayName(("web.2.y",), FAR_ADDRESS)),
        )
        self.ingress = OverlayState(
            id="ingress",
            name="ingress",
            vni=4096,
            subnets=("10.78.0.0/24",),
            gateways=("10.78.0.1",),
            ingress=True,
            peers=(
                *(OverlayPeer(host.ingress.partition("/")[0], host.vtep) for host in hosts),
                OverlayPeer("10.78.0.11", hosts[0].vtep),
                OverlayPeer("10.78.0.12", hosts[1].vtep),
            ),
        )
        self.mesh = ()

    def topology(self, host, *networks):
        found = tuple(
            replace(state, node_address=host.ingress) if state.ingress else state
            for state in networks
        )
        return Topology(host.vtep, 4789, found, self.mesh)

    async def tell(self, *networks):
        for host in self.hosts:
            assert await host.service.apply(self.topology(host, *networks)) == []


def served(client, servers):
    """Which of the (name, listening socket) pairs has the connection."""
    mine = client.getsockname()
    for name, server in servers:
        server.setblocking(False)
        try:
            accepted, peer = server.accept()
        except BlockingIOError:
            continue
        if peer == mine or peer[1] == mine[1]:
            accepted.sendall(name.encode())
            accepted.close()
            return client.recv(10).decode()
    raise AssertionError("nobody was asked")


def readable(server):
    with suppress(BlockingIOError):
        return server.recv(10)
    return b""


def resolve(host, container_id, name):
    """The addresses that the sandbox's own name server answers."""
    question = b"\1\1\1\0\0\1\0\0\0\0\0\0"
    question += b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    asker = host.socket_in(host.path(container_id), socket.SOCK_DGRAM)

    async def ask():
        loop = asyncio.get_running_loop()
        asker.setblocking(False)
        await loop.sock_sendto(asker, question + b"\0\0\1\0\1", ("127.0.0.11", 53))
        answer = await asyncio.wait_for(loop.sock_recv(asker, 2000), TIMEOUT_S)
        count = int.from_bytes(answer[6:8], "big")
        tail = answer[len(question) + 5 :]
        records = [tail[16 * number + 12 : 16 * number + 16] for number in range(count)]
        return sorted(socket.inet_ntoa(record) for record in records)

    return ask()
