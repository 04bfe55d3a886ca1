"""Places of plain containers in the swarm's networks: who gives them.

A task of a service comes with its address. A container that a user runs in an attachable network
has none: `NetworkService.join` asks the attacher, who asks the swarm, and the place is given up
when the container has left. A node that is in no swarm has no attacher.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Place:
    """When it is there, so is the network on this node."""

    network_id: str
    address: str


class Attacher(Protocol):
    async def attach(self, network: str, container_id: str, names: tuple[str, ...]) -> Place:
        """By the network's id or name; asking again is fine. Raises NoSuchNetwork, Denied."""
        ...

    def left(self, container_id: str) -> None:
        """The container left a network, or all."""
        ...
