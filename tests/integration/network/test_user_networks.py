"""User-defined bridge networks: subnets, static addresses, isolation, several at once."""

import os
import subprocess

import pytest

from sampan.errors import AlreadyExists, Denied, InvalidArgument
from sampan.linux import namespaces
from sampan.linux.netlink import Netlink
from sampan.network.model import (
    OPTION_ICC,
    EndpointRequest,
    InvalidNetwork,
    NetworkInUse,
    NetworkSpec,
    Pool,
    PortRequest,
)

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

A, B = "a" * 64, "b" * 64
POOL = Pool("10.214.7.0/24", "10.214.7.9", "10.214.7.128/25", {"router": "10.214.7.128"})


async def sandboxed(arena, *ids):
    for container_id in ids:
        await arena.service.create_sandbox(container_id)


async def join(arena, container_id, network, **request):
    return await arena.service.join(
        container_id, container_id[:3], EndpointRequest(network.id, **request)
    )


def default_gateway(arena, container_id):
    with namespaces.entered_path(arena.sandbox(container_id)), Netlink() as inside:
        return [str(r.gateway) for r in inside.routes() if r.destination.prefixlen == 0]


async def test_subnet_gateway_and_range_are_as_asked(arena):
    network = await arena.service.create(NetworkSpec("n", pools=(POOL,)))
    await sandboxed(arena, A, B)
    first = await join(arena, A, network)
    assert (first.ipv4, first.prefix, first.gateway) == ("10.214.7.129", 24, "10.214.7.9")
    static = await join(arena, B, network, ipv4="10.214.7.50", mac="02:00:00:00:00:aa")
    assert (static.ipv4, static.mac) == ("10.214.7.50", "02:00:00:00:00:aa")
    server = arena.listen(arena.sandbox(B), 7000)
    assert arena.reaches(arena.sandbox(A), ("10.214.7.50", 7000), server) == first.ipv4


async def test_static_address_is_refused_where_docker_refuses_it(arena):
    mine = await arena.service.create(NetworkSpec("n", pools=(POOL,)))
    chosen = await arena.service.create(NetworkSpec("m"))
    bridge = await arena.service.get("bridge")
    await sandboxed(arena, A, B)
    await join(arena, A, mine, ipv4="10.214.7.50")
    with pytest.raises(Denied, match="Address already in use"):
        await join(arena, B, mine, ipv4="10.214.7.50")
    for network, text in (
        (mine, "no configured subnet contains IP address"),
        (chosen, "only when connecting to networks with user configured subnets"),
        (bridge, "supported on user defined networks only"),
    ):
        with pytest.raises(InvalidArgument, match=text):
            await join(arena, B, network, ipv4="10.99.0.1")
    with pytest.raises(InvalidArgument, match="aliases are only supported for user-defined"):
        await join(arena, B, bridge, aliases=("x",))


async def test_static_address_can_be_reused_at_once(arena):
    network = await arena.service.create(NetworkSpec("n", pools=(POOL,)))
    for _ in range(3):
        await sandboxed(arena, A)
        await join(arena, A, network, ipv4="10.214.7.50")
        server = arena.listen(arena.sandbox(A), 7000)
        arena.reaches(None, ("10.214.7.50", 7000), server)
        await arena.service.destroy_sandbox(A)


async def test_create_is_refused(arena):
    await arena.service.create(NetworkSpec("n", pools=(POOL,)))
    with pytest.raises(AlreadyExists, match="network with name n already exists"):
        await arena.service.create(NetworkSpec("n"))
    with pytest.raises(Denied, match="Pool overlaps with other one"):
        await arena.service.create(NetworkSpec("m", pools=(Pool("10.214.0.0/16"),)))
    with pytest.raises(InvalidNetwork, match=r"it should be 10\.1\.0\.0/16"):
        await arena.service.create(NetworkSpec("m", pools=(Pool("10.1.2.0/16"),)))
    with pytest.raises(Denied, match="predefined host network"):
        await arena.service.create(NetworkSpec("host"))


@pytest.fixture
def claimed_elsewhere():
    way = ("10.213.1.0/25", "table", "4213")
    subprocess.run(["ip", "route", "add", "blackhole", *way], check=True)
    yield
    subprocess.run(["ip", "route", "del", "blackhole", *way], check=True)


async def test_chosen_subnets_dodge_routes_of_other_tables(arena, claimed_elsewhere):
    chosen = [(await arena.service.create(NetworkSpec(name))).pools[0].subnet for name in "ab"]
    assert chosen == ["10.213.2.0/24", "10.213.3.0/24"]


async def test_remove_needs_nobody_connected_and_takes_the_bridge(arena):
    network = await arena.service.create(NetworkSpec("n"))
    await sandboxed(arena, A)
    await join(arena, A, network)
    with pytest.raises(NetworkInUse, match="network n has active endpoints"):
        await arena.service.remove("n")
    await arena.service.leave(A, network.id)
    await arena.service.remove(network.id[:12])
    with Netlink() as netlink:
        assert netlink.find_link(network.bridge_name) is None


