"""What other nouns ask of the containers: names, and which networks are spoken for."""

from collections.abc import Mapping, Sequence

from sampan.engine.containers.registry import ContainerRegistry


class ContainerUsage:
    """Answers from the registry; implements `engine.networks.ContainerNames`."""

    def __init__(self, registry: ContainerRegistry) -> None:
        self._registry = registry

    def name_of(self, container_id: str) -> str:
        container = self._registry.find(container_id)
        return container.name if container else ""

    def networks_in_use(self) -> Mapping[str, Sequence[str]]:
        """Network id -> ids of the containers that belong to it, running or not."""
        found: dict[str, list[str]] = {}
        for container in self._registry.list():
            for attachment in container.networks.values():
                found.setdefault(attachment.network_id, []).append(container.id)
        return found
