"""Networks of the swarm: create, remove, list, inspect, as /networks shows them.

Addresses and VXLAN ids are the allocator's to give; a network without them yet shows none.
`encrypted` isn't built: a network that seems encrypted and isn't would be worse than none.
"""

from collections.abc import Iterable, Sequence
from ipaddress import ip_network

from msgspec.structs import replace

from sampan.errors import AlreadyExists, InvalidArgument, Unsupported
from sampan.swarm.control import network_details, views
from sampan.swarm.control.lookup import find, moment, remove, write
from sampan.swarm.control.refusals import FailedPrecondition, Refused, Taken
from sampan.swarm.model import Network, Service, Task, new_id
from sampan.swarm.states import has_ended
from sampan.swarm.store.interface import Create, Store
from sampan.wire.filters import Filters
from sampan.wire.networks import IPAMView, NetworkContainer, NetworkCreate, NetworkView
from sampan.wire.services import NetworkAttachmentConfig

DRIVER = "overlay"
VNI_OPTION = "com.docker.network.driver.overlay.vxlanid_list"


class NameInUse(AlreadyExists):
    def __init__(self, name: str) -> None:
        super().__init__(f"network with name {name} already exists")


class SwarmNetworks:
    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, text: str) -> Network:
        """Raises NoSuch, Ambiguous."""
        return find(self._store.tables, Network, text)

    def all(self) -> Sequence[Network]:
        return sorted(self._store.tables.all(Network), key=lambda each: each.id)

    async def create(self, request: NetworkCreate) -> str:
        """The id. Raises InvalidArgument, NameInUse, Taken, Unsupported."""
        name = request.Name.strip()
        if not name:
            raise InvalidArgument("network name can not be empty")
        driver = request.Driver or DRIVER
        options = request.Options or {}
        if driver != DRIVER:
            raise Unsupported(f"driver {driver} can't be used for networks of a swarm")
        if "encrypted" in options:
            raise Unsupported("encrypted overlay networks are not supported by this engine")
        if self._store.tables.find_named(Network, name) is not None:
            raise NameInUse(name)
        if request.Ingress:
            self._check_ingress(request)
        _check_pools(request.IPAM)
        network = Network(
            id=new_id(),
            name=name,
            driver=driver,
            labels=request.Labels or {},
            options={key: value for key, value in options.items() if key != VNI_OPTION},
            ipam=request.IPAM,
            internal=request.Internal,
            attachable=request.Attachable,
            ingress=request.Ingress,
            ipv6=bool(request.EnableIPv6),
        )
        await write(self._store, Create(network))
        return network.id

    async def remove(self, network: Network) -> None:
        """Raises FailedPrecondition while services or containers are in it."""
        tables = self._store.tables
        for service in tables.all(Service):
            if network.ingress and _publishes(service):
                raise FailedPrecondition(
                    f"ingress network cannot be removed because service {service.id} depends on it"
                )
            if any(each.Target == network.id for each in _networks_of(service)):
                raise FailedPrecondition(f"network {network.id} is in use by service {service.id}")
        for task in tables.all(Task):
            is_attachment = task.spec.NetworkAttachmentSpec is not None
            if is_attachment and not has_ended(task.status.state) and _is_in(task, network):
                raise FailedPrecondition(f"network {network.id} is in use by task {task.id}")
        await remove(self._store, network)

    def tasks_in(self, network: Network) -> Iterable[Task]:
        return (task for task in self._store.tables.all(Task) if _is_in(task, network))

    def detailed(self, shown: NetworkView, network: Network, *, verbose: bool) -> NetworkView:
        """With the nodes that are in it and, if `verbose`, its services' tasks everywhere."""
        tables = self._store.tables
        services = network_details.services(tables, network, shown.Containers) if verbose else {}
        return replace(shown, Peers=network_details.peers(tables, network), Services=services)

    def _check_ingress(self, request: NetworkCreate) -> None:
        if request.Attachable:
            raise Refused("An ingress network cannot be attachable")
        for network in self._store.tables.all(Network):
            if network.ingress:
                raise Taken(f"ingress network ({network.id}) is already present")


def view(network: Network, containers: dict[str, NetworkContainer] | None = None) -> NetworkView:
    asked = network.ipam
    return NetworkView(
        Name=network.name,
        Id=network.id,
        Created=moment(network.created_ns),
        Scope="swarm",
        Driver=network.driver,
        EnableIPv6=network.ipv6,
        IPAM=IPAMView(
            Driver=(asked.Driver if asked is not None else "") or "default",
            Options=asked.Options if asked is not None else None,
            Config=views.pools(network),
        ),
        Internal=network.internal,
        Attachable=network.attachable,
        Ingress=network.ingress,
        Containers=containers or {},
        Options=views.driver_options(network),
        Labels=dict(network.labels),
    )


def matches(network: Network, filters: Filters, *, is_used: bool) -> bool:
    """The filters of GET /networks."""
    if "type" in filters and "custom" not in filters.get("type"):
        return False
    if "dangling" in filters and filters.boolean("dangling") == (is_used or network.ingress):
        return False
    return (
        filters.match_pattern("name", network.name)
        and filters.match_pattern("id", network.id)
        and filters.match_exact("driver", network.driver)
        and filters.match_exact("scope", "swarm")
        and filters.match_labels(network.labels)
    )


def _check_pools(ipam: IPAMView | None) -> None:
    for config in (ipam.Config or ()) if ipam is not None else ():
        if not config.Subnet:
            continue
        try:
            ip_network(config.Subnet, strict=False)
        except ValueError as error:
            raise Refused(f"ipam configuration: invalid subnet {config.Subnet}") from error


def _networks_of(service: Service) -> list[NetworkAttachmentConfig]:
    return list(service.spec.TaskTemplate.Networks or service.spec.Networks or ())


def _publishes(service: Service) -> bool:
    endpoint = service.spec.EndpointSpec
    ports = endpoint.Ports if endpoint is not None else None
    return any(port.PublishMode == "ingress" for port in ports or ())


def _is_in(task: Task, network: Network) -> bool:
    return any(each.network_id == network.id for each in task.networks)
