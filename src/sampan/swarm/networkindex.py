"""Who is in which overlay network: tasks, nodes and services by network, kept up with commits.

`follow` says which networks a commit may have changed. What no node is ever told of (a task's
message, a node's labels) counts for nothing, which is most of what is written to the store.
"""

from collections.abc import Iterable, Iterator

from sampan.swarm.model import Network, Node, Object, Service, Task
from sampan.swarm.states import NodeState, TaskState, has_ended
from sampan.swarm.store.interface import Action, Commit, Event
from sampan.swarm.store.tables import Tables

WANTED = frozenset({TaskState.RUNNING, TaskState.COMPLETE})  # complete: jobs


class NetworkIndex:
    """Tell it of every commit since it was made."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.members: dict[str, dict[str, Task]] = {}  # network id -> tasks by id
        self.users: dict[str, dict[str, Node]] = {}  # network id -> nodes with an address
        self.services: dict[str, dict[str, Service]] = {}  # network id -> services with a place
        for item in tables.everything():
            self._enter(item)

    def follow(self, commit: Commit) -> set[str]:
        """The ids of the networks that the commit concerns."""
        touched: set[str] = set()
        for event in commit.events:
            if not concerns(event):
                self._enter(event.item)
                continue
            if event.old is not None:
                touched.update(self._drop(event.old))
            if event.action != Action.REMOVED:
                touched.update(self._enter(event.item))
            if isinstance(event.item, Node):
                touched.update(self._of_tasks_on(event.item.id))
        return touched

    def _enter(self, item: Object) -> Iterable[str]:
        if isinstance(item, Task):
            places = [place.network_id for place in item.networks] if is_placed(item) else []
            for each in places:
                self.members.setdefault(each, {})[item.id] = item
            return places
        if isinstance(item, Node):
            for each in node_addresses(item):
                self.users.setdefault(each, {})[item.id] = item
        elif isinstance(item, Service):
            for each in _service_networks(item):
                self.services.setdefault(each, {})[item.id] = item
        return _networks_of(item)

    def _drop(self, item: Object) -> Iterable[str]:
        found = list(_networks_of(item))
        for each in found:
            for index in (self.members, self.users, self.services):
                index.get(each, {}).pop(item.id, None)
        return found

    def _of_tasks_on(self, node_id: str) -> Iterator[str]:
        for task in self._tables.tasks_on(node_id):
            yield from _networks_of(task)


def concerns(event: Event) -> bool:
    """Whether states may look different after it."""
    old = event.old
    if event.action != Action.UPDATED or old is None:
        return True
    return _shown(old) != _shown(event.item)


def is_placed(task: Task) -> bool:
    """It is on a node, or about to be, and not over."""
    state = task.status.state
    return bool(task.node_id) and state >= TaskState.ASSIGNED and not has_ended(state)


def node_addresses(node: Node) -> dict[str, str]:
    return {place.network_id: place.addresses[0] for place in node.attachments if place.addresses}


def _shown(item: Object) -> object:
    """What states show of an object: equal means that a change doesn't concern them."""
    if isinstance(item, Task):
        if not is_placed(item):
            return None
        leads = item.status.state == TaskState.RUNNING and item.desired_state in WANTED
        return leads, item.node_id, item.networks, item.service_name
    if isinstance(item, Node):
        down = item.status.state == NodeState.DOWN
        return down, item.data_path_addr, item.attachments
    if isinstance(item, Service):
        return item.spec, item.endpoint
    return item if isinstance(item, Network) else None


def _networks_of(item: Object) -> Iterable[str]:
    if isinstance(item, Task):
        return [place.network_id for place in item.networks]
    if isinstance(item, Node):
        return node_addresses(item)
    if isinstance(item, Service):
        return _service_networks(item)
    return [item.id] if isinstance(item, Network) else []


def _service_networks(service: Service) -> list[str]:
    """Where it has a virtual address."""
    return [vip.network_id for vip in service.endpoint.virtual_ips] if service.endpoint else []
