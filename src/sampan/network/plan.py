"""What a new network will be: checks of a request and choices for what it leaves open. Pure."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network

from sampan.errors import Denied, Internal, InvalidArgument, NotFound, Unavailable
from sampan.lib.ids import random_id, short
from sampan.network.ipam import (
    AddressInUse,
    AddressPool,
    Net,
    check_pool,
    choose_subnet,
    first_address,
    overlapping,
)
from sampan.network.model import (
    BRIDGE,
    DRIVERS,
    IPVLAN,
    MACVLAN,
    OPTION_BRIDGE_NAME,
    OPTION_IPVLAN_FLAG,
    OPTION_IPVLAN_MODE,
    OPTION_MACVLAN_MODE,
    OPTION_PARENT,
    PREDEFINED,
    InvalidNetwork,
    Network,
    NetworkSpec,
    Pool,
)
from sampan.network.options import check_options
from sampan.network.parents import lone_parent


def check_spec(spec: NetworkSpec) -> None:
    """Raises for a request that can't be right whatever else exists."""
    if not spec.name.strip():
        raise InvalidArgument("invalid network name: name is empty")
    if spec.name in PREDEFINED:
        raise Denied(f"operation is not permitted on predefined {spec.name} network ")
    _check_driver(spec.driver)
    if spec.ipam_driver not in {"", "default"}:
        raise InvalidArgument(f'ipam driver "{spec.ipam_driver}" not found')
    if not spec.enable_ipv4 and not spec.enable_ipv6:
        raise InvalidArgument("IPv4 or IPv6 must be enabled")
    check_options(spec)
    _check_pools(spec)


def _check_driver(driver: str) -> None:
    if driver == "overlay":
        raise Unavailable(
            'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join"'
            " to connect this node to swarm and try again."
        )
    if driver not in DRIVERS:
        raise NotFound(f"could not find plugin {driver} in v1 plugin registry: plugin not found")
    if driver not in {BRIDGE, MACVLAN, IPVLAN}:
        raise Denied(f'only one instance of "{driver}" network is allowed')


def _check_pools(spec: NetworkSpec) -> None:
    reasons = []
    for pool in spec.pools:
        if pool.subnet or pool.gateway or pool.ip_range or pool.aux:
            reasons += check_pool(pool, ipv6=spec.enable_ipv6)
    if reasons:
        raise InvalidNetwork(reasons)
    versions = [ip_network(pool.subnet).version for pool in spec.pools if pool.subnet]
    if spec.driver == BRIDGE and len(versions) > len(set(versions)):
        raise Denied("bridge driver doesn't support multiple subnets")


def plan_network(
    spec: NetworkSpec,
    *,
    created_ns: int,
    ours: Sequence[Net],
    host: Sequence[Net],
    default_pools: Sequence[tuple[str, int]],
    bridges: Mapping[str, str],
) -> Network:
    """`ours` are the subnets of existing networks, `host` what the machine itself uses.

    `bridges` are the bridges of existing networks, with the networks' ids.
    """
    check_spec(spec)
    identifier = random_id()
    device = _device(spec, identifier, bridges)
    asked = [pool for pool in spec.pools if pool.subnet]
    enabled = {4: spec.enable_ipv4, 6: spec.enable_ipv6}
    live = [pool for pool in asked if enabled[ip_network(pool.subnet).version]]
    for pool in live:
        if overlapping(ip_network(pool.subnet), ours):
            raise Denied("invalid pool request: Pool overlaps with other one on this address space")
    versions = {ip_network(pool.subnet).version for pool in live}
    pools = [complete(pool) if pool in live else pool for pool in asked]
    if spec.enable_ipv4 and 4 not in versions:
        pools.insert(0, complete(Pool(subnet=str(choose_subnet(default_pools, [*ours, *host])))))
    if spec.enable_ipv6 and 6 not in versions:
        pools.append(complete(Pool(subnet=str(local_ipv6_subnet()))))
    return Network(
        id=identifier,
        name=spec.name,
        driver=spec.driver,
        created_ns=created_ns,
        internal=spec.internal,
        attachable=spec.attachable,
        ingress=spec.ingress,
        enable_ipv4=spec.enable_ipv4,
        enable_ipv6=spec.enable_ipv6,
        pools=tuple(pools),
        options=spec.options,
        labels=spec.labels,
        ipam_driver=spec.ipam_driver or "default",
        ipam_options=spec.ipam_options,
        bridge_name=device,
        user_subnet=bool(live),
    )


def _device(spec: NetworkSpec, identifier: str, taken: Mapping[str, str]) -> str:
    """The bridge, or the parent."""
    if spec.driver in {MACVLAN, IPVLAN}:
        return spec.options.get(OPTION_PARENT) or lone_parent(spec.driver, short(identifier))
    name = spec.options.get(OPTION_BRIDGE_NAME) or f"br-{short(identifier)}"
    if name in taken:
        raise Denied(
            f"cannot create network {identifier} ({name}): conflicts with network "
            f"{taken[name]} ({name}): networks have same bridge name"
        )
    return name


def may_share(one: Network, other: Network) -> bool:
    """Whether both may have the same parent. It has one driver, and ipvlan one mode; macvlan's
    passthru takes all of it."""
    if one.driver != other.driver:
        return False
    if one.driver == MACVLAN:
        return "passthru" not in {each.options.get(OPTION_MACVLAN_MODE) for each in (one, other)}
    modes = {
        (each.options.get(OPTION_IPVLAN_MODE) or "l2", each.options.get(OPTION_IPVLAN_FLAG))
        for each in (one, other)
    }
    return len(modes) == 1


def complete(pool: Pool) -> Pool:
    """With a gateway: the first address of the pool unless one was asked for."""
    subnet = ip_network(pool.subnet)
    ip_range = ip_network(pool.ip_range) if pool.ip_range else None
    gateway = ip_address(pool.gateway) if pool.gateway else first_address(subnet, ip_range)
    addresses = AddressPool(subnet)
    try:
        addresses.claim(gateway)
    except AddressInUse as error:
        raise Internal(f"failed to allocate gateway ({gateway}): {error.message}") from error
    for name, text in pool.aux.items():
        try:
            addresses.claim(ip_address(text))
        except AddressInUse as error:
            raise Internal(
                f"failed to allocate secondary ip address ({name}:{text}): {error.message}"
            ) from error
    return replace(pool, gateway=str(gateway))


def local_ipv6_subnet() -> Net:
    """A random unique local /64 (RFC 4193)."""
    return ip_network((b"\xfd" + secrets.token_bytes(5) + bytes(10), 64))
