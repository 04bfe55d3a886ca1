"""Nodes: list, inspect, change role, availability and labels, remove.

A change of `spec.Role` is a wish: the node gets a new certificate and starts or stops its manager
on its own. What would leave the swarm without a quorum is refused here.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from sampan.errors import Internal, InvalidArgument
from sampan.swarm.control import views
from sampan.swarm.control.lookup import find, remove
from sampan.swarm.control.payloads import begins
from sampan.swarm.control.refusals import FailedPrecondition, OutOfSequence
from sampan.swarm.model import Node
from sampan.swarm.states import NodeState
from sampan.swarm.store.interface import OutOfDate, Store, Update
from sampan.wire.filters import Filters
from sampan.wire.swarm import NodeSpec
from sampan.wire.swarm_views import ManagerStatusView, NodeView

FILTERS = ("id", "label", "membership", "name", "node.label", "role")
ROLES = frozenset({"worker", "manager"})
AVAILABILITIES = frozenset({"active", "pause", "drain"})
MEMBERSHIPS = frozenset({"accepted", "pending"})


@dataclass(frozen=True, slots=True)
class Standing:
    """How a manager stands in the store, as asked of the store's members."""

    leads: bool
    is_reachable: bool


class Managers(Protocol):
    def standings(self) -> Mapping[str, Standing]:
        """By node id; a manager that isn't there counts as reachable and no leader."""
        ...


class BadFilter(Internal):
    """dockerd answers 500 to a wrong value."""

    def __init__(self, key: str, value: str) -> None:
        super().__init__(f"Invalid {key} filter: '{value}'")


class Nodes:
    def __init__(self, store: Store, managers: Managers) -> None:
        self._store = store
        self._managers = managers

    def list(self, filters: Filters) -> Sequence[NodeView]:
        filters.check_keys(FILTERS)
        _check_values(filters, "role", ROLES)
        _check_values(filters, "membership", MEMBERSHIPS)
        if "membership" in filters and "accepted" not in filters.get("membership"):
            return []  # whoever has joined is accepted
        standings = self._managers.standings()
        return [
            views.node_view(node, _manager(node, standings))
            for node in sorted(self._store.tables.all(Node), key=lambda each: each.id)
            if _matches(node, filters)
        ]

    def inspect(self, text: str) -> NodeView:
        node = find(self._store.tables, Node, text)
        return views.node_view(node, _manager(node, self._managers.standings()))

    async def update(self, text: str, version: int, spec: NodeSpec) -> None:
        """Raises InvalidArgument, FailedPrecondition, OutOfSequence."""
        node = find(self._store.tables, Node, text)
        role, availability = spec.Role.lower(), spec.Availability.lower()
        if role not in ROLES:
            raise InvalidArgument(f'invalid Role: "{spec.Role}"')
        if availability not in AVAILABILITIES:
            raise InvalidArgument(f'invalid Availability: "{spec.Availability}"')
        wanted = replace(spec, Role=role, Availability=availability, Labels=spec.Labels or {})
        while True:
            if not node.spec_version < version <= node.version:
                raise OutOfSequence
            if node.spec.Role == "manager" and role == "worker":
                self._check_demotion(node)
            try:
                await self._store.apply(
                    Update(replace(node, spec=wanted, spec_version=node.version))
                )
            except OutOfDate:
                # The node's state or addresses, which don't concern the client.
                node = find(self._store.tables, Node, node.id)
                await asyncio.sleep(0)
            else:
                return

    async def remove(self, text: str, *, force: bool = False) -> None:
        """Raises FailedPrecondition for managers, and for nodes that are there unless forced."""
        node = find(self._store.tables, Node, text)
        if node.manager is not None or node.role == "manager":
            raise FailedPrecondition(
                f"node {node.id} is a cluster manager and is a member of the raft cluster. "
                "It must be demoted to worker before removal"
            )
        if not force and node.spec.Role == "manager":
            raise FailedPrecondition(f"node {node.id} is a manager and can't be removed")
        if not force and node.status.state is not NodeState.DOWN:
            raise FailedPrecondition(f"node {node.id} is not down and can't be removed")
        await remove(self._store, node)

    def _check_demotion(self, node: Node) -> None:
        managers = [each for each in self._store.tables.all(Node) if each.spec.Role == "manager"]
        if len(managers) <= 1:
            raise FailedPrecondition("attempting to demote the last manager of the swarm")
        standings = self._managers.standings()
        reachable = [
            each
            for each in managers
            if each.id != node.id and _standing(each, standings).is_reachable
        ]
        if len(reachable) < (len(managers) - 1) // 2 + 1:
            raise FailedPrecondition(
                "can't remove member from the raft: this would result in a loss of quorum"
            )


def _standing(node: Node, standings: Mapping[str, Standing]) -> Standing:
    return standings.get(node.id, Standing(leads=False, is_reachable=True))


def _manager(node: Node, standings: Mapping[str, Standing]) -> ManagerStatusView | None:
    if node.manager is None:
        return None
    standing = _standing(node, standings)
    return ManagerStatusView(
        Leader=standing.leads,
        Reachability="reachable" if standing.is_reachable else "unreachable",
        Addr=node.manager.addr,
    )


def _check_values(filters: Filters, key: str, allowed: frozenset[str]) -> None:
    for value in filters.get(key):
        if value not in allowed:
            raise BadFilter(key, value)


def _matches(node: Node, filters: Filters) -> bool:
    return (
        begins(filters, "id", node.id)
        and begins(filters, "name", node.spec.Name or node.description.hostname)
        and filters.match_exact("role", node.spec.Role or node.role)
        and filters.match_labels(node.description.engine_labels)
        and filters.match_labels(node.spec.Labels or {}, key="node.label")
    )
