"""This node's swarm as the API's routers see it: membership, and the nouns of a manager.

The controls of nouns exist while this node is a manager that works: each request asks anew, and is
refused with dockerd's words when it isn't.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from msgspec.structs import replace

from sampan.daemon.swarm import SwarmNode
from sampan.errors import SampanError
from sampan.swarm.control.control import Control, make_control
from sampan.swarm.control.logs import LogSource
from sampan.swarm.control.nodes import Standing
from sampan.swarm.model import Network, Node
from sampan.swarm.states import NodeState
from sampan.swarm.store.interface import Store
from sampan.wire.swarm_views import InitRequest, JoinRequest, SwarmStanding

READY_S = 10.0
PERIOD_S = 0.02


@dataclass(frozen=True, slots=True)
class _Managers:
    node: SwarmNode

    def standings(self) -> Mapping[str, Standing]:
        return {
            name: Standing(leads=state.leader, is_reachable=state.reachable)
            for name, state in self.node.manager_states().items()
        }


class SwarmFace:
    """Implements the backends of the swarm's routers."""

    def __init__(
        self,
        node: SwarmNode,
        *,
        logs: LogSource,
        random_name: Callable[[], str],
    ) -> None:
        self._node = node
        self._logs = logs
        self._random_name = random_name
        self._made: tuple[Store, Control] | None = None

    @property
    def control(self) -> Control:
        """Raises NotManager, WorkerOnly, Locked and others."""
        store = self._node.store()
        if self._made is None or self._made[0] is not store:
            control = make_control(
                store,
                _Managers(self._node),
                self._node,
                self._logs,
                random_name=self._random_name,
            )
            self._made = (store, control)
        return self._made[1]

    def standing(self) -> SwarmStanding:
        standing = self._node.standing()
        if not standing.ControlAvailable:
            return standing
        try:
            return replace(standing, Cluster=self.control.cluster.info())
        except SampanError:
            return standing

    async def init(self, request: InitRequest) -> str:
        """Returns when the node has told the swarm of itself, as dockerd does."""
        node_id = await self._node.init(request)
        with suppress(TimeoutError, SampanError):
            async with asyncio.timeout(READY_S):
                while not self._is_ready(node_id):  # noqa: ASYNC110 - a replica's state
                    await asyncio.sleep(PERIOD_S)
        return node_id

    def _is_ready(self, node_id: str) -> bool:
        """It has a state, and its place in the networks that every node is in."""
        tables = self._node.store().tables
        node = tables.find(Node, node_id)
        if node is None or node.status.state is not NodeState.READY:
            return False
        held = {each.network_id for each in node.attachments if each.addresses}
        return all(network.id in held for network in tables.all(Network) if network.ingress)

    async def join(self, request: JoinRequest) -> None:
        await self._node.join(request)

    async def leave(self, *, force: bool) -> None:
        await self._node.leave(force=force)

    async def unlock(self, key: str) -> None:
        await self._node.unlock(key)
