"""IPv6: published ports, masquerading, isolation, names, the default bridge; and what is left."""

import asyncio
import socket
from dataclasses import replace

import pytest

from sampan.errors import InvalidArgument, Unsupported
from sampan.linux.nft import Nft
from sampan.network.model import (
    OPTION_HOST_IP,
    OPTION_MASQUERADE,
    EndpointRequest,
    NetworkSpec,
    Pool,
    PortRequest,
)
from sampan.network.portmap import PortAllocated

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

A, B = "a" * 64, "b" * 64
TCP = [PortRequest("tcp", 80)]


async def dual(arena, name="six", subnet="fd00:214::/64", **asked):
    spec = NetworkSpec(name, enable_ipv6=True, pools=(Pool(subnet),), **asked)
    return await arena.service.create(spec)


async def joined(arena, container_id, network, **request):
    await arena.service.create_sandbox(container_id)
    asked = EndpointRequest(network.id, **request)
    return await arena.service.join(container_id, container_id[:3], asked)


def twins(arena) -> bool:
    with Nft() as nft:
        tables = [entry["table"] for entry in nft.list("tables ip6")]
    return any(table["name"] == arena.settings.table_name for table in tables)


async def test_twin_of_all_addresses_has_the_same_port(arena, outside):
    network = await dual(arena)
    endpoint = await joined(arena, A, network)
    four, six = await arena.service.publish(A, endpoint, TCP)
    assert (four.host_ip, six.host_ip) == ("0.0.0.0", "::")
    assert four.host_port == six.host_port
    server = arena.listen(arena.sandbox(A), 80, "::")
    seen = arena.reaches(outside.path, (outside.router6, six.host_port), server)
    assert seen == outside.address6  # the real client
    assert arena.reaches(None, ("fd00:214::1", six.host_port), server) == "fd00:214::1"
    assert arena.reaches(arena.sandbox(A), ("fd00:214::1", six.host_port), server) == "fd00:214::1"


async def test_only_ipv4_where_the_request_or_the_network_says_so(arena):
    endpoint = await joined(arena, A, await dual(arena))
    asked = PortRequest("tcp", 80, host_ip="0.0.0.0")
    assert len(await arena.service.publish(A, endpoint, [asked])) == 1
    local = await dual(arena, "l", "fd00:215::/64", options={OPTION_HOST_IP: "127.0.0.1"})
    (port,) = await arena.service.publish(B, await joined(arena, B, local), TCP)
    assert port.host_ip == "127.0.0.1"


async def test_clients_on_the_hosts_own_loopback_are_relayed(arena):
    endpoint = await joined(arena, A, await dual(arena))
    _, six = await arena.service.publish(A, endpoint, TCP)
    await greets(arena, "::", six.host_port)


async def greets(arena, address, port):
    """A relay needs the event loop, so the container's server runs in another thread."""
    server = arena.listen(arena.sandbox(A), 80, address)

    def greet():
        accepted, _ = server.accept()
        accepted.sendall(b"hello " + accepted.recv(5))
        accepted.close()

    greeting = asyncio.create_task(asyncio.to_thread(greet))
    reader, writer = await asyncio.open_connection("::1", port)
    writer.write(b"world")
    writer.write_eof()
    async with asyncio.timeout(5):
        assert await reader.read() == b"hello world"
    writer.close()
    await greeting


async def test_named_ipv6_address_for_a_container_that_has_only_ipv4(arena):
    endpoint = await joined(arena, A, await arena.service.get("bridge"))
    (port,) = await arena.service.publish(A, endpoint, [PortRequest("tcp", 80, host_ip="::1")])
    assert port.host_ip == "::1"
    await greets(arena, "0.0.0.0", port.host_port)
    with pytest.raises(Unsupported, match="only TCP is relayed"):
        await arena.service.publish(A, endpoint, [PortRequest("udp", 80, host_ip="::1")])
    with pytest.raises(PortAllocated, match=r"Bind for \[::1\]:"):
        again = PortRequest("tcp", 81, host_ip="::1", host_port=port.host_port)
        await arena.service.publish(A, endpoint, [again])
    await arena.service.unpublish(A)
    with pytest.raises(ConnectionRefusedError):
        arena.connect(None, ("::1", port.host_port))


async def test_relay_comes_back_with_the_next_daemon(arena):
    endpoint = await joined(arena, A, await dual(arena))
    ports = await arena.service.publish(A, endpoint, TCP)
    await arena.service.close()
    server = arena.listen(arena.sandbox(A), 80, "::")
    arena.reaches(None, ("fd00:214::1", ports[1].host_port), server)  # rules need no daemon
    server.close()
    arena.service = arena.new_service()
    await arena.service.start()
    await arena.service.restore(A, [endpoint], ports)
    await arena.service.finish_restore()
    await greets(arena, "::", ports[1].host_port)


