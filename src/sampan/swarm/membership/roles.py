"""On the leader: making nodes what their specs ask for, and keeping the store's members in order.

    spec.Role manager, role worker    role := manager; the node gets a certificate, joins the store
    spec.Role worker, role manager    its member leaves the store, if the quorum allows; then
                                      role := worker; the node gets a worker's certificate
    member of no node, or learning    removed after a while: a join that broke off, or a node that
    for too long                      was removed by force

When the leader itself is demoted it hands over first, and its successor does the rest.
"""

import asyncio
import logging
from collections.abc import AsyncIterator

from msgspec.structs import replace

from sampan.errors import SampanError
from sampan.lib.log import fields
from sampan.swarm.etcd.members import Roster
from sampan.swarm.membership.reachability import Reachability
from sampan.swarm.model import Node
from sampan.swarm.store.interface import Commit, Store, Update

log = logging.getLogger(__name__)

PERIOD_S = 5.0
PATIENCE_S = 60.0


class Roles:
    def __init__(self, store: Store, members: Roster, reachability: Reachability, own: str) -> None:
        self._store = store
        self._members = members
        self._reachability = reachability
        self._own = own
        self._strangers: dict[str, float] = {}  # since when

    async def run(self) -> None:
        with self._store.watch() as commits:
            while True:
                for node in self._store.tables.all(Node):
                    if node.spec.Role and node.spec.Role != node.role:
                        await self._change(node)
                await self._tidy()
                await _news(commits)

    async def _change(self, node: Node) -> None:
        try:
            if node.spec.Role == "manager":
                await self._store.apply(Update(replace(node, role="manager")))
            elif node.id == self._own:
                await self._hand_over()
                return
            else:
                await self._demote(node)
        except SampanError as error:
            log.warning(fields("role not changed", node=node.id, reason=error.message))
        else:
            log.info(fields("role changed", node=node.id, role=node.spec.Role))

    async def _demote(self, node: Node) -> None:
        if node.manager is not None:
            self._members.check_removal(self._reachability.by_node(), node.id)
            await self._members.remove(node.manager.member_id)
        await self._store.apply(Update(replace(node, role="worker", manager=None)))

    async def _hand_over(self) -> None:
        """Raises LastManager, LossOfQuorum."""
        reachable = self._reachability.by_node()
        self._members.check_removal(reachable, self._own)
        for node in self._store.tables.all(Node):
            stays = node.spec.Role == "manager" and node.id != self._own
            if stays and node.manager is not None and reachable.get(node.id):
                log.info(fields("handing over", to=node.id))
                await self._members.hand_over(node.manager.member_id)
                return

    async def _tidy(self) -> None:
        known = {node.manager.member_id for node in self._store.tables.all(Node) if node.manager}
        now = asyncio.get_running_loop().time()
        try:
            members = await self._members.list()
            odd = {one.id for one in members if one.id not in known or one.is_learner}
            self._strangers = {name: self._strangers.get(name, now) for name in odd}
            for name, since in self._strangers.items():
                if now - since > PATIENCE_S:
                    log.warning(fields("member removed", member=name))
                    await self._members.remove(name)
        except SampanError as error:
            log.warning(fields("members not checked", reason=error.message))


async def _news(commits: AsyncIterator[Commit]) -> None:
    """Until a node changed, or the period is over."""
    try:
        async with asyncio.timeout(PERIOD_S):
            async for commit in commits:
                if any(isinstance(event.item, Node) for event in commit.events):
                    return
    except TimeoutError:
        return
