"""The default bridge: sandboxes, addresses, published ports, against the running kernel."""

import asyncio
import socket
from ipaddress import ip_address, ip_network

import pytest

from sampan.errors import Denied, NotFound
from sampan.linux import mounts
from sampan.linux.nft import Nft
from sampan.network.model import EndpointRequest, PortRequest
from sampan.network.portmap import PortAllocated, PortTaken

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

A, B = "a" * 64, "b" * 64


async def joined(arena, container_id, name="c", network="bridge", **request):
    await arena.service.create_sandbox(container_id)
    found = await arena.service.get(network)
    return await arena.service.join(container_id, name, EndpointRequest(found.id, **request))


async def published(arena, container_id, *requests):
    endpoint = await joined(arena, container_id)
    ports = await arena.service.publish(container_id, endpoint, requests)
    return endpoint, ports


async def test_predefined_networks_exist_and_stay(arena):
    assert {network.name for network in await arena.service.list()} == {"bridge", "host", "none"}
    with pytest.raises(Denied, match="bridge is a pre-defined network and cannot be removed"):
        await arena.service.remove("bridge")
    with pytest.raises(NotFound, match="network nosuch not found"):
        await arena.service.get("nosuch")


async def test_sandbox_has_address_route_and_reaches_its_neighbour(arena):
    first, second = await joined(arena, A), await joined(arena, B)
    network = await arena.service.get("bridge")
    subnet = ip_network(network.pools[0].subnet)
    assert ip_address(first.ipv4) in subnet
    assert first.gateway == network.pools[0].gateway
    assert first.interface == "eth0"
    assert first.mac == "02:42:" + ip_address(first.ipv4).packed.hex(":")
    server = arena.listen(arena.sandbox(B), 7000)
    assert arena.reaches(arena.sandbox(A), (second.ipv4, 7000), server) == first.ipv4
    assert set(await arena.service.containers_on(network.id)) == {A, B}


async def test_container_reaches_the_host_and_back(arena):
    endpoint = await joined(arena, A)
    on_host = arena.listen(None, 0)
    target = (endpoint.gateway, on_host.getsockname()[1])
    assert arena.reaches(arena.sandbox(A), target, on_host) == endpoint.ipv4
    inside = arena.listen(arena.sandbox(A), 7000)
    assert arena.reaches(None, (endpoint.ipv4, 7000), inside) == endpoint.gateway


async def test_published_port_from_loopback_host_hairpin_and_neighbour(arena):
    endpoint, (port,) = await published(arena, A, PortRequest("tcp", 80))
    await joined(arena, B)
    server = arena.listen(arena.sandbox(A), 80)
    assert port.host_ip == "0.0.0.0"
    arena.reaches(None, ("127.0.0.1", port.host_port), server)
    arena.reaches(None, (endpoint.gateway, port.host_port), server)
    arena.reaches(arena.sandbox(B), (endpoint.gateway, port.host_port), server)
    arena.reaches(arena.sandbox(A), (endpoint.gateway, port.host_port), server)  # hairpin


async def test_outside_sees_published_ports_only_and_keeps_its_address(arena, outside):
    endpoint, (port,) = await published(arena, A, PortRequest("tcp", 80))
    server = arena.listen(arena.sandbox(A), 80)
    arena.listen(arena.sandbox(A), 81)
    seen = arena.reaches(outside.path, (outside.router, port.host_port), server)
    assert seen == outside.address
    with pytest.raises(OSError):  # straight to the container, by a route through the host
        arena.connect(outside.path, (endpoint.ipv4, 81))


async def test_way_out_is_masqueraded(arena, outside):
    await joined(arena, A)
    server = arena.listen(outside.path, 7000)
    assert arena.reaches(arena.sandbox(A), (outside.address, 7000), server) == outside.router


async def test_port_published_on_loopback_is_not_outside(arena, outside):
    _, (port,) = await published(arena, A, PortRequest("tcp", 80, "127.0.0.1"))
    server = arena.listen(arena.sandbox(A), 80)
    arena.reaches(None, ("127.0.0.1", port.host_port), server)
    with pytest.raises(OSError):
        arena.connect(outside.path, (outside.router, port.host_port))


