"""Secrets, configs and registry credentials that this node's tasks need; in memory only.

A task that comes back after a restart of the daemon runs already and needs none; one that still has
to be prepared waits until a manager has sent them again.
"""

from collections.abc import Iterable

from sampan.swarm.messages import Assigned
from sampan.swarm.model import Config, Secret
from sampan.wire.services import DriverConfig


class Dependencies:
    def __init__(self) -> None:
        self._secrets: dict[str, Secret] = {}
        self._configs: dict[str, Config] = {}
        self._credentials: dict[str, str] = {}
        self.log_driver: DriverConfig | None = None  # the swarm's default

    def apply(self, assigned: Assigned) -> None:
        if assigned.complete:
            self._secrets.clear()
            self._configs.clear()
            self._credentials.clear()
        self.log_driver = assigned.log_driver
        self._secrets.update((each.id, each) for each in assigned.secrets)
        self._configs.update((each.id, each) for each in assigned.configs)
        self._credentials.update(assigned.credentials)
        _drop(self._secrets, assigned.removed_secrets)
        _drop(self._configs, assigned.removed_configs)

    def secret(self, identifier: str) -> Secret | None:
        return self._secrets.get(identifier)

    def config(self, identifier: str) -> Config | None:
        return self._configs.get(identifier)

    def credentials(self, service_id: str) -> str:
        """As the client sent them (X-Registry-Auth); "" for none."""
        return self._credentials.get(service_id, "")


def _drop(items: dict[str, Secret] | dict[str, Config], identifiers: Iterable[str]) -> None:
    for each in identifiers:
        items.pop(each, None)
