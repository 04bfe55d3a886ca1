"""What this node is in the swarm, on disk and in memory, and what follows from it.

`Standing` is the state and the keyring (see membership/files); `Locking` keeps the keyring
encrypted as the cluster says; `member_settings` are those of the manager's own etcd member.
"""

from msgspec.structs import replace

from sampan.lib.workers import Workers
from sampan.swarm.etcd.process import MemberSettings, free_port
from sampan.swarm.membership.addresses import joined, split
from sampan.swarm.membership.authority import cluster_of
from sampan.swarm.membership.files import Keyring, NodeFiles, State
from sampan.swarm.model import Cluster
from sampan.swarm.store.interface import Store

PEER_PORT_OFFSET = 7946 - 2377  # 7946: a port that swarms have open between nodes already


class Standing:
    """The node's state and keyring on disk and in memory, changed by one call each."""

    def __init__(self, files: NodeFiles, workers: Workers, state: State) -> None:
        self.files = files
        self.state = state
        self.keyring: Keyring | None = None
        self._workers = workers

    async def save(self, state: State) -> None:
        await self._workers.run(self.files.save_state, state)
        self.state = state

    async def keep(self, keyring: Keyring) -> None:
        await self._workers.run(self.files.save_keyring, keyring)
        self.keyring = keyring


class Locking:
    """Encrypts the own keyring as the cluster says now."""

    def __init__(self, store: Store, standing: Standing) -> None:
        self._store = store
        self._standing = standing

    async def run(self) -> None:
        with self._store.watch() as commits:
            await self._keep_up()
            async for commit in commits:
                if any(isinstance(event.item, Cluster) for event in commit.events):
                    await self._keep_up()

    async def _keep_up(self) -> None:
        unlock_key, keyring = cluster_of(self._store).unlock_key, self._standing.keyring
        if keyring is not None and keyring.unlock_key != unlock_key:
            await self._standing.keep(replace(keyring, unlock_key=unlock_key))


def member_settings(standing: Standing) -> MemberSettings:
    state = standing.state
    host, port = split(state.advertise)
    peer_port = ((port or 0) + PEER_PORT_OFFSET - 1024) % (65536 - 1024) + 1024
    listen_port = (state.listen_port + PEER_PORT_OFFSET - 1024) % (65536 - 1024) + 1024
    return MemberSettings(
        name=state.node_id,
        data_dir=standing.files.etcd,
        client_port=free_port(),
        peer_listen=joined(state.listen_host, listen_port),
        peer_advertise=joined(host, peer_port),
        joins=not state.founded,
        token=state.cluster_id,
        tls=standing.files.tls,
    )