async def test_container_never_reaches_the_hosts_loopback(arena):
    endpoint = await joined(arena, A)
    secret = arena.listen(None, 0, "127.0.0.1")
    sender = arena.socket_in(arena.sandbox(A))
    sender.settimeout(0.5)
    sandbox_path = arena.sandbox(A)
    # make the sandbox send 127.0.0.1 to its gateway, as an attacker with NET_ADMIN would
    from sampan.linux import namespaces, rtmessages, rtroutes
    from sampan.linux.netlink import Netlink
    from sampan.linux.sysctl import write_sysctl

    with namespaces.entered_path(sandbox_path), Netlink() as inside:
        write_sysctl("net/ipv4/conf/eth0/route_localnet", "1")
        index = inside.get_link("eth0").index
        inside.execute(rtmessages.set_up(1, up=False))
        route = rtroutes.add_route(ip_network("127.0.0.1/32"), index, ip_address(endpoint.gateway))
        inside.execute(route)
    with pytest.raises(OSError):
        sender.connect(("127.0.0.1", secret.getsockname()[1]))


async def test_udp_is_published_and_old_flows_are_forgotten(arena):
    client = arena.socket_in(None, socket.SOCK_DGRAM)
    holder = arena.socket_in(None, socket.SOCK_DGRAM)
    holder.bind(("0.0.0.0", 0))
    port = holder.getsockname()[1]
    holder.close()
    client.sendto(b"early", ("127.0.0.1", port))  # tracked without translation
    await published(arena, A, PortRequest("udp", 53, "", port))
    server = arena.socket_in(arena.sandbox(A), socket.SOCK_DGRAM)
    server.bind(("0.0.0.0", 53))
    client.sendto(b"ask", ("127.0.0.1", port))
    data, peer = server.recvfrom(10)
    assert data == b"ask"
    server.sendto(b"answer", peer)
    assert client.recvfrom(10) == (b"answer", ("127.0.0.1", port))


async def test_second_container_cannot_have_the_same_port(arena):
    _, (port,) = await published(arena, A, PortRequest("tcp", 80))
    endpoint = await joined(arena, B)
    again = PortRequest("tcp", 80, "127.0.0.1", port.host_port)
    with pytest.raises(PortAllocated, match=rf"127.0.0.1:{port.host_port} failed: port is already"):
        await arena.service.publish(B, endpoint, [PortRequest("tcp", 81), again])
    await arena.service.unpublish(A)
    assert await arena.service.publish(B, endpoint, [again])


async def test_foreign_listener_is_named(arena):
    foreign = arena.listen(None, 0)
    port = foreign.getsockname()[1]
    endpoint = await joined(arena, A)
    with pytest.raises(PortTaken, match=f"{port}/tcp: address already in use") as failure:
        await arena.service.publish(A, endpoint, [PortRequest("tcp", 80, "", port)])
    assert "pid" in failure.value.hint


async def test_port_range_gives_the_next_free_one(arena):
    endpoint, (first,) = await published(arena, A, PortRequest("tcp", 80))
    start = first.host_port
    wanted = PortRequest("tcp", 81, "", start, start + 5)
    (second,) = await arena.service.publish(A, endpoint, [wanted])
    assert start < second.host_port <= start + 5


async def test_host_port_is_held_against_other_programs(arena):
    _, (port,) = await published(arena, A, PortRequest("tcp", 80))
    with pytest.raises(OSError, match="in use"):
        arena.listen(None, port.host_port)


async def test_destroy_gives_everything_back_and_may_be_repeated(arena):
    endpoint, (port,) = await published(arena, A, PortRequest("tcp", 80))
    await arena.service.destroy_sandbox(A)
    await arena.service.destroy_sandbox(A)
    arena.listen(None, port.host_port)
    assert not arena.sandbox(A).exists()
    assert mounts.mounts_below(arena.settings.netns_root) == []
    assert (await joined(arena, B)).ipv4 != endpoint.ipv4  # it rests


async def test_host_and_none_have_members_without_addresses(arena):
    host = await arena.service.get("host")
    endpoint = await arena.service.join(A, "c", EndpointRequest(host.id))
    assert endpoint.ipv4 == ""
    assert await arena.service.publish(A, endpoint, [PortRequest("tcp", 80)]) == ()
    assert set(await arena.service.containers_on(host.id)) == {A}


