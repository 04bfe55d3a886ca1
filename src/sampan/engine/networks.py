"""Networks as clients see them: create, inspect, list, remove, prune; with events.

The networks themselves belong to `network.service.NetworkService`; the names of the containers on
them are asked through `ContainerNames`. Connecting and disconnecting containers is
`engine.containers.connect`.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from sampan.engine.events import EventLog
from sampan.errors import InvalidArgument, NotFound
from sampan.lib import gotime
from sampan.network.model import PREDEFINED, Endpoint, Network, NetworkSpec, Pool
from sampan.network.service import NetworkService
from sampan.wire.filters import Filters, InvalidFilter
from sampan.wire.networks import (
    IPAMConfig,
    IPAMView,
    NetworkContainer,
    NetworkCreate,
    NetworkCreated,
    NetworksPruned,
    NetworkView,
)

LIST_FILTERS = ("dangling", "driver", "id", "label", "name", "scope", "type")
PRUNE_FILTERS = ("label", "label!", "until")


class ContainerNames(Protocol):
    """What networks need to know of containers."""

    def name_of(self, container_id: str) -> str:
        """The name without its slash; empty when there is no such container."""

    def networks_in_use(self) -> Mapping[str, Sequence[str]]:
        """Network id -> ids of containers that ask for it, running or not."""


class Networks:
    """The use cases of `docker network`, without connect and disconnect."""

    def __init__(
        self, *, service: NetworkService, containers: ContainerNames, events: EventLog
    ) -> None:
        self._service = service
        self._containers = containers
        self._events = events

    async def create(self, request: NetworkCreate) -> NetworkCreated:
        """Raises Conflict for a name in use, InvalidArgument for what can't be."""
        if not request.Name.strip():
            raise InvalidArgument("network name can not be empty")
        network = await self._service.create(_spec(request))
        self._publish("create", network)
        return NetworkCreated(Id=network.id)

    async def inspect(self, text: str, *, scope: str = "") -> NetworkView:
        network = await self._service.get(text)
        if scope and scope != network.scope:
            raise NotFound(f"network {text} not found")
        return view(network, await self._containers_on(network))

    async def list(self, filters: Filters) -> Sequence[NetworkView]:
        filters.check_keys(LIST_FILTERS)
        used = self._containers.networks_in_use()
        return [
            view(network, {})
            for network in await self._service.list()
            if _matches(network, filters, used)
        ]

    async def remove(self, text: str) -> None:
        """Raises Denied for predefined networks and for networks with endpoints."""
        network = await self._service.get(text)
        await self._service.remove(network.id)
        self._publish("destroy", network)

    async def prune(self, filters: Filters) -> NetworksPruned:
        """Remove the user-defined networks that no container asks for."""
        filters.check_keys(PRUNE_FILTERS)
        used = self._containers.networks_in_use()
        until = filters.get("until")
        try:
            before_ns = min(map(gotime.parse_moment_ns, until)) if until else None
        except ValueError as error:
            raise InvalidFilter("until", until[0]) from error
        removed = []
        for network in await self._service.list():
            if network.predefined or network.scope != "local" or network.id in used:
                continue
            if await self._service.containers_on(network.id):  # ways out of overlay networks
                continue
            if before_ns is not None and network.created_ns >= before_ns:
                continue
            if filters.match_labels(network.labels) and filters.match_no_labels(network.labels):
                await self.remove(network.id)
                removed.append(network.name)
        self._events.publish("network", "prune", "", {"reclaimed": "0"})
        return NetworksPruned(NetworksDeleted=removed or None)

    async def _containers_on(self, network: Network) -> dict[str, NetworkContainer]:
        endpoints = await self._service.containers_on(network.id)
        return {
            container_id: _container_view(
                # networking's own sandboxes and outlets are no containers' by name
                endpoint.container_name or self._containers.name_of(container_id),
                endpoint,
            )
            for container_id, endpoint in endpoints.items()
        }

    def _publish(self, action: str, network: Network) -> None:
        attributes = {"name": network.name, "type": network.driver}
        self._events.publish("network", action, network.id, attributes)


def view(network: Network, containers: dict[str, NetworkContainer]) -> NetworkView:
    configs = [
        IPAMConfig(
            Subnet=pool.subnet,
            IPRange=pool.ip_range,
            Gateway=pool.gateway,
            AuxiliaryAddresses=dict(pool.aux) or None,
        )
        for pool in network.pools
    ]
    return NetworkView(
        Name=network.name,
        Id=network.id,
        Created=gotime.format_ns(network.created_ns),
        Scope=network.scope,
        Driver=network.driver,
        EnableIPv4=network.enable_ipv4,
        EnableIPv6=network.enable_ipv6,
        IPAM=IPAMView(
            Driver=network.ipam_driver,
            Options=None if network.ipam_options is None else dict(network.ipam_options),
            Config=configs,
        ),
        Internal=network.internal,
        Attachable=network.attachable,
        Ingress=network.ingress,
        Containers=containers,
        Options=dict(network.options),
        Labels=dict(network.labels),
    )


def _container_view(name: str, endpoint: Endpoint) -> NetworkContainer:
    return NetworkContainer(
        Name=name,
        EndpointID=endpoint.id,
        MacAddress=endpoint.mac,
        IPv4Address=f"{endpoint.ipv4}/{endpoint.prefix}" if endpoint.ipv4 else "",
        IPv6Address=f"{endpoint.ipv6}/{endpoint.prefix6}" if endpoint.ipv6 else "",
    )


def _spec(request: NetworkCreate) -> NetworkSpec:
    ipam = request.IPAM or IPAMView()
    return NetworkSpec(
        name=request.Name.strip(),
        driver=request.Driver or "bridge",
        internal=request.Internal,
        attachable=request.Attachable,
        ingress=request.Ingress,
        enable_ipv4=request.EnableIPv4 is not False,
        enable_ipv6=bool(request.EnableIPv6),
        pools=tuple(
            Pool(
                subnet=config.Subnet,
                gateway=config.Gateway,
                ip_range=config.IPRange,
                aux=config.AuxiliaryAddresses or {},
            )
            for config in ipam.Config or []
        ),
        options=request.Options or {},
        labels=request.Labels or {},
        ipam_driver=ipam.Driver or "default",
        ipam_options=ipam.Options,
    )


def _matches(network: Network, filters: Filters, used: Mapping[str, Sequence[str]]) -> bool:
    if "type" in filters and not _type_matches(network, filters.get("type")):
        return False
    if "dangling" in filters:
        dangling = not network.predefined and network.id not in used
        if filters.boolean("dangling") != dangling:
            return False
    return (
        filters.match_pattern("name", network.name)
        and filters.match_pattern("id", network.id)
        and filters.match_exact("driver", network.driver)
        and filters.match_exact("scope", network.scope)
        and filters.match_labels(network.labels)
    )


def _type_matches(network: Network, wanted: Sequence[str]) -> bool:
    kind = "builtin" if network.name in PREDEFINED else "custom"
    for value in wanted:
        if value not in {"builtin", "custom"}:
            raise InvalidFilter("type", value)
    return kind in wanted
