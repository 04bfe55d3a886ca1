"""A manager's part in a store in an external etcd: no member, no backups, an elected leader.

init    the prefix must be free: it becomes this swarm's (`settle`)
join    another manager gives the data keys; the prefix must be this swarm's
leave   the last manager takes the swarm's objects with it
"""

import asyncio
import logging
from contextlib import AbstractAsyncContextManager

from sampan.lib.log import fields
from sampan.swarm.etcd.client import EtcdSilent
from sampan.swarm.etcd.election import Election
from sampan.swarm.etcd.external import ExternalEtcd, NoForce, Ownership
from sampan.swarm.membership.files import State
from sampan.swarm.store.etcd import EtcdStore
from sampan.swarm.store.sealing import Sealer

log = logging.getLogger(__name__)

AGAIN_S = 0.3


class Outside:
    """The owner closes `client`."""

    def __init__(self, etcd: ExternalEtcd, state: State) -> None:
        self.client = etcd.client()
        self.election = Election(self.client, state.node_id, etcd.prefix)
        self._etcd = etcd
        self._state = state
        self._ownership = Ownership(self.client, etcd.prefix)

    @classmethod
    def of(cls, etcd: ExternalEtcd | None, state: State) -> "Outside | None":
        return None if etcd is None else cls(etcd, state)

    async def settle(self, *, founds: bool) -> None:
        """When etcd answers. Raises PrefixInUse, NotThisSwarm, EtcdRefused."""
        step = self._ownership.claim if founds else self._ownership.check
        while True:
            try:
                await step(self._state.cluster_id)
                return
            except EtcdSilent as error:
                log.warning(fields("external etcd not there yet", reason=error.message))
                await asyncio.sleep(AGAIN_S)

    def store(self, sealer: Sealer) -> AbstractAsyncContextManager[EtcdStore]:
        return EtcdStore.opened(
            self.client, sealer, self._state.node_id, self._etcd.prefix, own_member=False
        )

    async def erase(self) -> None:
        """Raises EtcdSilent, EtcdRefused."""
        await self._ownership.erase(self._state.cluster_id)


async def check_init(etcd: ExternalEtcd | None, *, force_new_cluster: bool) -> None:
    """Before anything is begun. Raises NoForce, PrefixInUse, EtcdSilent, EtcdRefused."""
    if etcd is None:
        return
    if force_new_cluster:
        raise NoForce
    client = etcd.client()
    try:
        await _free(Ownership(client, etcd.prefix), len(etcd.endpoints))
    finally:
        await client.close()


async def _free(ownership: Ownership, endpoints: int) -> None:
    """Ask each endpoint once, until one answers."""
    for left in reversed(range(endpoints)):
        try:
            await ownership.check_free()
        except EtcdSilent:
            if not left:
                raise
        else:
            return