async def test_everything_works_while_the_daemon_is_away_and_after(arena):
    endpoint, ports = await published(arena, A, PortRequest("tcp", 80))
    server = arena.listen(arena.sandbox(A), 80)
    await arena.service.close()
    arena.reaches(None, ("127.0.0.1", ports[0].host_port), server)
    arena.service = arena.new_service()
    await arena.service.start()
    arena.reaches(None, ("127.0.0.1", ports[0].host_port), server)
    stray = arena.sandbox("e" * 64)
    stray.touch()
    await arena.service.restore(A, [endpoint], ports)
    await arena.service.finish_restore()
    assert not stray.exists()
    arena.reaches(None, ("127.0.0.1", ports[0].host_port), server)
    other = await joined(arena, B)
    assert other.ipv4 != endpoint.ipv4
    with pytest.raises(PortAllocated):
        await arena.service.publish(B, other, [PortRequest("tcp", 1, "", ports[0].host_port)])


async def test_stale_rules_are_gone_after_a_restart(arena):
    _, (port,) = await published(arena, A, PortRequest("tcp", 80))
    await arena.service.close()
    arena.service = arena.new_service()
    await arena.service.start()
    await arena.service.finish_restore()
    with Nft() as nft:
        (found,) = nft.list(f"map ip {arena.settings.table_name} ports")
    assert "elem" not in found["map"]
    arena.listen(None, port.host_port)


async def test_restore_without_namespace_says_so(arena):
    endpoint = await joined(arena, A)
    await arena.service.destroy_sandbox(A)
    with pytest.raises(NotFound, match="gone"):
        await arena.service.restore(A, [endpoint], ())


async def test_firewall_is_back_after_someones_flush(arena):
    _, (port,) = await published(arena, A, PortRequest("tcp", 80))
    server = arena.listen(arena.sandbox(A), 80)
    with Nft() as nft:  # from another thread than the service's: a stranger
        nft.run(f"delete table ip {arena.settings.table_name}")
        with pytest.raises(OSError):
            arena.connect(None, ("127.0.0.1", port.host_port))
        await asyncio.sleep(1.0)
    arena.reaches(None, ("127.0.0.1", port.host_port), server)


def _rules_of(arena, nft: Nft, table: str) -> list[str]:
    """Comments of our rules there; other engines on the machine put theirs in as well."""
    comments = [
        entry["rule"].get("comment", "")
        for entry in nft.list(f"chain ip {table} DOCKER-USER")
        if "rule" in entry
    ]
    return [text for text in comments if text == f"sampan:{arena.settings.table_name}"]


async def test_foreign_forward_policy_is_opened_for_us_and_closed_again(arena, outside):
    table = f"foreign_{arena.settings.table_name}"
    with Nft() as nft:
        nft.run(
            f"table ip {table} {{\n chain DOCKER-USER {{\n }}\n chain FORWARD {{\n"
            "  type filter hook forward priority 0; policy drop;\n  jump DOCKER-USER\n }\n}\n"
        )
        try:
            await asyncio.sleep(1.0)
            await joined(arena, A)
            server = arena.listen(outside.path, 7000)
            arena.reaches(arena.sandbox(A), (outside.address, 7000), server)
            rules = _rules_of(arena, nft, table)
            assert len(rules) == 2
            await arena.service.close(remove=True)
            rules = _rules_of(arena, nft, table)
            assert rules == []
        finally:
            nft.run(f"delete table ip {table}")
    arena.service = arena.new_service()
    await arena.service.start()


async def test_new_ports_work_before_the_restore_is_finished(arena):
    endpoint, (old,) = await published(arena, A, PortRequest("tcp", 80))
    server_of_old = arena.listen(arena.sandbox(A), 80)
    await arena.service.close()
    arena.service = arena.new_service()
    await arena.service.start()
    await arena.service.restore(A, [endpoint], [old])
    _, (new,) = await published(arena, B, PortRequest("tcp", 80, "", old.host_port + 1))
    server = arena.listen(arena.sandbox(B), 80)
    arena.reaches(None, ("127.0.0.1", new.host_port), server)
    arena.reaches(None, ("127.0.0.1", old.host_port), server_of_old)


async def test_connections_that_linger_dont_keep_a_port_from_us(arena):
    earlier = arena.listen(None, 0)
    port = earlier.getsockname()[1]
    client = arena.connect(None, ("127.0.0.1", port))
    accepted, _ = earlier.accept()
    accepted.close()  # the side that closes first keeps the port in TIME_WAIT
    client.close()
    earlier.close()
    _, ports = await published(arena, A, PortRequest("tcp", 80, "", port))
    assert ports[0].host_port == port
    arena.reaches(None, ("127.0.0.1", port), arena.listen(arena.sandbox(A), 80))
