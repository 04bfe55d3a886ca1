"""Overlay networks between namespaces that stand for machines, each with a network service.

Containers are bare sandboxes. What the swarm would say, the tests say (`Topology`).
"""

import asyncio
import socket
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import pytest

from integration.swarm.lab import Wires
from sampan.errors import NotFound
from sampan.linux import libc, namespaces, rtmessages, rtneigh
from sampan.linux.netlink import Netlink
from sampan.network import sandbox
from sampan.network.attacher import Place
from sampan.network.mesh import INGRESS_SANDBOX
from sampan.network.model import EndpointRequest, NetworkSettings, NoSuchNetwork, PortRequest
from sampan.network.overlay_model import (
    MeshPort,
    OverlayName,
    OverlayPeer,
    OverlayService,
    OverlayState,
    Topology,
)
from sampan.network.service import NetworkService

from .conftest import TAG, FakeDocuments

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

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


@pytest.fixture
async def swarm(tmp_path):
    wires = Wires(tmp_path, 3)
    wires.start()
    hosts = [Host(wires, number, tmp_path) for number in range(3)]
    try:
        for host in hosts:
            await host.service.start()
        made = Swarm(hosts)
        made.wires = wires
        yield made
        for host in hosts:
            await host.close()
    finally:
        wires.close()


@pytest.fixture
async def front(swarm):
    """`web` on two hosts, and a shell beside the first."""
    await swarm.tell(swarm.front)
    near, far, _ = swarm.hosts
    await near.run(WEB, WEB_ADDRESS)
    await near.run(SHELL, SHELL_ADDRESS)
    await far.run(FAR, FAR_ADDRESS)
    return swarm


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


async def test_containers_on_two_hosts_reach_each_other_both_ways(front):
    near, far, _ = front.hosts
    web, distant = near.listen(WEB), far.listen(FAR)
    there = near.connect(WEB, FAR_ADDRESS)
    accepted, peer = far.accept(distant)
    assert peer[0] == WEB_ADDRESS
    far.connect(FAR, WEB_ADDRESS)
    assert near.accept(web)[1][0] == FAR_ADDRESS
    # more than any packet: segments of full size, in one piece each
    accepted.sendall(bytes(300_000))
    got = 0
    while got < 300_000:
        got += len(there.recv(1 << 16))
    with namespaces.entered_path(near.path(WEB)), Netlink() as inside:
        assert inside.get_link("eth0").mtu == 1450


async def test_a_datagram_of_full_size_crosses_and_a_bigger_one_in_pieces(front):
    near, far, _ = front.hosts
    receiver = far.socket_in(far.path(FAR), socket.SOCK_DGRAM)
    receiver.bind(("0.0.0.0", 9000))
    sender = near.socket_in(near.path(WEB), socket.SOCK_DGRAM)
    for size in (1450 - 28, 9000):
        sender.sendto(bytes(size), (FAR_ADDRESS, 9000))
        assert len(receiver.recv(20_000)) == size


async def test_the_virtual_address_takes_exact_turns(front):
    near, far, _ = front.hosts
    servers = [("near", near.listen(WEB)), ("far", far.listen(FAR))]
    answers = [served(near.connect(SHELL, VIP), servers) for _ in range(10)]
    assert Counter(answers) == {"near": 5, "far": 5}
    assert all(one != other for one, other in pairwise(answers))
    # a backend may ask its own service, and get itself
    assert Counter(served(far.connect(FAR, VIP), servers) for _ in range(4)) == {
        "near": 2,
        "far": 2,
    }


async def test_scaling_keeps_established_connections_and_moves_new_ones(front):
    near, far, _ = front.hosts
    servers = {"near": near.listen(WEB), "far": far.listen(FAR)}
    kept = near.connect(SHELL, VIP)
    other = near.connect(SHELL, VIP)
    ends = {}
    for name, server in servers.items():
        end, peer = near.accept(server)
        ends[name] = end, kept if peer[1] == kept.getsockname()[1] else other
    web = replace(front.front.services[0], backends=(WEB_ADDRESS,))
    await front.tell(replace(front.front, services=(web,)))
    for end, client in ends.values():
        end.sendall(b"still")
        assert client.recv(5) == b"still"
    pairs = list(servers.items())
    assert {served(near.connect(SHELL, VIP), pairs) for _ in range(4)} == {"near"}
    await front.tell(replace(front.front, services=(replace(web, backends=()),)))
    with pytest.raises(ConnectionRefusedError):
        near.connect(SHELL, VIP)


