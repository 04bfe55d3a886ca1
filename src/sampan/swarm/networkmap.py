"""The states of all overlay networks, computed from the tables as commits come (see networkstate).

`NetworkStates` follows the store commit by commit and computes again only networks that a commit
concerned, once, when somebody asks.
"""

from collections.abc import Iterator

import msgspec

from sampan.swarm.model import Attachment, Network, Node, Service, Task
from sampan.swarm.networkindex import WANTED, NetworkIndex, concerns, is_placed, node_addresses
from sampan.swarm.networkstate import (
    IngressPort,
    NetworkState,
    NodeNetworks,
    Peer,
    ServiceState,
    TaskName,
)
from sampan.swarm.states import NodeState, TaskState
from sampan.swarm.store.interface import Commit
from sampan.swarm.store.tables import Tables

OVERLAY = "overlay"
OPTION_MTU = "com.docker.network.driver.mtu"
OPTION_ENCRYPTED = "encrypted"
INGRESS_MODES = frozenset({"", "ingress"})


def network_states(tables: Tables, node_id: str) -> tuple[NetworkState, ...]:
    """The states of the networks that a node uses, from nothing but the tables."""
    return NetworkStates(tables).of(node_id)


def ingress_ports(tables: Tables) -> tuple[IngressPort, ...]:
    """The routing mesh, from nothing but the tables."""
    return NetworkStates(tables).ingress()


