"""Commits as events for clients: `docker events` with scope swarm. Pure.

Every manager tells of every commit that its replica gets. Nodes are named by their hostname. Tasks
and the swarm itself have no events; changes that clients can't see (a heartbeat, an address given)
are told as plain updates only where dockerd does.
"""

from dataclasses import dataclass

from sampan.swarm.model import Config, Network, Node, Object, Secret, Service
from sampan.swarm.store.interface import Action, Event

_ACTIONS = {Action.CREATED: "create", Action.UPDATED: "update", Action.REMOVED: "remove"}


@dataclass(frozen=True, slots=True)
class Happening:
    type: str
    action: str
    actor_id: str
    attributes: dict[str, str]
    time_ns: int


def happening(event: Event) -> Happening | None:
    """None for what clients aren't told."""
    item = event.item
    if not isinstance(item, Config | Network | Node | Secret | Service):
        return None
    attributes = {"name": _name(item)}
    if isinstance(item, Network):
        attributes["type"] = item.driver
    if event.action is Action.UPDATED and event.old is not None:
        changes = _changes(item, event.old)
        if isinstance(item, Node) and not changes and item.spec == getattr(event.old, "spec", None):
            return None
        attributes |= changes
    time_ns = item.updated_ns if event.action is not Action.REMOVED else 0
    return Happening(item.KIND, _ACTIONS[event.action], item.id, attributes, time_ns)


def _name(item: Object) -> str:
    if isinstance(item, Node):
        return item.spec.Name or item.description.hostname
    return item.unique_name or ""


def _changes(item: Object, old: Object) -> dict[str, str]:
    pairs: dict[str, tuple[str, str]] = {}
    if isinstance(item, Node) and isinstance(old, Node):
        pairs = {
            "availability": (old.spec.Availability, item.spec.Availability),
            "role": (old.spec.Role, item.spec.Role),
            "state": (old.status.state, item.status.state),
        }
    if isinstance(item, Service) and isinstance(old, Service):
        pairs = {
            "image": (_image(old), _image(item)),
            "replicas": (_replicas(old), _replicas(item)),
            "updatestate": (_update_state(old), _update_state(item)),
        }
    found: dict[str, str] = {}
    for key, (before, after) in pairs.items():
        if before != after:
            found |= {f"{key}.{word}": value for word, value in (("old", before), ("new", after))}
    return {key: value for key, value in found.items() if value}


def _image(service: Service) -> str:
    container = service.spec.TaskTemplate.ContainerSpec
    return container.Image if container is not None else ""


def _replicas(service: Service) -> str:
    replicated = service.spec.Mode.Replicated
    return "" if replicated is None else str(replicated.Replicas)


def _update_state(service: Service) -> str:
    return service.update_status.state if service.update_status is not None else ""