async def test_names(front):
    near, far, _ = front.hosts
    both = sorted([WEB_ADDRESS, FAR_ADDRESS])
    assert await resolve(near, SHELL, "web") == [VIP]
    assert await resolve(far, FAR, "WWW") == [VIP]
    assert await resolve(near, SHELL, "tasks.web") == both
    assert await resolve(near, SHELL, "rr") == both
    assert await resolve(near, SHELL, "web.2.y") == [FAR_ADDRESS]
    assert await resolve(near, SHELL, "web.front") == [VIP]
    left = replace(front.front, services=(), tasks=())
    await front.tell(left)
    stranger = "d" * 64
    await near.service.create_sandbox(stranger)
    await near.service.apply(front.topology(near, left, replace(left, id="x", name="x", vni=5)))
    await near.service.join(stranger, "s", EndpointRequest("x", ipv4="10.77.1.14"))


async def test_only_peers_are_reached_and_a_removed_one_no_longer(front):
    near, far, _ = front.hosts
    far.listen(FAR)
    near.connect(SHELL, FAR_ADDRESS).close()
    fewer = tuple(peer for peer in front.front.peers if peer.address != FAR_ADDRESS)
    await front.tell(replace(front.front, peers=fewer))
    fresh = "e" * 64
    await near.run(fresh, "10.77.1.20")  # has not learnt the neighbour before
    with pytest.raises(OSError):
        near.connect(fresh, FAR_ADDRESS)
    await front.tell(front.front)
    far_peers = (*front.front.peers, OverlayPeer("10.77.1.20", near.vtep))
    await front.tell(replace(front.front, peers=far_peers))
    near.connect(fresh, FAR_ADDRESS).close()


async def test_sandboxes_have_a_way_out_and_host_ports(front):
    near, _, other = front.hosts
    shell = near.path(SHELL)
    with namespaces.entered_path(shell), Netlink() as inside:
        ways = [route for route in inside.routes() if route.destination.prefixlen == 0]
    gateway = await near.service.get("docker_gwbridge")
    assert [str(way.gateway) for way in ways] == [gateway.pools[0].gateway]
    (endpoint,) = [
        end for key, end in (await near.service.containers_on("front")).items() if key == SHELL
    ]
    (port,) = await near.service.publish(SHELL, endpoint, [PortRequest("tcp", 80, host_port=8088)])
    server = near.listen(SHELL)
    client = other.socket_in(other.wires.paths[2])
    client.connect((near.vtep, port.host_port))
    assert near.accept(server)[1][0] == other.vtep


async def publish_web(swarm):
    """`web` in the mesh: containers in the ingress network on two of three hosts."""
    backends = ("10.78.0.11", "10.78.0.12")
    swarm.mesh = (MeshPort("tcp", 8080, 80, backends), MeshPort("udp", 5353, 53, backends))
    await swarm.tell(swarm.ingress)
    near, far, _ = swarm.hosts
    await near.run(WEB, backends[0], network="ingress")
    await far.run(FAR, backends[1], network="ingress")
    return [("near", near.listen(WEB)), ("far", far.listen(FAR))]


def from_outside(host, address, port=8080):
    made = host.socket_in(host.wires.paths[host.number])
    made.connect((address, port))
    return made


def answered(client, servers):
    """As `served`, where the server sees an address of the mesh instead of the client's."""
    for name, server in servers:
        server.setblocking(False)
        try:
            accepted, peer = server.accept()
        except BlockingIOError:
            continue
        assert peer[0].startswith("10.78.0.")
        accepted.sendall(name.encode())
        accepted.close()
        return client.recv(10).decode()
    raise AssertionError("nobody was asked")


async def test_the_mesh_answers_on_every_host(swarm):
    servers = await publish_web(swarm)
    idle = swarm.hosts[2]
    for asker in swarm.hosts:
        for address in (idle.vtep, "127.0.0.1"):
            answers = [answered(from_outside(asker, address), servers) for _ in range(4)]
            assert Counter(answers) == {"near": 2, "far": 2}, (asker.number, address)
    swarm.mesh = tuple(replace(port, backends=port.backends[:1]) for port in swarm.mesh)
    await swarm.tell(swarm.ingress)
    assert {answered(from_outside(idle, "127.0.0.1"), servers) for _ in range(3)} == {"near"}
    swarm.mesh = ()
    await swarm.tell(swarm.ingress)
    with pytest.raises(ConnectionRefusedError):
        from_outside(idle, "127.0.0.1")


