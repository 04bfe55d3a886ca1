"""Subnets and VXLAN ids of the cluster's overlay networks.

A network gets the subnets that it was created with, or the first free piece of the cluster's pools
(10.0.0.0/8 in pieces of /24: ingress, made first, has 10.0.0.0/24). Gateways are the first
addresses unless asked for. VXLAN ids count from 4096, the lowest free first.
"""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

import msgspec

from sampan.errors import InvalidArgument, Unavailable
from sampan.swarm.model import Cluster, Network, new_id
from sampan.wire.networks import IPAMConfig, IPAMView

FIRST_VNI = 4096
LAST_VNI = 2**24 - 1
OVERLAY = "overlay"
INGRESS_NAME = "ingress"

Subnet = IPv4Network | IPv6Network


class PoolsExhausted(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "could not find an available, non-overlapping IPv4 address pool among "
            "the defaults to assign to the network"
        )


class SubnetOverlaps(InvalidArgument):
    def __init__(self, subnet: Subnet) -> None:
        super().__init__(
            f"invalid pool request: Pool overlaps with other one on this address space: {subnet}"
        )


def ingress_network() -> Network:
    """The network of the routing mesh, as it is created with the cluster."""
    return Network(
        id=new_id(),
        name=INGRESS_NAME,
        driver=OVERLAY,
        ingress=True,
        ipam=IPAMView(),
        internal=False,
    )


def is_allocated(network: Network) -> bool:
    return bool(network.vni and network.subnets)


def needs_allocation(network: Network) -> bool:
    """Networks of other drivers have their addresses from the nodes."""
    return network.driver in {"", OVERLAY} and not is_allocated(network)


def allocated(network: Network, others: Iterable[Network], cluster: Cluster | None) -> Network:
    """The network with its subnets, gateways and id. Raises when there is none left."""
    others = [other for other in others if other.id != network.id]
    taken = [ip_network(text) for other in others for text in other.subnets]
    asked = [each for each in (network.ipam.Config or () if network.ipam else ()) if each.Subnet]
    if asked:
        pairs = [_as_asked(each, taken) for each in asked]
    else:
        subnet = _free_subnet(cluster, taken)
        pairs = [(str(subnet), f"{subnet.network_address + 1}")]
    return msgspec.structs.replace(
        network,
        vni=network.vni or free_vni(other.vni for other in others),
        subnets=tuple(subnet for subnet, _ in pairs),
        gateways=tuple(gateway for _, gateway in pairs),
    )


def free_vni(taken: Iterable[int]) -> int:
    used = set(taken)
    return next(vni for vni in range(FIRST_VNI, LAST_VNI + 1) if vni not in used)


def _as_asked(asked: IPAMConfig, taken: Sequence[Subnet]) -> tuple[str, str]:
    subnet = ip_network(asked.Subnet, strict=False)
    if any(_overlap(subnet, other) for other in taken):
        raise SubnetOverlaps(subnet)
    return str(subnet), asked.Gateway or str(subnet.network_address + 1)


def _free_subnet(cluster: Cluster | None, taken: Sequence[Subnet]) -> Subnet:
    used = sorted((each for each in taken if each.version == 4), key=lambda each: int(each[0]))
    for candidate in _pieces(cluster):
        if not any(_overlap(candidate, other) for other in used):
            return candidate
    raise PoolsExhausted


def _pieces(cluster: Cluster | None) -> Iterator[Subnet]:
    pools = cluster.address_pools if cluster else ("10.0.0.0/8",)
    size = cluster.subnet_size if cluster else 24
    for text in pools:
        pool = ip_network(text, strict=False)
        yield from pool.subnets(new_prefix=max(size, pool.prefixlen))


def _overlap(one: Subnet, other: Subnet) -> bool:
    if isinstance(one, IPv4Network) and isinstance(other, IPv4Network):
        return one.overlaps(other)
    if isinstance(one, IPv6Network) and isinstance(other, IPv6Network):
        return one.overlaps(other)
    return False
