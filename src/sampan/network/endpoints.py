"""Decisions about a container's endpoints: checks, names, which one leads outside. Pure."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from sampan.errors import InvalidArgument
from sampan.lib.ids import short
from sampan.network.model import (
    BRIDGE,
    IPVLAN,
    OPTION_IFACE_PREFIX,
    OPTION_IFNAME,
    Endpoint,
    EndpointRequest,
    Network,
    Pool,
)

_INTERFACE_PREFIX = "eth"
_INTERFACE_NAME = re.compile(r"[^\s/:%]{1,15}")
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
_NO_USER_SUBNET = (
    "user specified IP address is supported only when connecting to networks with user configured"
    " subnets"
)


def check_request(network: Network, request: EndpointRequest) -> None:
    """Raises InvalidArgument, in Docker's words, for what `network` can't give."""
    reasons = []
    if request.aliases and not network.user_defined and network.driver == BRIDGE:
        reasons.append("network-scoped aliases are only supported for user-defined networks")
    for text in filter(None, (request.ipv4, request.ipv6)):
        reasons += _check_address(network, text)
    if request.mac and not _MAC.fullmatch(request.mac):
        reasons.append(f"invalid MAC address: address {request.mac}: invalid MAC address")
    if request.mac and network.driver == IPVLAN:
        reasons.append("ipvlan interfaces do not support custom mac address assignment")
    name = request.driver_opts.get(OPTION_IFNAME)
    if name is not None and (not _INTERFACE_NAME.fullmatch(name) or name in {".", "..", "lo"}):
        reasons.append(f'invalid network interface name "{name}"')
    if reasons:
        raise InvalidArgument(
            f"invalid config for network {network.name}: invalid endpoint settings:\n"
            + "\n".join(reasons)
        )


def _check_address(network: Network, text: str) -> list[str]:
    try:
        address = ip_address(text)
    except ValueError:
        return [f"invalid IP address: {text}"]
    if not network.user_defined:
        return ["user specified IP address is supported on user defined networks only"]
    if address.version == 6 and not network.enable_ipv6:  # kept and shown, as the subnet is
        return [] if _contains(network.pools, address) else [_NO_USER_SUBNET]
    if not network.user_subnet:
        return [_NO_USER_SUBNET]
    if not _contains(network.live_pools, address):
        return [f"no configured subnet contains IP address {text}"]
    return []


def _contains(pools: Iterable[Pool], address: IPv4Address | IPv6Address) -> bool:
    return any(address in ip_network(pool.subnet) for pool in pools)


def dns_names(
    network: Network, container_id: str, container_name: str, aliases: Iterable[str], hostname: str
) -> tuple[str, ...]:
    """Everything that resolves to the container in `network`; nothing on the default bridge."""
    if not network.user_defined:
        return ()
    return all_names(container_id, container_name, aliases, hostname)


def all_names(
    container_id: str, container_name: str, aliases: Iterable[str], hostname: str
) -> tuple[str, ...]:
    names = [container_name, *aliases, short(container_id), hostname]
    return tuple({name: None for name in names if name})


def interface_name(
    endpoints: Iterable[Endpoint], network: Network, request: EndpointRequest
) -> str:
    """The one asked for, or the lowest free of eth0, eth1, ..."""
    asked = request.driver_opts.get(OPTION_IFNAME)
    if asked:
        return asked
    prefix = network.options.get(OPTION_IFACE_PREFIX) or _INTERFACE_PREFIX
    taken = {endpoint.interface for endpoint in endpoints}
    number = 0
    while f"{prefix}{number}" in taken:
        number += 1
    return f"{prefix}{number}"


def gateway_endpoint(endpoints: Iterable[Endpoint]) -> Endpoint | None:
    """The one that has the default route: highest priority, then first network name."""
    ways = [
        endpoint
        for endpoint in endpoints
        if endpoint.gateway or endpoint.gateway6 or endpoint.direct
    ]
    return min(ways, key=lambda way: (-way.gw_priority, way.network_name), default=None)


def gateways(endpoint: Endpoint | None) -> list[str]:
    """Of the default routes; the unspecified address where the way out needs none."""
    if endpoint is None:
        return []
    if endpoint.direct:
        return [any_ for any_, own in (("0.0.0.0", endpoint.ipv4), ("::", endpoint.ipv6)) if own]
    return [way for way in (endpoint.gateway, endpoint.gateway6) if way]
