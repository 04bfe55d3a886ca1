"""The relays of all containers: for published ports whose clients no rule can translate."""

import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence

from sampan.network.model import PublishedPort
from sampan.network.relay import Relay

# The sockets that hold the ports, with their numbers; and who says where to at the moment.
Doors = tuple[Iterable[tuple[socket.socket, int]], Callable[[], str]]


class Relays:
    """Belongs to the event loop. `doors` gives those of a container."""

    def __init__(self, doors: Callable[[str], Awaitable[Doors]]) -> None:
        self._doors = doors
        self._relays: dict[str, list[Relay]] = {}

    async def ensure(self, container_id: str, ports: Sequence[PublishedPort]) -> None:
        """Rules suffice for ports on IPv4 addresses."""
        if not any(":" in port.host_ip for port in ports):
            return
        await self.stop(container_id)
        doors, target = await self._doors(container_id)
        self._relays[container_id] = [Relay(door, port, target) for door, port in doors]
        for relay in self._relays[container_id]:
            await relay.start()

    async def stop(self, container_id: str) -> None:
        for relay in self._relays.pop(container_id, ()):
            await relay.aclose()

    async def aclose(self) -> None:
        for container_id in list(self._relays):
            await self.stop(container_id)
