"""Which containers each service has while a plan is being carried out.

Begins with what was observed; steps on several threads put new ones in and take removed ones out.
"""

from threading import Lock

from sampan.compose.conditions import Member
from sampan.compose.observe import Observed


class Containers:
    """Which containers each service has now; written by the steps, read by them."""

    def __init__(self, observed: Observed) -> None:
        self._lock = Lock()
        self._known: dict[str, dict[str, str]] = {}
        for container in observed.containers:
            if not container.oneoff:
                self.put(container.service, container.id, container.name)

    def put(self, service: str, container: str, name: str) -> None:
        with self._lock:
            self._known.setdefault(service, {})[container] = name

    def drop(self, service: str, container: str) -> None:
        with self._lock:
            self._known.get(service, {}).pop(container, None)

    def ids(self) -> dict[str, list[str]]:
        with self._lock:
            return {service: list(found) for service, found in self._known.items()}

    def names(self) -> dict[str, list[str]]:
        with self._lock:
            return {service: list(found.values()) for service, found in self._known.items()}

    def members(self) -> dict[str, list[Member]]:
        with self._lock:
            return {
                service: [Member(identity, name, service) for identity, name in found.items()]
                for service, found in self._known.items()
            }

    def find(self, service: str, name: str) -> str:
        """The id of a container by its name."""
        with self._lock:
            known = self._known.get(service, {})
        return next((identity for identity, held in known.items() if held == name), name)
