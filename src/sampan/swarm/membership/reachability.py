"""Which managers answer: each manager asks the others every second or two.

For `docker node ls` and for the question whether a manager may go without losing the quorum.
"""

import asyncio
from collections.abc import Mapping

from sampan.errors import SampanError
from sampan.swarm.membership.documents import Nothing
from sampan.swarm.model import Node
from sampan.swarm.peer.client import PeerClient
from sampan.swarm.store.interface import Store

PERIOD_S = 1.5
LIMIT_S = 1.5


class Reachability:
    """`own` is always reachable; one that hasn't been asked yet counts as reachable."""

    def __init__(self, store: Store, client: PeerClient, own: str) -> None:
        self._store = store
        self._client = client
        self._own = own
        self._lost: set[str] = set()

    async def run(self) -> None:
        while True:
            others = {
                node.id: node.manager.addr
                for node in self._store.tables.all(Node)
                if node.manager is not None and node.id != self._own
            }
            outcomes = await asyncio.gather(
                *(self._answers(address) for address in others.values())
            )
            self._lost = {
                name for name, answers in zip(others, outcomes, strict=True) if not answers
            }
            await asyncio.sleep(PERIOD_S)

    async def _answers(self, address: str) -> bool:
        try:
            await self._client.call(
                address, "GET", "/cluster/ping", kind=Nothing, timeout_s=LIMIT_S
            )
        except SampanError:  # whatever it says, it isn't a manager that works
            return False
        return True

    def by_node(self) -> Mapping[str, bool]:
        """All managers by their node's id."""
        return {
            node.id: node.id not in self._lost
            for node in self._store.tables.all(Node)
            if node.manager is not None
        }
