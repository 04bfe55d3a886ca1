"""Ipvlan networks. Where the kernel has no such interfaces, what is said and left then."""

import os
import struct

import pytest

from sampan.errors import Internal, InvalidArgument, Unsupported
from sampan.linux import namespaces, rtmessages
from sampan.linux.netlink import Netlink
from sampan.linux.rtmessages import NetlinkError
from sampan.network import sandbox
from sampan.network.model import (
    OPTION_IPVLAN_FLAG,
    OPTION_IPVLAN_MODE,
    OPTION_PARENT,
    EndpointRequest,
    NetworkSpec,
    Pool,
)

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

A, B = "a" * 64, "b" * 64
TAG = f"st{os.getpid() % 100000}"
PARENT, WIRE, PROBE = f"{TAG}ip", f"{TAG}iw", f"{TAG}ix"


@pytest.fixture
def lan():
    """An interface of the host with a wire in it that leads nowhere."""
    with Netlink() as netlink:
        netlink.execute(*rtmessages.create_veth_pair(PARENT, WIRE))
        yield PARENT
        link = netlink.find_link(PARENT)
        if link:
            netlink.execute(rtmessages.delete_link(link.index))


@pytest.fixture
def kernel_has_it(lan):
    """Asked with the same request that is tested, in the namespace of the test."""
    netns = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        with Netlink() as netlink:
            parent = netlink.get_link(lan).index
            probe = rtmessages.Ipvlan(name=PROBE, parent=parent, netns=netns)
            netlink.execute(rtmessages.create_ipvlan(probe))
            netlink.execute(rtmessages.delete_link(netlink.get_link(PROBE).index))
            return True
    except NetlinkError:
        return False
    finally:
        os.close(netns)


async def create(arena, name="i", subnet="10.217.0.0/24", **options):
    pools = (Pool(subnet), Pool("fd00:217::/64")) if name == "i" else (Pool(subnet),)
    spec = NetworkSpec(name, driver="ipvlan", enable_ipv6=name == "i", pools=pools, options=options)
    return await arena.service.create(spec)


async def joined(arena, container_id, network, **request):
    await arena.service.create_sandbox(container_id)
    asked = EndpointRequest(network.id, **request)
    return await arena.service.join(container_id, container_id[:3], asked)


def routes_in(path):
    with namespaces.entered_path(path), Netlink() as inside:
        return [
            str(way.gateway)
            for version in (4, 6)
            for way in inside.routes(version)
            if not way.destination.prefixlen
        ]


@pytest.mark.parametrize(
    ("mode", "gateways"),
    [("l2", ["10.217.0.1", "fd00:217::1"]), ("l3", ["None", "None"]), ("l3s", ["None", "None"])],
)
async def test_containers_on_one_parent_reach_each_other(arena, lan, kernel_has_it, mode, gateways):
    network = await create(arena, **{OPTION_PARENT: lan, OPTION_IPVLAN_MODE: mode})
    if not kernel_has_it:
        with pytest.raises(Unsupported, match="failed to create the ipvlan port"):
            await joined(arena, A, network, ipv4="10.217.0.9")
        with pytest.raises(Unsupported):  # the address is free again
            await joined(arena, A, network, ipv4="10.217.0.9")
    else:
        first, second = [await joined(arena, one, network) for one in (A, B)]
        assert (first.ipv4, first.mac, first.driver) == ("10.217.0.2", "", "ipvlan")
        server = arena.listen(arena.sandbox(B), 7000)
        assert arena.reaches(arena.sandbox(A), (second.ipv4, 7000), server) == first.ipv4
        assert routes_in(arena.sandbox(A)) == gateways
        await arena.service.leave(A, network.id)
        await arena.service.leave(B, network.id)
    await arena.service.remove(network.id)
    with Netlink() as netlink:
        assert netlink.find_link(lan)


async def test_without_a_parent_the_network_is_alone(arena):
    network = await create(arena, OPTION_IPVLAN_MODE="l3")
    assert network.bridge_name == f"di-{network.id[:12]}"
    with Netlink() as netlink:
        assert netlink.find_link(network.bridge_name)
        await arena.service.remove(network.id)
        assert netlink.find_link(network.bridge_name) is None


async def test_a_parent_has_one_driver_and_one_mode(arena, lan):
    first = await create(arena, **{OPTION_PARENT: lan, OPTION_IPVLAN_MODE: "l3"})
    said = f"network di-{first.id[:12]} is already using parent interface {lan}"
    with pytest.raises(Internal, match=said):
        await create(arena, "j", "10.218.0.0/24", **{OPTION_PARENT: lan})
    with pytest.raises(Internal, match=said):
        pools = (Pool("10.218.0.0/24"),)
        options = {OPTION_PARENT: lan}
        await arena.service.create(NetworkSpec("m", driver="macvlan", pools=pools, options=options))
    await create(arena, "k", "10.219.0.0/24", **{OPTION_PARENT: lan, OPTION_IPVLAN_MODE: "l3"})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({OPTION_IPVLAN_MODE: "l4"}, "requested ipvlan mode 'l4' is not valid"),
        ({OPTION_IPVLAN_FLAG: "odd"}, "requested ipvlan flag 'odd' is not valid"),
        ({OPTION_PARENT: "lo"}, "loopback interface is not a valid ipvlan parent link"),
    ],
)
async def test_refused(arena, options, said):
    with pytest.raises(InvalidArgument, match=said):
        await create(arena, **options)


async def test_a_mac_of_ones_own_is_refused(arena, lan):
    network = await create(arena, **{OPTION_PARENT: lan})
    with pytest.raises(InvalidArgument, match="do not support custom mac address"):
        await joined(arena, A, network, mac="02:00:00:00:00:01")


async def test_a_way_out_needs_no_gateway(arena):
    """The default route of mode l3, on an interface that every kernel has."""
    await arena.service.create_sandbox(A)
    network = await arena.service.get("bridge")
    await arena.service.join(A, "a", EndpointRequest(network.id))
    sandbox.set_gateways(arena.sandbox(A), "eth0", ["0.0.0.0"])
    assert routes_in(arena.sandbox(A)) == ["None"]


def test_the_request_is_what_the_kernel_reads():
    """IFLA_IPVLAN_MODE and IFLA_IPVLAN_FLAGS are 16 bit wide (<linux/if_link.h>)."""
    link = rtmessages.Ipvlan(name="eth0", parent=7, netns=9, mode="l3s", flag="private", mtu=1400)
    values = dict(rtmessages.attributes(rtmessages.create_ipvlan(link).body, 16))
    assert (values[5], values[28], values[4]) == tuple(struct.pack("=I", n) for n in (7, 9, 1400))
    assert 1 not in values  # no MAC
    info = dict(rtmessages.attributes(values[18]))
    assert info[1] == b"ipvlan\0"
    data = dict(rtmessages.attributes(info[2]))
    assert data == {1: struct.pack("=H", 2), 2: struct.pack("=H", 1)}
