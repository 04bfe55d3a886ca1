"""Gives what has to be unique in the cluster, before anything runs.

    network   subnets, gateways, VXLAN id
    service   published ports, a virtual address in each of its networks (and in ingress)
    node      an address in ingress and in each overlay network of the tasks on it
    task      an address in each of its networks, a copy of the endpoint; new becomes pending

In this order: a task waits until its networks and its service have what they need. What is held is
rebuilt from the tables when a leader starts, and follows the commits; what an owner doesn't need
any more (a task when it ended) is free again. What can't be had now says so in the log, in a
task's error, and is tried again when something was given back.
"""

import logging
from collections.abc import Iterable, Iterator

import msgspec

from sampan.errors import SampanError
from sampan.lib import log
from sampan.lib.clock import NANOS, Clock
from sampan.swarm.allocator import subnets
from sampan.swarm.allocator.addresses import Addresses, AddressesExhausted
from sampan.swarm.allocator.endpoints import (
    Waits,
    allocated_endpoint,
    is_current,
    task_networks,
)
from sampan.swarm.allocator.ports import Ports
from sampan.swarm.model import (
    Attachment,
    Cluster,
    Network,
    Node,
    Object,
    Service,
    Task,
)
from sampan.swarm.orchestrator.tasks import is_wanted
from sampan.swarm.reconciler import Group, Reconciler
from sampan.swarm.scheduler.nodeset import holds_place
from sampan.swarm.states import TaskState, has_ended
from sampan.swarm.store.interface import Action, Event, Store, Update

PENDING = "pending task scheduling"
TRY_AGAIN_NS = 5 * NANOS
RANKS = {Network.KIND: 0, Service.KIND: 1, Node.KIND: 2, Task.KIND: 3}

Key = tuple[str, str]  # kind and id

logger = logging.getLogger(__name__)


