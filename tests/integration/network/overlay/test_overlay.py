"""Overlay networks between machines: reach, virtual addresses, names, lifetime, attachable ones."""

import socket
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from integration.network.overlay.hosts import (
    FAR,
    FAR_ADDRESS,
    SHELL,
    SHELL_ADDRESS,
    VIP,
    WEB,
    WEB_ADDRESS,
    readable,
    resolve,
    served,
)
from sampan.errors import NotFound
from sampan.linux import namespaces, rtmessages, rtneigh
from sampan.linux.netlink import Netlink
from sampan.network.attacher import Place
from sampan.network.model import EndpointRequest, NoSuchNetwork, PortRequest
from sampan.network.overlay_model import (
    OverlayName,
    OverlayPeer,
    Topology,
)

pytestmark = [pytest.mark.integration, pytest.mark.anyio]


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
