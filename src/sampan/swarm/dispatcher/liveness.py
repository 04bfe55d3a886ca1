"""Nodes that are in session with no manager: found by the leader, and declared down.

A manager declares its own nodes down (see dispatcher.py); one that died can't. So the leader asks
every manager, each period, which nodes are in session there. A node that counts as ready, but that
nobody has claimed for three periods and a grace, is down: its manager died, and it didn't turn up
elsewhere. A new leader counts from its own beginning.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from sampan.errors import SampanError
from sampan.lib.clock import NANOS, Clock
from sampan.lib.log import fields
from sampan.swarm.dispatcher.dispatcher import PERIOD_NS
from sampan.swarm.dispatcher.registration import Registrar
from sampan.swarm.dispatcher.sessions import MISSED
from sampan.swarm.model import Cluster, Node
from sampan.swarm.states import NodeState
from sampan.swarm.store.interface import Store

log = logging.getLogger(__name__)

GRACE_NS = 2 * NANOS


class Claimant(Protocol):
    """A manager that may have nodes in session."""

    async def claims(self) -> Mapping[str, int]:
        """Node id -> mark of the session. Raises Unavailable."""
        ...


class Liveness:
    """Runs on the leader. `claimants`: all managers, this one included."""

    def __init__(
        self, store: Store, clock: Clock, claimants: Callable[[], Sequence[Claimant]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._claimants = claimants
        self._registrar = Registrar(store, clock)
        self._seen_ns: dict[str, int] = {}

    async def run(self) -> None:
        while True:
            period_ns = self._period_ns()
            await self._look(period_ns)
            await self._clock.sleep(period_ns)

    async def _look(self, period_ns: int) -> None:
        claims = await self._all_claims(period_ns)
        now_ns = self._clock.now_ns()
        ready = [
            node
            for node in self._store.tables.all(Node)
            if node.status.state not in {NodeState.DOWN, NodeState.UNKNOWN}
        ]
        self._seen_ns = {
            node.id: now_ns
            if node.status.since_ns in claims.get(node.id, ())
            else max(self._seen_ns.get(node.id, now_ns), node.status.since_ns)
            for node in ready
        }
        for node in ready:
            if now_ns - self._seen_ns[node.id] > MISSED * period_ns + GRACE_NS:
                await self._give_up(node)

    async def _all_claims(self, period_ns: int) -> dict[str, set[int]]:
        found: dict[str, set[int]] = {}
        asked = [self._claims_of(each, period_ns) for each in self._claimants()]
        for claims in await asyncio.gather(*asked):
            for node_id, since_ns in claims.items():
                found.setdefault(node_id, set()).add(since_ns)
        return found

    async def _claims_of(self, claimant: Claimant, period_ns: int) -> Mapping[str, int]:
        """Nothing from one that doesn't answer."""
        try:
            async with asyncio.timeout(period_ns / NANOS):
                return await claimant.claims()
        except (SampanError, TimeoutError) as error:
            log.info(fields("liveness.no_answer", why=error))
            return {}

    async def _give_up(self, node: Node) -> None:
        try:
            await self._registrar.lost(node.id, node.status.since_ns)
        except SampanError as error:
            log.warning(fields("liveness.not_marked", node=node.id, why=error.message))
        else:
            log.warning(fields("liveness.no_session", node=node.id))

    def _period_ns(self) -> int:
        cluster = next(iter(self._store.tables.all(Cluster)), None)
        return (cluster.spec.Dispatcher.HeartbeatPeriod if cluster else 0) or PERIOD_NS