async def test_udp_clients_of_a_backend_that_goes_get_another(swarm):
    """A client that keeps its socket is a flow that would go on to the old backend."""
    await publish_web(swarm)
    near, far, idle = swarm.hosts
    servers = {}
    for host, container_id, address in ((near, WEB, "10.78.0.11"), (far, FAR, "10.78.0.12")):
        servers[address] = host.socket_in(host.path(container_id), socket.SOCK_DGRAM)
        servers[address].bind(("0.0.0.0", 53))
        servers[address].setblocking(False)
    client = idle.socket_in(idle.wires.paths[2], socket.SOCK_DGRAM)
    client.connect(("127.0.0.1", 5353))

    def asked():
        client.send(b"?")
        (found,) = [text for text, server in servers.items() if readable(server)]
        return found

    first = asked()
    assert asked() == first
    rest = tuple(address for address in servers if address != first)
    swarm.mesh = tuple(replace(port, backends=rest) for port in swarm.mesh)
    await swarm.tell(swarm.ingress)
    assert (asked(),) == rest


def readable(server):
    with suppress(BlockingIOError):
        return server.recv(10)
    return b""


async def test_a_udp_virtual_address_forgets_flows_too(front):
    near, far, _ = front.hosts
    servers = {}
    for host, container_id, address in ((near, WEB, WEB_ADDRESS), (far, FAR, FAR_ADDRESS)):
        servers[address] = host.socket_in(host.path(container_id), socket.SOCK_DGRAM)
        servers[address].bind(("0.0.0.0", 53))
        servers[address].setblocking(False)
    client = near.socket_in(near.path(SHELL), socket.SOCK_DGRAM)
    client.connect((VIP, 53))
    client.send(b"?")
    (first,) = [text for text, server in servers.items() if readable(server)]
    rest = tuple(address for address in servers if address != first)
    web = replace(front.front.services[0], backends=rest)
    await front.tell(replace(front.front, services=(web,)))
    client.send(b"?")
    assert [text for text, server in servers.items() if readable(server)] == list(rest)


async def test_a_port_in_use_is_told_and_had_once_it_is_free(swarm):
    idle = swarm.hosts[2]
    holder = sandbox.open_socket(swarm.wires.paths[2], socket.AF_INET, socket.SOCK_STREAM)
    holder.bind(("0.0.0.0", 8080))
    holder.listen()
    swarm.mesh = (MeshPort("tcp", 8080, 80, ()), MeshPort("tcp", 8081, 80, ()))
    (problem,) = await idle.service.apply(swarm.topology(idle, swarm.ingress))
    assert problem == "failed to bind host port 0.0.0.0:8080/tcp: address already in use"
    holder.close()
    assert await idle.service.apply(swarm.topology(idle, swarm.ingress)) == []


def accepted_by(host, servers):
    """The connections that wait to be accepted."""
    for _, server in servers:
        server.setblocking(False)
        with suppress(BlockingIOError):
            yield host.accept(server)[0]


async def test_a_restart_of_the_daemon_interrupts_nothing(swarm):
    servers = await publish_web(swarm)
    near, _, idle = swarm.hosts
    client = from_outside(idle, "127.0.0.1")
    (end,) = accepted_by(idle, servers)
    await idle.service.close()
    idle.service = idle.new_service()
    await idle.service.start()
    await idle.service.finish_restore()
    end.sendall(b"on")
    assert client.recv(2) == b"on"
    assert Counter(answered(from_outside(idle, "127.0.0.1"), servers) for _ in range(4)) == {
        "near": 2,
        "far": 2,
    }
    endpoint = (await near.service.containers_on("ingress"))[WEB]
    await near.service.close()
    near.service = near.new_service()
    await near.service.start()
    await near.service.restore(WEB, [endpoint], [])
    await near.service.finish_restore()
    outlets = await near.service.get("docker_gwbridge")
    assert set(await near.service.containers_on(outlets.id)) == {WEB, INGRESS_SANDBOX}
    assert {answered(from_outside(near, "127.0.0.1"), servers) for _ in range(4)} == {"near", "far"}