class NetworkStates:
    """The states of all networks, kept up with `follow`. Tell it of every commit since it was made.

    Results are the same objects as long as nothing changed: compare them with `is`.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._index = NetworkIndex(tables)
        self._states: dict[str, NetworkState] = {}
        self._placed: dict[tuple[str, str], NetworkState] = {}  # by node id and network id
        self._ingress: tuple[IngressPort, ...] | None = None

    def follow(self, commit: Commit) -> frozenset[str]:
        """The ids of the networks that a commit may have changed."""
        touched = self._index.follow(commit)
        if any(isinstance(event.item, Service) and concerns(event) for event in commit.events):
            self._ingress = None
        self._forget(touched)
        return frozenset(touched)

    def of(self, node_id: str) -> tuple[NetworkState, ...]:
        node = self._tables.find(Node, node_id)
        addresses = {
            each: text
            for each, text in (node_addresses(node) if node else {}).items()
            if (network := self._tables.find(Network, each)) is not None and network.ingress
        }
        used = set(addresses) | {
            place.network_id
            for task in self._tables.tasks_on(node_id)
            if is_placed(task)
            for place in task.networks
        }
        states = (self._placed_state(node_id, each, addresses.get(each, "")) for each in used)
        return tuple(sorted(filter(None, states), key=lambda state: state.id))

    def ingress(self) -> tuple[IngressPort, ...]:
        """Ports in order of protocol and number."""
        if self._ingress is None:
            self._ingress = tuple(sorted(self._ports(), key=lambda p: (p.protocol, p.published)))
        return self._ingress

    def everything(self, node_id: str, *, data_path_port: int) -> NodeNetworks:
        """What is sent to a node."""
        node = self._tables.find(Node, node_id)
        return NodeNetworks(
            vtep=node.data_path_addr if node else "",
            data_path_port=data_path_port,
            networks=self.of(node_id),
            ingress=self.ingress(),
        )

    def _forget(self, touched: set[str]) -> None:
        for each in touched:
            self._states.pop(each, None)
        for key in [key for key in self._placed if key[1] in touched]:
            del self._placed[key]
        if touched:
            self._ingress = None

    def _placed_state(self, node_id: str, network_id: str, address: str) -> NetworkState | None:
        common = self._state(network_id)
        if common is None or not address:
            return common
        key = (node_id, network_id)
        found = self._placed.get(key)
        if found is None or found.node_address != address:
            found = msgspec.structs.replace(common, node_address=address)
            self._placed[key] = found
        return found

    def _state(self, network_id: str) -> NetworkState | None:
        found = self._states.get(network_id)
        if found is None:
            network = self._tables.find(Network, network_id)
            if network is None or network.driver != OVERLAY or not network.vni:
                return None
            found = self._states[network_id] = self._compute(network)
        return found

    def _compute(self, network: Network) -> NetworkState:
        members = sorted(self._index.members.get(network.id, {}).values(), key=lambda task: task.id)
        mtu = network.options.get(OPTION_MTU, "")
        return NetworkState(
            id=network.id,
            name=network.name,
            vni=network.vni,
            subnets=network.subnets,
            gateways=network.gateways,
            mtu=int(mtu) if mtu.isdecimal() else 0,
            internal=network.internal,
            attachable=network.attachable,
            ingress=network.ingress,
            encrypted=OPTION_ENCRYPTED in network.options,
            options=network.options,
            labels=network.labels,
            peers=tuple(self._peers(network, members)),
            services=() if network.ingress else tuple(self._services_in(network, members)),
            tasks=() if network.ingress else tuple(self._task_names(network.id, members)),
        )

    def _peers(self, network: Network, members: list[Task]) -> Iterator[Peer]:
        """Of the addresses that nodes have, only those in ingress are used."""
        for task in members:
            node = self._tables.find(Node, task.node_id)
            address = _address_in(task.networks, network.id)
            if node and node.data_path_addr and address:
                yield Peer(address=address, vtep=node.data_path_addr)
        for _, node in (
            sorted(self._index.users.get(network.id, {}).items()) if network.ingress else ()
        ):
            address = _bare(node_addresses(node)[network.id])
            if node.data_path_addr and address:
                yield Peer(address=address, vtep=node.data_path_addr)

    def _services_in(self, network: Network, members: list[Task]) -> Iterator[ServiceState]:
        backends: dict[str, list[str]] = {}
        aliases: dict[str, set[str]] = {}
        names: dict[str, str] = {}
        for task in members:
            if task.service_id:
                names[task.service_id] = task.service_name
                for place in task.networks:
                    if place.network_id == network.id:
                        aliases.setdefault(task.service_id, set()).update(place.aliases)
                if self._leads_to(task):
                    address = _address_in(task.networks, network.id)
                    backends.setdefault(task.service_id, []).extend(filter(None, [address]))
        for service in self._index.services.get(network.id, {}).values():
            names[service.id] = service.spec.Name
            aliases.setdefault(service.id, set()).update(_asked_aliases(service, network))
        for service_id, name in sorted(names.items(), key=lambda entry: (entry[1], entry[0])):
            found = self._tables.find(Service, service_id)
            yield ServiceState(
                name=name,
                aliases=tuple(sorted(aliases.get(service_id, ()))),
                vip=_vip_in(found, network.id),
                backends=tuple(backends.get(service_id, ())),
            )

    def _task_names(self, network_id: str, members: list[Task]) -> Iterator[TaskName]:
        for task in members:
            address = _address_in(task.networks, network_id)
            if not address or not self._leads_to(task):
                continue
            names = (task.name,) if task.service_id else _aliases_in(task.networks, network_id)
            if names:
                yield TaskName(names=names, address=address)

    def _leads_to(self, task: Task) -> bool:
        if task.status.state != TaskState.RUNNING or task.desired_state not in WANTED:
            return False
        node = self._tables.find(Node, task.node_id)
        return node is None or node.status.state != NodeState.DOWN

    def _ports(self) -> Iterator[IngressPort]:
        mesh = next((each for each in self._tables.all(Network) if each.ingress), None)
        for service in self._tables.all(Service) if mesh else ():
            ports = service.endpoint.ports if service.endpoint else ()
            wanted = [port for port in ports if port.PublishMode in INGRESS_MODES]
            if not wanted or mesh is None:
                continue
            backends = self._ingress_backends(service, mesh.id)
            for port in wanted:
                if port.PublishedPort:
                    yield IngressPort(
                        protocol=port.Protocol or "tcp",
                        published=port.PublishedPort,
                        target=port.TargetPort,
                        backends=backends,
                    )

    def _ingress_backends(self, service: Service, mesh_id: str) -> tuple[str, ...]:
        tasks = sorted(self._tables.tasks_of(service.id), key=lambda task: task.id)
        addresses = (_address_in(task.networks, mesh_id) for task in tasks if self._leads_to(task))
        return tuple(filter(None, addresses))


def _asked_aliases(service: Service, network: Network) -> Iterator[str]:
    for asked in service.spec.TaskTemplate.Networks or service.spec.Networks or ():
        if asked.Target in {network.id, network.name}:
            yield from asked.Aliases or ()


def _vip_in(service: Service | None, network_id: str) -> str:
    endpoint = service.endpoint if service else None
    if endpoint is None or endpoint.mode != "vip":
        return ""
    for vip in endpoint.virtual_ips:
        if vip.network_id == network_id:
            return _bare(vip.addr)
    return ""


def _bare(address: str) -> str:
    return address.partition("/")[0]


def _address_in(places: tuple[Attachment, ...], network_id: str) -> str:
    """The IPv4 address."""
    for place in places:
        if place.network_id == network_id:
            return next((_bare(text) for text in place.addresses if ":" not in text), "")
    return ""


def _aliases_in(places: tuple[Attachment, ...], network_id: str) -> tuple[str, ...]:
    return next((place.aliases for place in places if place.network_id == network_id), ())
