"""Published ports of the routing mesh: one service each, over the whole cluster.

A port of 0 is given one of 30000 to 32767, and keeps it as long as the service asks for the same
target. Host-mode ports are the nodes' own and aren't taken here; the scheduler counts them. The
API refuses what is taken; if two were written at once, the second waits until the first is gone.
"""

from collections.abc import Sequence

import msgspec

from sampan.errors import Unavailable
from sampan.swarm.model import Service
from sampan.swarm.orchestrator.policies import is_ingress, ports_of, protocol_of
from sampan.wire.services import PortConfig

FIRST_DYNAMIC = 30000
LAST_DYNAMIC = 32767

Published = tuple[str, int]  # protocol and number


class PortsExhausted(Unavailable):
    def __init__(self) -> None:
        super().__init__("dynamic port space is exhausted")


def _published(port: PortConfig) -> Published:
    return protocol_of(port), port.PublishedPort


class Ports:
    """Which service has which port of the mesh."""

    def __init__(self) -> None:
        self._owners: dict[Published, str] = {}
        self._of: dict[str, set[Published]] = {}
        self._next = FIRST_DYNAMIC

    def hold(self, service: Service) -> None:
        """What the stored service has is its own: nothing more, nothing less."""
        self.release(service.id)
        for port in service.endpoint.ports if service.endpoint else ():
            if is_ingress(port) and port.PublishedPort:
                self._take(service.id, _published(port))

    def release(self, service_id: str) -> None:
        for key in self._of.pop(service_id, ()):
            if self._owners.get(key) == service_id:
                del self._owners[key]

    def allocate(self, service: Service) -> tuple[PortConfig, ...] | None:
        """The ports as asked, numbers filled in; None while one of them is another's."""
        old = service.endpoint.ports if service.endpoint else ()
        given: list[PortConfig] = []
        for port in ports_of(service.spec):
            if not is_ingress(port):
                given.append(port)
                continue
            number = port.PublishedPort or _had(port, old, given) or self._free(protocol_of(port))
            key = (protocol_of(port), number)
            if self._owners.get(key, service.id) != service.id:
                return None
            self._take(service.id, key)
            given.append(msgspec.structs.replace(port, PublishedPort=number))
        return tuple(given)

    def _take(self, service_id: str, key: Published) -> None:
        self._owners[key] = service_id
        self._of.setdefault(service_id, set()).add(key)

    def _free(self, protocol: str) -> int:
        """The next one round the pool: a number just given back rests."""
        size = LAST_DYNAMIC - FIRST_DYNAMIC + 1
        for step in range(size):
            number = FIRST_DYNAMIC + (self._next - FIRST_DYNAMIC + step) % size
            if (protocol, number) not in self._owners:
                self._next = number + 1
                return number
        raise PortsExhausted


def _had(port: PortConfig, old: Sequence[PortConfig], given: Sequence[PortConfig]) -> int:
    """The number that it was given before for the same target."""
    now = {_published(each) for each in given}
    for each in old:
        same = (each.TargetPort, protocol_of(each)) == (port.TargetPort, protocol_of(port))
        if same and is_ingress(each) and _published(each) not in now:
            return each.PublishedPort
    return 0