async def test_a_partition_heals_with_one_resync(front):
    near, far, _ = front.hosts
    servers = [("near", near.listen(WEB)), ("far", far.listen(FAR))]
    front.wires.plug(1, connected=False)
    alone = replace(front.front.services[0], backends=(WEB_ADDRESS,))
    state = replace(front.front, services=(alone,), peers=front.front.peers[:1])
    await near.service.apply(front.topology(near, state))
    assert {served(near.connect(SHELL, VIP), servers) for _ in range(3)} == {"near"}
    front.wires.plug(1, connected=True)
    for host in front.hosts:
        assert await host.service.apply(front.topology(host, front.front), thorough=True) == []
    for host, client in ((near, SHELL), (far, FAR)):
        assert Counter(served(host.connect(client, VIP), servers) for _ in range(4)) == {
            "near": 2,
            "far": 2,
        }


async def test_networks_go_with_their_last_user(front):
    near, _, _ = front.hosts
    await near.service.apply(Topology(near.vtep))  # two are still there
    assert {"ob1001", "ox1001"} <= near.links()
    await near.service.destroy_sandbox(WEB)
    assert {"ob1001", "ox1001"} <= near.links()
    await near.service.destroy_sandbox(SHELL)
    assert not {"ob1001", "ox1001"} & near.links()
    with pytest.raises(NotFound):
        await near.service.get("front")


async def test_encrypted_networks_are_refused(swarm):
    near, *_ = swarm.hosts
    state = replace(swarm.front, options={"encrypted": ""})
    (problem,) = await near.service.apply(swarm.topology(near, state))
    assert problem == "network front: encrypted overlay networks are not supported"
    await near.service.create_sandbox(SHELL)
    with pytest.raises(NotFound):
        await near.service.join(SHELL, "s", EndpointRequest("front", ipv4=SHELL_ADDRESS))


async def test_what_others_took_from_the_tunnel_is_put_back(front):
    near, far, _ = front.hosts
    far.listen(FAR)

    def spoil():
        with Netlink() as netlink:
            index = netlink.get_link("ox1001").index
            netlink.execute(
                rtneigh.drop_neighbour(index, FAR_ADDRESS),
                rtneigh.set_neighbour(index, "10.77.1.99", "02:42:0a:4d:01:63"),
            )

    def remove():
        with Netlink() as netlink:
            netlink.execute(rtmessages.delete_link(netlink.get_link("ox1001").index))

    def known():
        with Netlink() as netlink:
            return rtneigh.neighbours(netlink, netlink.get_link("ox1001").index)

    for damage in (spoil, remove):
        front.wires.inside(0, damage)
        assert await near.service.apply(front.topology(near, front.front), thorough=True) == []
        assert front.wires.inside(0, known) == {FAR_ADDRESS: "02:42:0a:4d:01:0c"}
    near.connect(SHELL, FAR_ADDRESS).close()


class SwarmAttacher:
    """Gives one address, as soon as the node has been told of it."""

    def __init__(self, swarm, host):
        self.swarm, self.host, self.asked, self.gone = swarm, host, [], []

    async def attach(self, network, container_id, names):
        self.asked.append((network, names))
        if network not in {"front", self.swarm.front.name}:
            raise NoSuchNetwork(network)
        state = self.swarm.front
        peer = OverlayPeer("10.77.1.40", self.host.vtep)
        known = replace(
            state,
            peers=(*state.peers, peer),
            tasks=(*state.tasks, OverlayName(names, peer.address)),
        )
        await self.swarm.tell(known)
        return Place(state.id, peer.address)

    def left(self, container_id):
        self.gone.append(container_id)


async def test_a_plain_container_gets_its_place_from_the_swarm(front):
    near, far, idle = front.hosts
    idle.service.attacher = attacher = SwarmAttacher(front, idle)
    plain = "f" * 64
    await idle.service.create_sandbox(plain)
    with pytest.raises(NoSuchNetwork):
        await idle.service.join(plain, "shell", EndpointRequest("nosuch"))
    endpoint = await idle.service.join(plain, "shell", EndpointRequest("front", aliases=("sh",)))
    assert endpoint.ipv4 == "10.77.1.40"
    assert attacher.asked[-1] == ("front", ("shell", "sh", plain[:12]))
    far.listen(FAR)
    idle.connect(plain, FAR_ADDRESS).close()
    assert await resolve(near, SHELL, "sh") == ["10.77.1.40"]
    await idle.service.leave(plain, "front")
    assert attacher.gone == [plain]
