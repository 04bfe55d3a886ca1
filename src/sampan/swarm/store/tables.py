"""All objects of a swarm in memory, with the lookups that its parts need.

Indexes: by kind and id, by kind and unique name, tasks by service, by node and by place (slot).
Each lookup costs what it returns, not what there is.
"""

from collections.abc import Iterator, Mapping
from typing import TypeVar, cast

from sampan.swarm.model import KINDS, Object, Task

Item = TypeVar("Item", bound=Object)

Place = tuple[str, int, str]  # service id; slot, or 0 and the node's id (global services)
Index = TypeVar("Index", str, Place)

_NOTHING: Mapping[str, Task] = {}


class Tables:
    """Changed only by its store: `put` and `drop`."""

    def __init__(self) -> None:
        self.revision = 0
        self._by_id: dict[str, dict[str, Object]] = {kind.KIND: {} for kind in KINDS}
        self._by_name: dict[str, dict[str, str]] = {kind.KIND: {} for kind in KINDS}
        self._by_service: dict[str, dict[str, Task]] = {}
        self._by_node: dict[str, dict[str, Task]] = {}
        self._by_place: dict[Place, dict[str, Task]] = {}

    def find(self, kind: type[Item], identifier: str) -> Item | None:
        """By full id."""
        return cast("Item | None", self._by_id[kind.KIND].get(identifier))

    def find_named(self, kind: type[Item], name: str) -> Item | None:
        identifier = self._by_name[kind.KIND].get(name)
        return None if identifier is None else self.find(kind, identifier)

    def find_prefix(self, kind: type[Item], prefix: str) -> list[Item]:
        """Those whose id begins so."""
        return [item for item in self.all(kind) if item.id.startswith(prefix)]

    def all(self, kind: type[Item]) -> list[Item]:
        return cast("list[Item]", list(self._by_id[kind.KIND].values()))

    def count(self, kind: type[Object]) -> int:
        return len(self._by_id[kind.KIND])

    def tasks_of(self, service_id: str) -> list[Task]:
        return list(self._by_service.get(service_id, _NOTHING).values())

    def tasks_on(self, node_id: str) -> list[Task]:
        return list(self._by_node.get(node_id, _NOTHING).values())

    def tasks_at(self, place: Place) -> list[Task]:
        return list(self._by_place.get(place, _NOTHING).values())

    def everything(self) -> Iterator[Object]:
        for kind in KINDS:
            yield from self._by_id[kind.KIND].values()

    def put(self, item: Object) -> Object | None:
        """What it replaces."""
        old = self.drop(item.KIND, item.id)
        self._by_id[item.KIND][item.id] = item
        if item.unique_name is not None:
            self._by_name[item.KIND][item.unique_name] = item.id
        if isinstance(item, Task):
            self._by_service.setdefault(item.service_id, {})[item.id] = item
            if item.node_id:
                self._by_node.setdefault(item.node_id, {})[item.id] = item
            self._by_place.setdefault(place_of(item), {})[item.id] = item
        return old

    def drop(self, kind: str, identifier: str) -> Object | None:
        """What was there."""
        old = self._by_id[kind].pop(identifier, None)
        if old is None:
            return None
        name = old.unique_name
        if name is not None and self._by_name[kind].get(name) == identifier:
            del self._by_name[kind][name]
        if isinstance(old, Task):
            _discard(self._by_service, old.service_id, identifier)
            _discard(self._by_node, old.node_id, identifier)
            _discard(self._by_place, place_of(old), identifier)
        return old


def place_of(task: Task) -> Place:
    """Where in its service a task runs; its successors take the same place."""
    return task.service_id, task.slot, "" if task.slot else task.node_id


def _discard(index: dict[Index, dict[str, Task]], key: Index, identifier: str) -> None:
    group = index.get(key)
    if group is None:
        return
    group.pop(identifier, None)
    if not group:
        del index[key]
