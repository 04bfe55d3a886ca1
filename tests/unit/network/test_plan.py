from dataclasses import replace
from ipaddress import ip_network

import pytest

from sampan.errors import Denied, Internal, InvalidArgument, NotFound, Unavailable
from sampan.network.endpoints import check_request, dns_names, gateway_endpoint, interface_name
from sampan.network.model import (
    OPTION_BRIDGE_NAME,
    OPTION_IFACE_PREFIX,
    OPTION_IFNAME,
    OPTION_PARENT,
    Endpoint,
    EndpointRequest,
    Network,
    NetworkSpec,
    Pool,
)
from sampan.network.plan import plan_network

POOLS = (("10.80.0.0/16", 24),)


def plan(ours=(), host=(), bridges=None, **asked):
    return plan_network(
        NetworkSpec("n", **asked),
        created_ns=5,
        ours=[ip_network(text) for text in ours],
        host=[ip_network(text) for text in host],
        default_pools=POOLS,
        bridges=bridges or {},
    )


def test_what_is_left_open_is_chosen_around_host_and_other_networks():
    network = plan(ours=["10.80.0.0/24"], host=["10.80.1.0/28"])
    assert network.pools == (Pool("10.80.2.0/24", "10.80.2.1"),)
    assert network.bridge_name == f"br-{network.id[:12]}"
    assert not network.user_subnet


def test_what_was_asked_for_is_kept():
    network = plan(pools=(Pool("10.1.0.0/24", "10.1.0.7"),), options={OPTION_BRIDGE_NAME: "mine"})
    assert network.pools == (Pool("10.1.0.0/24", "10.1.0.7"),)
    assert (network.bridge_name, network.user_subnet) == ("mine", True)


def test_ipv6_gets_a_local_subnet_unless_one_is_given():
    four, six = plan(enable_ipv6=True).pools
    assert (ip_network(four.subnet).version, ip_network(six.subnet).prefixlen) == (4, 64)
    assert six.subnet.startswith("fd")
    assert len(plan(enable_ipv6=True, pools=(Pool("fd00:9::/64"),)).pools) == 2


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"driver": "nosuch"}, NotFound),
        ({"driver": "host"}, Denied),
        ({"driver": "overlay"}, Unavailable),
        ({"enable_ipv4": False}, InvalidArgument),
        ({"pools": (Pool("10.0.0.0/24"), Pool("10.0.1.0/24"))}, Denied),
        ({"pools": (Pool("10.0.0.0/24", "10.0.0.0"),)}, Internal),
        ({"pools": (Pool("10.0.0.0/24", aux={"r": "10.0.0.1"}),)}, Internal),
        ({"ipam_driver": "nosuch"}, InvalidArgument),
        ({"options": {OPTION_BRIDGE_NAME: "a name too long for one"}}, InvalidArgument),
        ({"pools": (Pool(gateway="10.0.0.1"),)}, InvalidArgument),
    ],
)
def test_impossible_networks_are_refused(asked, kind):
    with pytest.raises(kind):
        plan(**asked)


def test_two_networks_have_not_the_same_bridge():
    with pytest.raises(Denied, match=r"conflicts with network abc \(mine\): networks have same"):
        plan(bridges={"mine": "abc"}, options={OPTION_BRIDGE_NAME: "mine"})


def test_macvlan_hangs_on_its_parent_or_on_a_device_of_its_own():
    lan = plan(driver="macvlan", options={OPTION_PARENT: "eth0.7"})
    assert (lan.bridge_name, lan.leads_outside, lan.user_defined) == ("eth0.7", True, True)
    alone = plan(driver="macvlan", pools=(Pool("10.0.0.0/24"), Pool("10.0.1.0/24")))
    assert (alone.bridge_name, alone.leads_outside) == (f"dm-{alone.id[:12]}", False)


def test_ipv6_subnet_without_ipv6_stays_unused():
    network = plan(ours=["fd00:9::/64"], pools=(Pool("fd00:9::/64"),))
    assert network.pools[1] == Pool("fd00:9::/64")
    assert network.live_pools == network.pools[:1]
    assert not network.user_subnet


def test_subnets_of_ours_must_not_overlap_those_of_the_host_may():
    asked = (Pool("10.0.0.0/24"),)
    assert plan(pools=asked, host=["10.0.0.0/8"]).pools[0].subnet == "10.0.0.0/24"
    with pytest.raises(Denied, match="Pool overlaps"):
        plan(pools=asked, ours=["10.0.0.0/8"])


USER = Network("i", "n", "bridge", 0, pools=(Pool("10.0.0.0/24"),), user_subnet=True)
DEFAULT = Network("i", "bridge", "bridge", 0, pools=(Pool("10.0.0.0/24"),))


def test_names_are_unique_and_only_in_user_defined_networks():
    assert dns_names(USER, "a" * 64, "web", ["x", "web"], "a" * 12) == ("web", "x", "a" * 12)
    assert dns_names(DEFAULT, "a" * 64, "web", [], "") == ()


def test_all_reasons_against_a_request_are_told():
    check_request(USER, EndpointRequest("i", ("x",), "10.0.0.9", mac="02:00:00:00:00:01"))
    with pytest.raises(InvalidArgument) as failure:
        check_request(USER, EndpointRequest("i", ipv4="10.0.1.9", mac="nosense"))
    assert "no configured subnet contains" in failure.value.message
    assert "invalid MAC address" in failure.value.message


def test_lowest_free_interface_and_best_gateway():
    one = Endpoint("1", "n1", "b", interface="eth0", gateway="10.0.0.1")
    two = Endpoint("2", "n2", "a", interface="eth2", gateway="10.0.1.1")
    dead_end = Endpoint("3", "n3", "0", interface="eth3")
    assert interface_name([one, two], USER, EndpointRequest("i")) == "eth1"
    prefixed = replace(USER, options={OPTION_IFACE_PREFIX: "lan"})
    assert interface_name([one, two], prefixed, EndpointRequest("i")) == "lan0"
    named = EndpointRequest("i", driver_opts={OPTION_IFNAME: "wan"})
    assert interface_name([one, two], prefixed, named) == "wan"
    assert gateway_endpoint([one, two, dead_end]) is two
    preferred = Endpoint("4", "n4", "z", gateway="10.0.2.1", gw_priority=1)
    assert gateway_endpoint([one, two, preferred]) is preferred
    assert gateway_endpoint([dead_end]) is None
