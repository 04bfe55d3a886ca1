"""A manager's face to clients: one object for each noun, all over one store."""

from collections.abc import Callable
from dataclasses import dataclass

from sampan.swarm.control.cluster import Clusters, ClusterSettings
from sampan.swarm.control.configs import Configs
from sampan.swarm.control.logs import Logs, LogSource
from sampan.swarm.control.networks import SwarmNetworks
from sampan.swarm.control.nodes import Managers, Nodes
from sampan.swarm.control.secrets import Secrets
from sampan.swarm.control.services import Services
from sampan.swarm.control.tasks import Tasks
from sampan.swarm.store.interface import Store


@dataclass(frozen=True, slots=True)
class Control:
    """Exists while this node is a manager."""

    cluster: Clusters
    nodes: Nodes
    services: Services
    tasks: Tasks
    secrets: Secrets
    configs: Configs
    networks: SwarmNetworks
    logs: Logs


def make_control(
    store: Store,
    managers: Managers,
    settings: ClusterSettings,
    logs: LogSource,
    *,
    random_name: Callable[[], str],
) -> Control:
    """`random_name`: names for services that come without one."""
    return Control(
        cluster=Clusters(store, settings),
        nodes=Nodes(store, managers),
        services=Services(store, random_name=random_name),
        tasks=Tasks(store),
        secrets=Secrets(store),
        configs=Configs(store),
        networks=SwarmNetworks(store),
        logs=Logs(store, logs),
    )