class Allocator(Reconciler[Key]):
    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store, clock)
        self._addresses = Addresses()
        self._ports = Ports()
        self._networks = _Networks()
        self._planned: dict[str, int] = {}  # owner -> the version that its plan was made from
        self._told: set[str] = set()
        self._crowded: dict[str, dict[Key, None]] = {}  # network -> who waits for an address in it

    def rank(self, key: Key) -> int:
        return RANKS[key[0]]

    def seed(self) -> Iterable[Key]:
        self._addresses, self._ports, self._networks = Addresses(), Ports(), _Networks()
        self._planned, self._crowded = {}, {}
        for network in self.tables.all(Network):
            self._put_network(network)
        kinds: tuple[type[Object], ...] = (Service, Node, Task)
        for kind in kinds:
            for item in self.tables.all(kind):
                self._follow(item)
        found: list[Object] = [*self.tables.all(Network), *self.tables.all(Service)]
        found += [*self.tables.all(Node), *filter(_is_new, self.tables.all(Task))]
        return [(item.KIND, item.id) for item in found]

    def keys(self, event: Event) -> Iterable[Key]:
        item = event.item
        if event.action == Action.REMOVED:
            return list(self._note_removal(item))
        if isinstance(item, Network):
            if item.version > self._planned.get(item.id, -1):
                self._put_network(item)
            return [(item.KIND, item.id), *self._all_that_wait()]
        if item.id in self._planned or event.old is None or _holds_other(event.old, item):
            self._follow(item)
        if isinstance(item, Task):
            return list(self._keys_of_task(item, event.old))
        if isinstance(item, Service):
            return [(item.KIND, item.id), *self._new_tasks(item.id)]
        return [(item.KIND, item.id)] if isinstance(item, Node) else ()

    def plan(self, key: Key) -> Iterable[Group]:
        kind, identifier = key
        try:
            match kind:
                case Network.KIND:
                    return self._plan_network(identifier)
                case Service.KIND:
                    return self._plan_service(identifier)
                case Node.KIND:
                    return self._plan_node(identifier)
                case _:
                    return self._plan_task(identifier)
        except AddressesExhausted as error:
            self._crowded.setdefault(error.network_id, {})[key] = None
            return self._refuse(key, error)
        except SampanError as error:
            self.ask_at(key, self.clock.now_ns() + TRY_AGAIN_NS)
            return self._refuse(key, error)

    def refused(self, group: Group) -> None:
        for change in group:
            self._planned.pop(change.item.id, None)
            stored = self.tables.find(type(change.item), change.item.id)
            if stored is None:
                self._note_removal(change.item)
            elif isinstance(stored, Network):
                self._addresses.drop_network(stored.id)
                self._put_network(stored)
            else:
                self._follow(stored)

    # --- what is held --------------------------------------------------------------------

    def _follow(self, item: Object) -> None:
        """What the stored object has is what it holds; unless that is from before its plan."""
        if item.version <= self._planned.get(item.id, -1):
            return
        self._planned.pop(item.id, None)
        if isinstance(item, Service):
            self._ports.hold(item)
        places = set(_places_of(item))
        self._make_room(self._addresses.release(item.id, but=places))
        for network_id, address in places:
            if not self._addresses.hold(item.id, network_id, address):
                logger.debug(log.fields("address not held", owner=item.id, address=address))

    def _put_network(self, network: Network) -> None:
        self._networks.put(network)
        self._addresses.put_network(network)

    def _note_removal(self, item: Object) -> Iterable[Key]:
        self._planned.pop(item.id, None)
        self._make_room(self._addresses.release(item.id))
        if isinstance(item, Service):
            self._ports.release(item.id)
            return [(each.KIND, each.id) for each in self.tables.all(Service)]
        if isinstance(item, Network):
            self._networks.drop(item)
            self._addresses.drop_network(item.id)
            return [(node.KIND, node.id) for node in self.tables.all(Node)]
        if isinstance(item, Task) and item.node_id and item.networks:
            return [(Node.KIND, item.node_id)]
        return ()

    def _make_room(self, network_ids: Iterable[str]) -> None:
        """As many as left may try again."""
        for network_id in network_ids:
            waiting = self._crowded.get(network_id)
            if waiting:
                key = next(iter(waiting))
                del waiting[key]
                self.ask(key)

    def _keys_of_task(self, task: Task, old: Object | None) -> Iterator[Key]:
        if _is_new(task):
            yield Task.KIND, task.id
        elif task.networks and task.node_id:
            before = isinstance(old, Task) and holds_place(old)
            if before != holds_place(task):
                yield Node.KIND, task.node_id

    def _new_tasks(self, service_id: str) -> Iterator[Key]:
        found = self.tables.find(Service, service_id)
        if found is None or not is_current(found, self._networks):
            return iter(())
        return ((Task.KIND, t.id) for t in self.tables.tasks_of(service_id) if _is_new(t))

    def _all_that_wait(self) -> Iterator[Key]:
        """A network became usable: rare, so everybody is asked."""
        for service in self.tables.all(Service):
            yield Service.KIND, service.id
        for node in self.tables.all(Node):
            yield Node.KIND, node.id
        for task in self.tables.all(Task):
            if _is_new(task):
                yield Task.KIND, task.id

    # --- decisions -----------------------------------------------------------------------

    def _plan_network(self, network_id: str) -> list[Group]:
        network = self.tables.find(Network, network_id)
        if network is None or not subnets.needs_allocation(network):
            return []
        cluster = next(iter(self.tables.all(Cluster)), None)
        found = subnets.allocated(network, self._networks.all(), cluster)
        self._put_network(found)
        self._planned[network.id] = network.version
        return [[Update(found)]]

    def _plan_service(self, service_id: str) -> list[Group]:
        service = self.tables.find(Service, service_id)
        if service is None or is_current(service, self._networks):
            return []
        ports = self._ports.allocate(service)
        if ports is None:
            return []  # another has one of them; tried again when a service goes
        try:
            endpoint = allocated_endpoint(service, ports, self._networks, self._addresses)
        except Waits:
            return []
        self._planned[service.id] = service.version
        return [[Update(msgspec.structs.replace(service, endpoint=endpoint))]]

    def _plan_node(self, node_id: str) -> list[Group]:
        node = self.tables.find(Node, node_id)
        if node is None:
            return []
        wanted = {network.id: network for network in self._networks_on(node)}
        kept = [each for each in node.attachments if each.network_id in wanted]
        has = {each.network_id for each in kept}
        for network_id, network in wanted.items():
            if network_id not in has:
                address = self._addresses.give(node_id, network)
                kept.append(Attachment(network_id=network_id, addresses=(address,)))
        if tuple(kept) == node.attachments:
            return []
        self._planned[node.id] = node.version
        return [[Update(msgspec.structs.replace(node, attachments=tuple(kept)))]]

    def _networks_on(self, node: Node) -> Iterator[Network]:
        ids = {
            place.network_id
            for task in self.tables.tasks_on(node.id)
            if holds_place(task)
            for place in task.networks
        }
        for network in self.tables.all(Network):
            if subnets.is_allocated(network) and (network.ingress or network.id in ids):
                yield network

    def _plan_task(self, task_id: str) -> list[Group]:
        task = self.tables.find(Task, task_id)
        if task is None or not _is_new(task):
            return []
        service = self.tables.find(Service, task.service_id) if task.service_id else None
        if task.service_id and (service is None or not is_current(service, self._networks)):
            return []
        try:
            networks = task_networks(task, service, self._networks, self._addresses)
        except Waits:
            return []
        status = msgspec.structs.replace(
            task.status,
            state=TaskState.PENDING,
            timestamp_ns=self.clock.now_ns(),
            message=PENDING,
            err="",
        )
        self._planned[task.id] = task.version
        endpoint = service.endpoint if service else None
        ready = msgspec.structs.replace(task, status=status, networks=networks, endpoint=endpoint)
        return [[Update(ready)]]

    def _refuse(self, key: Key, error: SampanError) -> list[Group]:
        """Give back what was taken half way; a task says why it waits."""
        kinds: dict[str, type[Object]] = {k.KIND: k for k in (Network, Service, Node, Task)}
        item = self.tables.find(kinds[key[0]], key[1])
        if item is None:
            return []
        self._follow(item)
        if error.message not in self._told:  # not once for each of a thousand tasks
            self._told.add(error.message)
            event = log.fields("can't allocate", kind=key[0], id=key[1], error=error.message)
            logger.warning(event)
        if not isinstance(item, Task) or item.status.err == error.message:
            return []
        status = msgspec.structs.replace(item.status, err=error.message)
        return [[Update(msgspec.structs.replace(item, status=status))]]


