"""Which networks and volumes a plan creates or replaces. Pure.

One that exists under the wanted name is used as it is, with a warning when another project or tool
made it. One of ours whose configuration has changed is replaced: a network at once (its containers
go with it), a volume only on demand, because its content goes.
"""

from sampan.compose.actions import Action, Kind, Subject
from sampan.compose.hashes import network_hash, volume_hash
from sampan.compose.labels import CONFIG_HASH, NETWORK, PROJECT
from sampan.compose.model import Network, Project, Volume
from sampan.compose.observe import Observed, ObservedNetwork, ObservedVolume
from sampan.errors import Conflict, NotFound
from sampan.lib.records import Record

BUILT_IN = frozenset({"none", "host", "bridge", "default"})


class ExternalMissing(NotFound):
    def __init__(self, kind: str, name: str) -> None:
        found = "could not be found" if kind == "network" else "not found"
        if kind == "network":
            super().__init__(f"network {name} declared as external, but {found}")
        else:
            super().__init__(f'external volume "{name}" {found}')


class WrongNetworkLabel(Conflict):
    def __init__(self, name: str, label: str, found: str, wanted: str) -> None:
        super().__init__(
            f"network {name} was found but has incorrect label {label} set to "
            f'"{found}" (expected: "{wanted}")'
        )


class ResourcePlan(Record, frozen=True):
    actions: tuple[Action, ...]
    warnings: tuple[str, ...]


def plan_resources(project: Project, observed: Observed, *, recreate_volumes: bool) -> ResourcePlan:
    """Raises ExternalMissing or WrongNetworkLabel."""
    actions: list[Action] = []
    warnings: list[str] = []
    used = _used_networks(project)
    for key, network in project.networks.items():
        if key in used:
            found = observed.networks.get(network.name)
            action = _network(project, key, network, found, warnings)
            actions += [action] if action else []
    for key, volume in project.volumes.items():
        existing = observed.volumes.get(volume.name)
        action = _volume(project, key, volume, existing, warnings)
        if action is not None and (action.kind is Kind.CREATE or recreate_volumes):
            actions.append(action)
    return ResourcePlan(tuple(actions), tuple(warnings))


def _used_networks(project: Project) -> set[str]:
    return {
        key
        for service in project.services.values()
        if not service.network_mode
        for key in service.networks
    }


def _network(
    project: Project,
    key: str,
    network: Network,
    found: ObservedNetwork | None,
    warnings: list[str],
) -> Action | None:
    if found is None:
        if network.external:
            if network.name in BUILT_IN:
                return None
            raise ExternalMissing("network", network.name)
        return _action(Kind.CREATE, Subject.NETWORK, network.name, key, "it doesn't exist")
    if network.external:
        return None
    owner, label = found.labels.get(PROJECT), found.labels.get(NETWORK)
    if owner is None or owner != project.name:
        made = f'for project "{project.name}"' if owner else "by compose"
        warnings.append(
            f"a network with name {network.name} exists but was not created {made}.\n"
            "Set `external: true` to use an existing network"
        )
        return None
    if label != key:
        raise WrongNetworkLabel(network.name, NETWORK, label or "", key)
    known = found.labels.get(CONFIG_HASH)
    if known is None or known == network_hash(network):
        return None
    return _action(Kind.RECREATE, Subject.NETWORK, network.name, key, "its configuration changed")


def _volume(
    project: Project,
    key: str,
    volume: Volume,
    found: ObservedVolume | None,
    warnings: list[str],
) -> Action | None:
    if found is None:
        if volume.external:
            raise ExternalMissing("volume", volume.name)
        return _action(Kind.CREATE, Subject.VOLUME, volume.name, key, "it doesn't exist")
    if volume.external:
        return None
    owner = found.labels.get(PROJECT)
    hint = "Use `external: true` to use an existing volume"
    if owner is None:
        warnings.append(
            f'volume "{volume.name}" already exists but was not created by Docker Compose. {hint}'
        )
        return None
    if owner != project.name:
        warnings.append(
            f'volume "{volume.name}" already exists but was created for project "{owner}" '
            f'(expected "{project.name}"). {hint}'
        )
        return None
    known = found.labels.get(CONFIG_HASH)
    if known is None or known == volume_hash(volume):
        return None
    return _action(Kind.RECREATE, Subject.VOLUME, volume.name, key, "its configuration changed")


def _action(kind: Kind, subject: Subject, name: str, key: str, reason: str) -> Action:
    return Action(kind=kind, subject=subject, name=name, key=key, reason=reason)
