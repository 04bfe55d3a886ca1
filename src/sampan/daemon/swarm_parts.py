"""What the other subjects of the swarm give to this node's membership, and what they get from it.

`SwarmNode` (swarm.py) starts and stops these with the node's role:

    agent     on every member that isn't locked
    manager   on every manager, once its replica of the store is there
    leader    on the manager that leads, for as long as it leads
    leave     once, when the node isn't a member any more
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sampan.swarm.etcd.external import ExternalEtcd
from sampan.swarm.peer.client import Managers, PeerClient
from sampan.swarm.peer.server import PeerRoute
from sampan.swarm.store.interface import Store


class Component(Protocol):
    async def run(self) -> None:
        """Until cancelled. One that raises is logged and started again."""
        ...


@dataclass(frozen=True, slots=True)
class ManagerContext:
    node_id: str
    store: Store
    client: PeerClient
    managers: Managers


@dataclass(frozen=True, slots=True)
class ManagerSide:
    """`components` run beside the routes."""

    routes: Sequence[PeerRoute] = ()
    components: Sequence[Component] = ()


@dataclass(frozen=True, slots=True)
class AgentContext:
    """`managers` is kept current. `folder` is the agent's own."""

    node_id: str
    client: PeerClient
    managers: Managers
    folder: Path
    address: str
    data_path_addr: str


@dataclass(frozen=True, slots=True)
class SwarmParts:
    """Called anew for each time that the node takes the part.

    `leave`: remove the containers and networks that the swarm has put here; idempotent.
    `external`: the etcd to use in place of one of the manager's own.
    """

    manager: Callable[[ManagerContext], ManagerSide]
    leader: Callable[[ManagerContext], Sequence[Component]]
    agent: Callable[[AgentContext], Component]
    leave: Callable[[], Awaitable[None]]
    external: ExternalEtcd | None = None
