from ipaddress import ip_address, ip_network

import pytest

from sampan.network.ipam import (
    REST_S,
    AddressInUse,
    AddressPool,
    PoolExhausted,
    check_pool,
    choose_subnet,
    first_address,
)
from sampan.network.model import DEFAULT_ADDRESS_POOLS, Pool


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def pool(subnet="10.0.0.0/29", **facts):
    return AddressPool(ip_network(subnet), **facts)


def test_addresses_count_up_and_leave_out_network_and_broadcast():
    addresses = pool()
    assert [str(addresses.allocate()) for _ in range(6)] == [f"10.0.0.{n}" for n in range(1, 7)]
    with pytest.raises(PoolExhausted, match="no available IPv4 addresses"):
        addresses.allocate()


def test_released_address_rests_then_is_the_lowest_again():
    clock = Clock()
    addresses = pool(clock=clock)
    first, second = addresses.allocate(), addresses.allocate()
    addresses.release(first)
    assert addresses.allocate() == second + 1
    clock.now += REST_S
    assert addresses.allocate() == first


def test_resting_addresses_are_used_when_nothing_else_is_left():
    clock = Clock()
    addresses = pool(clock=clock)
    taken = [addresses.allocate() for _ in range(6)]
    addresses.release(taken[4])
    clock.now += 0.1
    addresses.release(taken[1])
    assert [addresses.allocate(), addresses.allocate()] == [taken[4], taken[1]]


def test_claim_takes_a_resting_address_at_once_but_not_a_used_one():
    addresses = pool()
    address = addresses.allocate()
    with pytest.raises(AddressInUse, match="Address already in use"):
        addresses.claim(address)
    addresses.release(address)
    addresses.claim(address)
    with pytest.raises(AddressInUse):
        addresses.claim(ip_address("10.0.0.7"))


def test_range_narrows_allocation_not_claims():
    addresses = pool("10.0.0.0/24", ip_range=ip_network("10.0.0.64/30"))
    addresses.claim(ip_address("10.0.0.9"))
    assert [str(addresses.allocate()) for _ in range(4)] == [f"10.0.0.{n}" for n in range(64, 68)]
    with pytest.raises(PoolExhausted):
        addresses.allocate()


def test_point_to_point_subnets_use_both_addresses():
    addresses = pool("10.0.0.0/31")
    assert [str(addresses.allocate()) for _ in range(2)] == ["10.0.0.0", "10.0.0.1"]


def test_subnet_is_the_first_that_overlaps_nothing():
    taken = [ip_network("172.17.0.0/16"), ip_network("172.18.3.0/24"), ip_network("fd00::/8")]
    assert str(choose_subnet(DEFAULT_ADDRESS_POOLS, taken)) == "172.19.0.0/16"


def test_default_gateway_is_first_of_range_or_subnet():
    subnet = ip_network("10.1.0.0/16")
    assert str(first_address(subnet, None)) == "10.1.0.1"
    assert str(first_address(subnet, ip_network("10.1.5.0/24"))) == "10.1.5.0"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (Pool("10.0.0.1/24"), "invalid subnet 10.0.0.1/24: it should be 10.0.0.0/24"),
        (Pool("10.0.0.0"), "invalid subnet 10.0.0.0: invalid CIDR block notation"),
        (Pool("nosense/24"), "invalid subnet nosense/24: invalid CIDR block notation"),
        (
            Pool("10.0.0.0/24", "10.0.1.1"),
            "invalid gateway 10.0.1.1: parent subnet 10.0.0.0/24 doesn't contain this address",
        ),
        (
            Pool("10.0.0.0/24", ip_range="10.0.0.0/16"),
            "invalid ip-range 10.0.0.0/16: CIDR block is bigger than its parent subnet 10.0.0.0/24",
        ),
        (
            Pool("10.0.0.0/24", aux={"a": "fe80::1"}),
            "invalid auxiliary address a: parent subnet is an IPv4 block",
        ),
        (Pool(gateway="10.0.0.1"), "invalid subnet : invalid CIDR block notation"),
        (
            Pool("10.0.0.0/24", ip_range="10.0.1.0/25"),
            "invalid ip-range 10.0.1.0/25: parent subnet 10.0.0.0/24 doesn't contain ip-range",
        ),
    ],
)
def test_wrong_pools_are_told_in_dockers_words(asked, reason):
    assert check_pool(asked, ipv6=True) == [reason]


@pytest.mark.parametrize(
    "pool",
    [
        Pool("10.0.0.0/24", "10.0.0.254", "10.0.0.128/25", {"a": "10.0.0.9"}),
        Pool("fd00:1::/64", "fd00:1::1"),
        Pool("fd00:1::/64", ip_range="fd00:1::0/96"),  # its own spelling
    ],
)
def test_right_pools_pass(pool):
    assert check_pool(pool, ipv6=True) == []


def test_ipv6_pools_are_not_looked_at_while_ipv6_is_off():
    assert check_pool(Pool("fd00:1::/64", "fd00:2::1"), ipv6=False) == []
