import pytest

from sampan.swarm.allocator.addresses import Addresses, AddressesExhausted
from sampan.swarm.allocator.subnets import PoolsExhausted, SubnetOverlaps, allocated
from sampan.swarm.model import Cluster, Network
from sampan.wire.networks import IPAMConfig, IPAMView
from sampan.wire.swarm import SwarmSpec


def _asking(subnet: str, gateway: str = "") -> Network:
    config = IPAMConfig(Subnet=subnet, Gateway=gateway)
    return Network(id="asked", name="asked", ipam=IPAMView(Config=[config]))


def _has(subnet: str, vni: int = 4096) -> Network:
    return Network(id=subnet, name=subnet, subnets=(subnet,), gateways=("",), vni=vni)


def test_pools_and_sizes_of_the_cluster_are_used_in_order() -> None:
    cluster = Cluster(
        id="c", spec=SwarmSpec(), address_pools=("172.20.0.0/25", "172.30.0.0/24"), subnet_size=26
    )
    others: list[Network] = []
    for number in range(6):
        made = allocated(Network(id=str(number), name=str(number)), others, cluster)
        others.append(made)
    assert [each.subnets[0] for each in others] == [
        "172.20.0.0/26",
        "172.20.0.64/26",
        *(f"172.30.0.{start}/26" for start in (0, 64, 128, 192)),
    ]
    with pytest.raises(PoolsExhausted):
        allocated(Network(id="7", name="7"), others, cluster)


def test_a_subnet_that_was_asked_for_is_taken_or_refused() -> None:
    made = allocated(_asking("10.5.0.0/16", "10.5.0.9"), [_has("10.0.0.0/24")], None)
    assert (made.subnets, made.gateways, made.vni) == (("10.5.0.0/16",), ("10.5.0.9",), 4097)
    with pytest.raises(SubnetOverlaps):
        allocated(_asking("10.0.0.128/25"), [_has("10.0.0.0/24")], None)


def test_addresses_go_round_before_one_is_given_again() -> None:
    network = Network(id="n", name="n", subnets=("10.0.0.0/29",), gateways=("10.0.0.1",), vni=4096)
    addresses = Addresses()
    addresses.put_network(network)
    assert [addresses.give(f"o{n}", network) for n in range(3)] == [
        "10.0.0.2/29",
        "10.0.0.3/29",
        "10.0.0.4/29",
    ]
    assert addresses.release("o0") == ["n"]
    assert [addresses.give(f"p{n}", network) for n in range(3)] == [
        "10.0.0.5/29",
        "10.0.0.6/29",
        "10.0.0.2/29",
    ]
    with pytest.raises(AddressesExhausted):
        addresses.give("q", network)
    assert not addresses.hold("other", "n", "10.0.0.3/29")
    assert addresses.hold("o1", "n", "10.0.0.3/29")