async def test_networks_are_isolated_from_each_other(arena):
    one, two = [await arena.service.create(NetworkSpec(name)) for name in ("one", "two")]
    await sandboxed(arena, A, B)
    await join(arena, A, one)
    there = await join(arena, B, two)
    server = arena.listen(arena.sandbox(B), 80)
    client = arena.socket_in(arena.sandbox(A))
    client.settimeout(0.5)
    with pytest.raises(TimeoutError):
        client.connect((there.ipv4, 80))
    (port,) = await arena.service.publish(B, there, [PortRequest("tcp", 80)])
    gateway = (await arena.service.get("one")).pools[0].gateway
    arena.reaches(arena.sandbox(A), (gateway, port.host_port), server)


async def test_internal_network_leads_nowhere(arena, outside):
    network = await arena.service.create(NetworkSpec("n", internal=True))
    await sandboxed(arena, A, B)
    endpoint, other = await join(arena, A, network), await join(arena, B, network)
    assert endpoint.gateway == ""
    assert default_gateway(arena, A) == []
    assert await arena.service.publish(A, endpoint, [PortRequest("tcp", 80)]) == ()
    server = arena.listen(arena.sandbox(B), 80)
    assert arena.reaches(arena.sandbox(A), (other.ipv4, 80), server) == endpoint.ipv4
    with pytest.raises(OSError):
        arena.connect(outside.path, (other.ipv4, 80))


async def test_without_icc_neighbours_are_apart(arena):
    network = await arena.service.create(NetworkSpec("n", options={OPTION_ICC: "false"}))
    await sandboxed(arena, A, B)
    endpoint, other = await join(arena, A, network), await join(arena, B, network)
    server = arena.listen(arena.sandbox(B), 80)
    client = arena.socket_in(arena.sandbox(A))
    client.settimeout(0.5)
    with pytest.raises(OSError):
        client.connect((other.ipv4, 80))
    assert arena.reaches(None, (other.ipv4, 80), server) == endpoint.gateway


async def test_second_network_of_a_running_container(arena):
    one = await arena.service.create(NetworkSpec("one"))
    two = await arena.service.create(NetworkSpec("two"))
    await sandboxed(arena, A)
    first = await join(arena, A, two)
    second = await join(arena, A, one)
    assert (first.interface, second.interface) == ("eth0", "eth1")
    assert default_gateway(arena, A) == [second.gateway]  # "one" comes first by name
    (port,) = await arena.service.publish(A, second, [PortRequest("tcp", 80)])
    server = arena.listen(arena.sandbox(A), 80)
    arena.reaches(None, ("127.0.0.1", port.host_port), server)
    await arena.service.leave(A, one.id)
    assert default_gateway(arena, A) == [first.gateway]
    arena.reaches(None, ("127.0.0.1", port.host_port), server)  # ports moved along
    third = await join(arena, A, one, gw_priority=-1)
    assert third.interface == "eth1"
    assert default_gateway(arena, A) == [first.gateway]
    with pytest.raises(Denied, match="already exists in network one"):
        await join(arena, A, one)


async def test_leaving_twice_says_not_connected(arena):
    network = await arena.service.create(NetworkSpec("n"))
    await sandboxed(arena, A)
    from sampan.network.controller import NotConnected

    with pytest.raises(NotConnected, match="is not connected to network n"):
        await arena.service.leave(A, network.id)


async def test_ipv6_addresses_on_request(arena):
    pool = Pool("fd00:214::/64")
    network = await arena.service.create(NetworkSpec("n", enable_ipv6=True, pools=(pool,)))
    await sandboxed(arena, A, B)
    endpoint, other = await join(arena, A, network), await join(arena, B, network)
    assert endpoint.ipv4 != ""
    assert (endpoint.ipv6, endpoint.prefix6) == ("fd00:214::2", 64)
    assert (endpoint.gateway6, other.ipv6) == ("fd00:214::1", "fd00:214::3")
    with namespaces.entered_path(arena.sandbox(A)), Netlink() as inside:
        addresses = [str(entry) for _, entry in inside.addresses()]
        ways = [str(r.gateway) for r in inside.routes(6) if r.destination.prefixlen == 0]
    assert "fd00:214::2/64" in addresses
    assert ways == ["fd00:214::1"]


async def test_networks_survive_a_restart_and_lost_bridges_are_made_again(arena):
    network = await arena.service.create(NetworkSpec("n", labels={"a": "b"}))
    await sandboxed(arena, A, B)
    endpoint = await join(arena, A, network)
    await arena.service.close()
    from sampan.linux import rtmessages

    with Netlink() as netlink:
        netlink.execute(rtmessages.delete_link(netlink.get_link(network.bridge_name).index))
    arena.service = arena.new_service()
    await arena.service.start()
    assert await arena.service.get("n") == network
    await arena.service.restore(A, [endpoint], ())
    await arena.service.finish_restore()
    server = arena.listen(arena.sandbox(A), 80)
    assert arena.reaches(None, (endpoint.ipv4, 80), server) == endpoint.gateway


async def test_a_removed_network_takes_interfaces_whose_namespace_lives_on(arena):
    """As it does while the kernel resends what a peer that is gone hasn't acknowledged."""
    network = await arena.service.create(NetworkSpec("n", pools=(POOL,)))
    await sandboxed(arena, A)
    endpoint = await join(arena, A, network)
    held = namespaces.open_netns(arena.sandbox(A))
    try:
        await arena.service.destroy_sandbox(A)
        with Netlink() as netlink:
            assert netlink.find_link(endpoint.host_interface)
            await arena.service.remove(network.id)
            assert netlink.find_link(endpoint.host_interface) is None
    finally:
        os.close(held)