async def test_udp_flows_go_to_the_present_container(arena):
    network = await dual(arena)
    request = PortRequest("udp", 53, host_ip="fd00:214::1", host_port=5353)
    for container_id in (A, B):
        endpoint = await joined(arena, container_id, network)
        await arena.service.publish(container_id, endpoint, [request])
        path = arena.sandbox(container_id)
        server = arena.socket_in(path, socket.SOCK_DGRAM, socket.AF_INET6)
        server.bind(("::", 53))
        client = arena.socket_in(None, socket.SOCK_DGRAM, socket.AF_INET6)
        client.bind(("fd00:214::1", 45454))
        client.sendto(b"q", ("fd00:214::1", 5353))
        assert server.recv(1) == b"q"
        client.close()
        await arena.service.destroy_sandbox(container_id)


async def test_the_way_out_is_masqueraded_unless_switched_off(arena, outside):
    server = arena.listen(outside.path, 7000, "::")
    endpoint = await joined(arena, A, await dual(arena))
    assert arena.reaches(arena.sandbox(A), (outside.address6, 7000), server) == outside.router6
    plain = await dual(arena, "plain", "fd00:215::/64", options={OPTION_MASQUERADE: "false"})
    routed = await joined(arena, B, plain)
    assert arena.reaches(arena.sandbox(B), (outside.address6, 7000), server) == routed.ipv6
    assert endpoint.ipv6 == "fd00:214::2"


async def test_networks_and_unpublished_ports_are_closed(arena, outside):
    there = await joined(arena, B, await dual(arena))
    await joined(arena, A, await dual(arena, "other", "fd00:215::/64"))
    server = arena.listen(arena.sandbox(B), 80, "::")
    assert arena.reaches(None, (there.ipv6, 80), server) == "fd00:214::1"
    for path in (arena.sandbox(A), outside.path):
        client = arena.socket_in(path, family=socket.AF_INET6)
        client.settimeout(0.4)
        with pytest.raises(TimeoutError):
            client.connect((there.ipv6, 80))


async def test_table_is_there_while_a_network_needs_it_and_comes_back_after_a_flush(arena):
    assert not twins(arena)
    network = await dual(arena)
    endpoint = await joined(arena, A, network)
    _, six = await arena.service.publish(A, endpoint, TCP)
    with Nft() as nft:
        nft.run(f"delete table ip6 {arena.settings.table_name}")
    async with asyncio.timeout(2):
        await appear(arena)
    server = arena.listen(arena.sandbox(A), 80, "::")
    arena.reaches(None, ("fd00:214::1", six.host_port), server)
    await arena.service.destroy_sandbox(A)
    await arena.service.remove(network.id)
    assert not twins(arena)


async def appear(arena):
    while not twins(arena):  # noqa: ASYNC110 - the kernel has no event for us to wait for
        await asyncio.sleep(0.05)


async def test_network_without_ipv4(arena, outside):
    spec = NetworkSpec("n", enable_ipv4=False, enable_ipv6=True, pools=(Pool("fd00:214::/64"),))
    endpoint = await joined(arena, A, await arena.service.create(spec))
    assert (endpoint.ipv4, endpoint.ipv6) == ("", "fd00:214::2")
    (port,) = await arena.service.publish(A, endpoint, TCP)
    server = arena.listen(arena.sandbox(A), 80, "::")
    arena.reaches(outside.path, (outside.router6, port.host_port), server)


async def test_subnet_without_ipv6_is_kept_and_not_used(arena):
    network = await arena.service.create(NetworkSpec("n", pools=(Pool("fd00:214::/64"),)))
    assert not network.enable_ipv6
    assert [pool.subnet for pool in network.pools][1:] == ["fd00:214::/64"]
    assert (await joined(arena, A, network)).ipv6 == ""
    assert (await joined(arena, B, network, ipv6="fd00:214::9")).ipv6 == ""
    with pytest.raises(InvalidArgument, match="user configured subnets"):
        await joined(arena, "c" * 64, network, ipv6="fd00:215::9")


async def test_default_bridge_keeps_its_chosen_subnet(arena):
    await arena.service.close()
    arena.settings = replace(arena.settings, ipv6=True)
    subnets = set()
    for _ in range(2):
        arena.service = arena.new_service()
        await arena.service.start()
        bridge = await arena.service.get("bridge")
        subnets.add(bridge.pools[1].subnet)
        await arena.service.close()
    assert len(subnets) == 1
    arena.settings = replace(arena.settings, fixed_cidr_v6="fd00:214::/64")
    arena.service = arena.new_service()
    await arena.service.start()
    assert (await joined(arena, A, await arena.service.get("bridge"))).ipv6 == "fd00:214::2"
