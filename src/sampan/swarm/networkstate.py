"""What a node has to know of overlay networks: derived from the tables, never stored.

    NetworkState   one network: what it is, where all its addresses are, what its names mean
    IngressPort    one published port of the routing mesh: the same on every node

A node gets the states of the networks that it uses: a task of its own is in one, or it is ingress.
The state of a network is the same object for all nodes but for `node_address`, so it is computed,
and may be encoded, once for all of them.

`peers` are addresses that may be talked to: tasks that are placed and not over, whatever they are
told to become, and nodes. `backends` are addresses that others shall be led to: only tasks that
run, shall go on running, and are not on a node that is down (a task with a health check runs once
it is healthy). So a task that is told to stop leaves names, VIPs and the mesh while it still
runs. Whoever delivers states and tasks to a node sends the states first, and an agent applies
them before it sends a task the signal to stop; the other nodes get theirs at the same moment.

`NetworkStates` follows the store commit by commit and computes again only networks that a commit
concerned, once, when somebody asks. Addresses are IPv4 texts without prefix length unless said
otherwise. Own tasks are among the peers: a node tells them by `vtep`, its own data path address.
"""

from collections.abc import Iterable, Iterator

import msgspec

from sampan.swarm.model import Attachment, Network, Node, Object, Service, Task
from sampan.swarm.states import NodeState, TaskState, has_ended
from sampan.swarm.store.interface import Action, Commit, Event
from sampan.swarm.store.tables import Tables

OVERLAY = "overlay"
OPTION_MTU = "com.docker.network.driver.mtu"
OPTION_ENCRYPTED = "encrypted"
INGRESS_MODES = frozenset({"", "ingress"})
_WANTED = frozenset({TaskState.RUNNING, TaskState.COMPLETE})  # complete: jobs


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Immutable, compared by value, the same in JSON on every node."""


class Peer(Record, frozen=True, kw_only=True):
    """The tunnel end behind which an address is."""

    address: str
    vtep: str

    @property
    def mac(self) -> str:
        """Derived from the address: 02:42 and its four bytes."""
        return "02:42:" + ":".join(f"{int(part):02x}" for part in self.address.split("."))


class ServiceState(Record, frozen=True, kw_only=True, omit_defaults=True):
    """`vip` is empty with DNS round robin: then the names mean the backends themselves."""

    name: str
    aliases: tuple[str, ...] = ()
    vip: str = ""
    backends: tuple[str, ...] = ()


class TaskName(Record, frozen=True, kw_only=True):
    """Names of one container: a task's, or those that a plain container was attached with."""

    names: tuple[str, ...]
    address: str


class NetworkState(Record, frozen=True, kw_only=True, omit_defaults=True):
    """`mtu` 0: what the node's underlay leaves. `node_address` has a prefix length."""

    id: str
    name: str
    vni: int
    subnets: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    mtu: int = 0
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    encrypted: bool = False
    options: dict[str, str] = {}
    labels: dict[str, str] = {}
    node_address: str = ""
    peers: tuple[Peer, ...] = ()
    services: tuple[ServiceState, ...] = ()
    tasks: tuple[TaskName, ...] = ()


class IngressPort(Record, frozen=True, kw_only=True, omit_defaults=True):
    protocol: str
    published: int
    target: int
    backends: tuple[str, ...] = ()