class _Networks:
    """All networks, with what has been decided of them and isn't stored yet."""

    def __init__(self) -> None:
        self._by_id: dict[str, Network] = {}
        self._by_name: dict[str, Network] = {}
        self._ingress: str = ""

    def put(self, network: Network) -> None:
        self._by_id[network.id] = self._by_name[network.name] = network
        if network.ingress:
            self._ingress = network.id

    def drop(self, network: Network) -> None:
        self._by_id.pop(network.id, None)
        if self._by_name.get(network.name, network).id == network.id:
            self._by_name.pop(network.name, None)

    def all(self) -> list[Network]:
        return list(self._by_id.values())

    def find(self, target: str) -> Network | None:
        return self._by_id.get(target) or self._by_name.get(target)

    def ingress(self) -> Network | None:
        return self._by_id.get(self._ingress)


def _holds_other(old: Object, new: Object) -> bool:
    if isinstance(old, Service) and isinstance(new, Service):
        return old.endpoint != new.endpoint
    return list(_places_of(old)) != list(_places_of(new))


def _is_new(task: Task) -> bool:
    return task.status.state == TaskState.NEW and is_wanted(task)


def _places_of(item: Object) -> Iterator[tuple[str, str]]:
    """Addresses that a stored object holds, with their networks."""
    places: tuple[Attachment, ...] = ()
    if isinstance(item, Node):
        places = item.attachments
    elif isinstance(item, Task) and not has_ended(item.status.state):
        places = item.networks
    elif isinstance(item, Service) and item.endpoint:
        for vip in item.endpoint.virtual_ips:
            yield vip.network_id, vip.addr
    for place in places:
        for address in place.addresses:
            yield place.network_id, address
