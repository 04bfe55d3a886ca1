"""What a new network will be: checks of a request and choices for what it leaves open. Pure."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network

from sampan.errors import Denied, InvalidArgument, NotFound, Unavailable
from sampan.lib.ids import random_id, short
from sampan.network.ipam import Net, check_pool, choose_subnet, first_address, overlapping
from sampan.network.model import (
    BRIDGE,
    DRIVERS,
    OPTION_BRIDGE_NAME,
    PREDEFINED,
    InvalidNetwork,
    Network,
    NetworkSpec,
    Pool,
)

_INTERFACE_NAME = re.compile(r"[^\s/:]{1,15}")


def check_spec(spec: NetworkSpec) -> None:
    """Raises for a request that can't be right whatever else exists."""
    if not spec.name.strip():
        raise InvalidArgument("invalid network name: name is empty")
    if spec.name in PREDEFINED:
        raise Denied(f"operation is not permitted on predefined {spec.name} network ")
    if spec.driver == "overlay":
        raise Unavailable(
            'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join"'
            " to connect this node to swarm and try again."
        )
    if spec.driver not in DRIVERS:
        raise NotFound(
            f"could not find plugin {spec.driver} in v1 plugin registry: plugin not found"
        )
    if spec.driver != BRIDGE:
        raise Denied(f'only one instance of "{spec.driver}" network is allowed')
    if spec.ipam_driver not in {"", "default"}:
        raise InvalidArgument(f'ipam driver "{spec.ipam_driver}" not found')
    bridge = spec.options.get(OPTION_BRIDGE_NAME)
    if bridge is not None and not _INTERFACE_NAME.fullmatch(bridge):
        raise InvalidArgument(f"invalid bridge name: {bridge}")
    reasons = [reason for pool in spec.pools if pool.subnet for reason in check_pool(pool)]
    reasons += [
        "no subnet for the gateway or ip-range given"
        for pool in spec.pools
        if not pool.subnet and (pool.gateway or pool.ip_range or pool.aux)
    ]
    if reasons:
        raise InvalidNetwork(reasons)


def plan_network(
    spec: NetworkSpec,
    *,
    created_ns: int,
    ours: Sequence[Net],
    host: Sequence[Net],
    default_pools: Sequence[tuple[str, int]],
) -> Network:
    """`ours` are the subnets of existing networks, `host` what the machine itself uses."""
    check_spec(spec)
    identifier = random_id()
    asked = [pool for pool in spec.pools if pool.subnet]
    for pool in asked:
        if overlapping(ip_network(pool.subnet), ours):
            raise Denied("invalid pool request: Pool overlaps with other one on this address space")
    versions = {ip_network(pool.subnet).version for pool in asked}
    pools = list(asked)
    if spec.enable_ipv4 and 4 not in versions:
        pools.insert(0, Pool(subnet=str(choose_subnet(default_pools, [*ours, *host]))))
    if spec.enable_ipv6 and 6 not in versions:
        pools.append(Pool(subnet=str(_local_ipv6_subnet())))
    return Network(
        id=identifier,
        name=spec.name,
        driver=spec.driver,
        created_ns=created_ns,
        internal=spec.internal,
        attachable=spec.attachable,
        ingress=spec.ingress,
        enable_ipv4=spec.enable_ipv4,
        enable_ipv6=spec.enable_ipv6 or 6 in versions,
        pools=tuple(complete(pool) for pool in pools),
        options=spec.options,
        labels=spec.labels,
        ipam_driver=spec.ipam_driver or "default",
        ipam_options=spec.ipam_options,
        bridge_name=spec.options.get(OPTION_BRIDGE_NAME) or f"br-{short(identifier)}",
        user_subnet=bool(asked),
    )


def complete(pool: Pool) -> Pool:
    """With a gateway: the first address of the pool unless one was asked for."""
    subnet = ip_network(pool.subnet)
    ip_range = ip_network(pool.ip_range) if pool.ip_range else None
    gateway = pool.gateway or str(first_address(subnet, ip_range))
    return replace(pool, gateway=str(ip_address(gateway)))


def _local_ipv6_subnet() -> Net:
    """A random unique local /64 (RFC 4193)."""
    return ip_network((b"\xfd" + secrets.token_bytes(5) + bytes(10), 64))