class NodeNetworks(Record, frozen=True, kw_only=True, omit_defaults=True):
    """All that a node is told: the whole truth each time, applied as the difference."""

    vtep: str = ""  # this node's own data path address
    data_path_port: int = 4789
    networks: tuple[NetworkState, ...] = ()
    ingress: tuple[IngressPort, ...] = ()


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
        self._members: dict[str, dict[str, Task]] = {}  # network id -> tasks by id
        self._users: dict[str, dict[str, Node]] = {}  # network id -> nodes with an address
        self._services: dict[str, dict[str, Service]] = {}  # network id -> services with a place
        self._states: dict[str, NetworkState] = {}
        self._placed: dict[tuple[str, str], NetworkState] = {}  # by node id and network id
        self._ingress: tuple[IngressPort, ...] | None = None
        for item in tables.everything():
            self._enter(item)

    def follow(self, commit: Commit) -> frozenset[str]:
        """The ids of the networks that a commit may have changed."""
        touched: set[str] = set()
        for event in commit.events:
            if _is_the_same(event):
                self._enter(event.item)
                continue
            if isinstance(event.item, Service):
                self._ingress = None
            if event.old is not None:
                touched.update(self._drop(event.old))
            if event.action != Action.REMOVED:
                touched.update(self._enter(event.item))
            if isinstance(event.item, Node):
                touched.update(self._of_tasks_on(event.item.id))
        self._forget(touched)
        return frozenset(touched)

    def of(self, node_id: str) -> tuple[NetworkState, ...]:
        node = self._tables.find(Node, node_id)
        addresses = {
            each: text
            for each, text in (_node_addresses(node) if node else {}).items()
            if (network := self._tables.find(Network, each)) is not None and network.ingress
        }
        used = set(addresses) | {
            place.network_id
            for task in self._tables.tasks_on(node_id)
            if _is_placed(task)
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

    # --- who is where --------------------------------------------------------------------

    def _enter(self, item: Object) -> Iterable[str]:
        if isinstance(item, Task):
            places = [place.network_id for place in item.networks] if _is_placed(item) else []
            for each in places:
                self._members.setdefault(each, {})[item.id] = item
            return places
        if isinstance(item, Node):
            for each in _node_addresses(item):
                self._users.setdefault(each, {})[item.id] = item
        elif isinstance(item, Service):
            for each in _service_networks(item):
                self._services.setdefault(each, {})[item.id] = item
        return _networks_of(item)

    def _drop(self, item: Object) -> Iterable[str]:
        found = list(_networks_of(item))
        for each in found:
            for index in (self._members, self._users, self._services):
                index.get(each, {}).pop(item.id, None)
        return found

    def _of_tasks_on(self, node_id: str) -> Iterator[str]:
        for task in self._tables.tasks_on(node_id):
            yield from _networks_of(task)

    def _forget(self, touched: set[str]) -> None:
        for each in touched:
            self._states.pop(each, None)
        for key in [key for key in self._placed if key[1] in touched]:
            del self._placed[key]
        if touched:
            self._ingress = None

    # --- states --------------------------------------------------------------------------

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
        members = sorted(self._members.get(network.id, {}).values(), key=lambda task: task.id)
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
        for _, node in sorted(self._users.get(network.id, {}).items()) if network.ingress else ():
            address = _bare(_node_addresses(node)[network.id])
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
        for service in self._services.get(network.id, {}).values():
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
        if task.status.state != TaskState.RUNNING or task.desired_state not in _WANTED:
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


def _is_placed(task: Task) -> bool:
    """It is on a node, or about to be, and not over."""
    state = task.status.state
    return bool(task.node_id) and state >= TaskState.ASSIGNED and not has_ended(state)


def _shown(item: Object) -> object:
    """What states show of an object: equal means that a change doesn't concern them."""
    if isinstance(item, Task):
        if not _is_placed(item):
            return None
        leads = item.status.state == TaskState.RUNNING and item.desired_state in _WANTED
        return leads, item.node_id, item.networks, item.service_name
    if isinstance(item, Node):
        down = item.status.state == NodeState.DOWN
        return down, item.data_path_addr, item.attachments
    if isinstance(item, Service):
        return item.spec, item.endpoint
    return item if isinstance(item, Network) else None


def _is_the_same(event: Event) -> bool:
    old = event.old
    if event.action != Action.UPDATED or old is None:
        return False
    return _shown(old) == _shown(event.item)


def _networks_of(item: Object) -> Iterable[str]:
    if isinstance(item, Task):
        return [place.network_id for place in item.networks]
    if isinstance(item, Node):
        return _node_addresses(item)
    if isinstance(item, Service):
        return _service_networks(item)
    return [item.id] if isinstance(item, Network) else []


def _node_addresses(node: Node) -> dict[str, str]:
    return {place.network_id: place.addresses[0] for place in node.attachments if place.addresses}


def _service_networks(service: Service) -> list[str]:
    """Where it has a virtual address."""
    return [vip.network_id for vip in service.endpoint.virtual_ips] if service.endpoint else []


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
