"""What the endpoint of a service and the attachments of a task have to be.

A service of mode vip has a virtual address in each of its overlay networks, and one in ingress if
it publishes ports there; with DNS round robin it has none. A task has an address in each of the
same networks. Networks of the node itself (host, bridge, none, macvlan) are attached without one.
"""

from typing import Protocol

from sampan.errors import SampanError
from sampan.swarm.allocator import subnets
from sampan.swarm.allocator.addresses import Addresses
from sampan.swarm.model import Attachment, Endpoint, Network, Service, Task, VirtualIP
from sampan.swarm.orchestrator.policies import (
    endpoint_mode,
    is_ingress,
    networks_of,
    ports_of,
    protocol_of,
)
from sampan.wire.services import NetworkAttachmentConfig, PortConfig

PREDEFINED = frozenset({"host", "bridge", "none", "default"})


class Networks(Protocol):
    """The cluster's networks."""

    def find(self, target: str) -> Network | None:
        """By id or by name."""
        ...

    def ingress(self) -> Network | None: ...


class Waits(SampanError):
    """A network isn't there yet, or hasn't its own addresses yet."""

    def __init__(self, target: str) -> None:
        super().__init__(f"network {target} is not allocated")


def allocated_endpoint(
    service: Service, ports: tuple[PortConfig, ...], networks: Networks, addresses: Addresses
) -> Endpoint:
    """With virtual addresses kept where the service had them. Raises Waits."""
    mode = endpoint_mode(service.spec)
    had = {vip.network_id: vip for vip in (service.endpoint or Endpoint()).virtual_ips}
    overlays = _overlays(service, networks) if mode == "vip" else []
    vips = [
        had.get(network.id)
        or VirtualIP(network_id=network.id, addr=addresses.give(service.id, network))
        for network in overlays
    ]
    return Endpoint(mode=mode, ports=ports, virtual_ips=tuple(vips))


def is_current(service: Service, networks: Networks) -> bool:
    """Whether the service's endpoint is what its spec asks for."""
    endpoint, spec = service.endpoint, service.spec
    if endpoint is None or endpoint.mode != endpoint_mode(spec):
        return False
    asked = ports_of(spec)
    if len(asked) != len(endpoint.ports):
        return False
    if not all(map(_is_given, asked, endpoint.ports)):
        return False
    try:
        wanted = [network.id for network in _overlays(service, networks)]
    except Waits:
        return False
    has = [vip.network_id for vip in endpoint.virtual_ips]
    return has == (wanted if endpoint.mode == "vip" else [])


def _is_given(asked: PortConfig, given: PortConfig) -> bool:
    number = asked.PublishedPort
    filled_in = is_ingress(asked) and not number and given.PublishedPort
    return (number == given.PublishedPort or bool(filled_in)) and (
        asked.Name,
        protocol_of(asked),
        asked.TargetPort,
        is_ingress(asked),
    ) == (given.Name, protocol_of(given), given.TargetPort, is_ingress(given))


def task_networks(
    task: Task, service: Service | None, networks: Networks, addresses: Addresses
) -> tuple[Attachment, ...]:
    """Its places, with new addresses. Raises Waits."""
    asked = task.spec.Networks or (networks_of(service.spec) if service else [])
    places = [_resolve(each, networks) for each in asked]
    if service is not None and _publishes(service):
        places.insert(0, (NetworkAttachmentConfig(), _ingress(networks)))
    return tuple(_attach(task, each, network, addresses) for each, network in places)


def _attach(
    task: Task, asked: NetworkAttachmentConfig, network: Network | None, addresses: Addresses
) -> Attachment:
    given: tuple[str, ...] = ()
    if network is not None and _is_overlay(network):
        had = (each.addresses for each in task.networks if each.network_id == network.id)
        given = next(had, ()) or (addresses.give(task.id, network),)
    return Attachment(
        network_id=network.id if network else asked.Target,
        addresses=given,
        aliases=tuple(asked.Aliases or ()),
        driver_opts=asked.DriverOpts or {},
    )


def _overlays(service: Service, networks: Networks) -> list[Network]:
    """In which the service has addresses: ingress first."""
    found = [_ingress(networks)] if _publishes(service) else []
    for _, network in (_resolve(each, networks) for each in networks_of(service.spec)):
        if network is not None and _is_overlay(network):
            found.append(network)
    return found


def _resolve(
    asked: NetworkAttachmentConfig, networks: Networks
) -> tuple[NetworkAttachmentConfig, Network | None]:
    network = networks.find(asked.Target)
    if network is None:
        if asked.Target in PREDEFINED:
            return asked, None
        raise Waits(asked.Target)
    if subnets.needs_allocation(network):
        raise Waits(asked.Target)
    return asked, network


def _ingress(networks: Networks) -> Network:
    network = networks.ingress()
    if network is None or not subnets.is_allocated(network):
        raise Waits(subnets.INGRESS_NAME)
    return network


def _publishes(service: Service) -> bool:
    return any(is_ingress(port) for port in ports_of(service.spec))


def _is_overlay(network: Network) -> bool:
    return network.driver in {"", subnets.OVERLAY}
