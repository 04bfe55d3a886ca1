"""Macvlan networks: on an interface of the host, on nothing, and what is refused."""

import os

import pytest

from sampan.errors import Internal, InvalidArgument, SampanError
from sampan.linux import namespaces, rtmessages
from sampan.linux.netlink import Netlink
from sampan.network.model import (
    OPTION_IFACE_PREFIX,
    OPTION_MACVLAN_MODE,
    OPTION_PARENT,
    EndpointRequest,
    NetworkSpec,
    Pool,
    PortRequest,
)

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

A, B = "a" * 64, "b" * 64
TAG = f"st{os.getpid() % 100000}"  # as the arena: what is left of it fails the test
PARENT, WIRE = f"{TAG}mp", f"{TAG}mw"


@pytest.fixture
def lan():
    """An interface of the host with a wire in it that leads nowhere."""
    with Netlink() as netlink:
        netlink.execute(*rtmessages.create_veth_pair(PARENT, WIRE))
        yield PARENT
        link = netlink.find_link(PARENT)
        if link:
            netlink.execute(rtmessages.delete_link(link.index))


async def create(arena, name="m", subnet="10.215.0.0/24", **options):
    spec = NetworkSpec(name, driver="macvlan", pools=(Pool(subnet),), options=options)
    return await arena.service.create(spec)


async def joined(arena, container_id, network, **request):
    await arena.service.create_sandbox(container_id)
    asked = EndpointRequest(network.id, **request)
    return await arena.service.join(container_id, container_id[:3], asked)


def exists(name):
    with Netlink() as netlink:
        return netlink.find_link(name) is not None


async def test_containers_on_one_parent_reach_each_other(arena, lan):
    network = await create(arena, **{OPTION_PARENT: lan})
    first, second = [await joined(arena, one, network) for one in (A, B)]
    assert (first.ipv4, first.gateway, first.driver) == ("10.215.0.2", "10.215.0.1", "macvlan")
    assert first.mac == "02:42:0a:d7:00:02"
    server = arena.listen(arena.sandbox(B), 7000)
    assert arena.reaches(arena.sandbox(A), (second.ipv4, 7000), server) == first.ipv4
    with namespaces.entered_path(arena.sandbox(A)), Netlink() as inside:
        assert inside.get_link("eth0").kind == "macvlan"
        assert [str(r.gateway) for r in inside.routes() if not r.destination.prefixlen] == [
            "10.215.0.1"
        ]
    assert await arena.service.publish(A, first, [PortRequest("tcp", 80)]) == ()
    await arena.service.leave(A, network.id)
    await arena.service.leave(B, network.id)
    with namespaces.entered_path(arena.sandbox(A)), Netlink() as inside:
        assert inside.find_link("eth0") is None
    await arena.service.remove(network.id)
    assert exists(lan)


async def test_static_address_serves_the_next_container_at_once(arena, lan):
    network = await create(arena, **{OPTION_PARENT: lan})
    for _ in range(3):
        assert (await joined(arena, A, network, ipv4="10.215.0.9")).ipv4 == "10.215.0.9"
        await arena.service.destroy_sandbox(A)


async def test_without_a_parent_the_network_is_alone(arena):
    network = await create(arena)
    assert network.bridge_name == f"dm-{network.id[:12]}"
    first, second = [await joined(arena, one, network) for one in (A, B)]
    assert (first.gateway, network.internal) == ("", False)
    server = arena.listen(arena.sandbox(B), 7000)
    assert arena.reaches(arena.sandbox(A), (second.ipv4, 7000), server) == first.ipv4
    for one in (A, B):
        await arena.service.destroy_sandbox(one)
    await arena.service.remove(network.id)
    assert not exists(network.bridge_name)


async def test_endpoints_survive_a_restart(arena, lan):
    network = await create(arena, **{OPTION_PARENT: lan})
    endpoint = await joined(arena, A, network)
    await arena.service.close()
    arena.service = arena.new_service()
    await arena.service.start()
    await arena.service.restore(A, [endpoint], ())
    await arena.service.finish_restore()
    assert (await joined(arena, B, network)).ipv4 == "10.215.0.3"
    server = arena.listen(arena.sandbox(A), 80)
    arena.reaches(arena.sandbox(B), (endpoint.ipv4, 80), server)


async def test_second_interface_beside_a_bridge(arena, lan):
    network = await create(arena, **{OPTION_PARENT: lan, OPTION_IFACE_PREFIX: "lan"})
    bridge = await joined(arena, A, await arena.service.get("bridge"))
    second = await arena.service.join(A, "a", EndpointRequest(network.id, gw_priority=-1))
    assert (bridge.interface, second.interface) == ("eth0", "lan0")


async def test_ipv6_on_the_lan(arena, lan):
    pool = Pool("fd00:216::/64")
    options = {OPTION_PARENT: lan}
    spec = NetworkSpec("m", driver="macvlan", enable_ipv6=True, pools=(pool,), options=options)
    network = await arena.service.create(spec)
    await joined(arena, A, network)
    other = await joined(arena, B, network)
    server = arena.listen(arena.sandbox(B), 80, "::")
    arena.reaches(arena.sandbox(A), (other.ipv6, 80), server)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({OPTION_PARENT: "nosuch0"}, "invalid subinterface vlan name nosuch0, example formatting"),
        ({OPTION_PARENT: "nosuch0.10"}, "interface was not found on the host: nosuch0"),
        ({OPTION_PARENT: "eth0.x"}, "unable to parse a valid vlan id from: x"),
        ({OPTION_PARENT: "eth0.5000"}, "vlan id must be between 1-4094, received: 5000"),
        ({OPTION_PARENT: "lo"}, "loopback interface is not a valid macvlan parent link"),
        ({OPTION_MACVLAN_MODE: "odd"}, "requested macvlan mode 'odd' is not valid"),
    ],
)
async def test_refused(arena, options, said):
    with pytest.raises(InvalidArgument, match=said):
        await create(arena, **options)
    assert await arena.service.list() == [
        one for one in await arena.service.list() if one.predefined
    ]


async def test_passthru_has_its_parent_alone(arena, lan):
    first = await create(arena, **{OPTION_PARENT: lan, OPTION_MACVLAN_MODE: "passthru"})
    with pytest.raises(Internal, match=f"network dm-{first.id[:12]} is already using parent"):
        await create(arena, "n", "10.216.0.0/24", **{OPTION_PARENT: lan})


async def test_vlan_interface_is_made_and_removed_where_the_kernel_has_them(arena, lan):
    name = f"{lan}.7"
    try:
        network = await create(arena, **{OPTION_PARENT: name})
    except SampanError as error:
        assert error.message == f"failed to create {name} vlan link: operation not supported"  # noqa: PT017
        return
    second = await create(arena, "n", "10.216.0.0/24", **{OPTION_PARENT: name})
    await arena.service.remove(network.id)
    assert exists(name)
    await arena.service.remove(second.id)
    assert not exists(name)
