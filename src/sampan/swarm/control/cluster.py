"""The swarm itself: its settings, join tokens and unlock key."""

from typing import Protocol

from msgspec.structs import asdict

from sampan.errors import Internal
from sampan.swarm import tokens
from sampan.swarm.control import views
from sampan.swarm.control.cluster_spec import merged
from sampan.swarm.control.lookup import check_version
from sampan.swarm.control.refusals import OutOfSequence
from sampan.swarm.model import Cluster
from sampan.swarm.store.interface import OutOfDate, Store
from sampan.wire.swarm import SwarmSpec
from sampan.wire.swarm_views import ClusterInfo, JoinTokens, SwarmView, UnlockKey


class ClusterMissing(Internal):
    def __init__(self) -> None:
        super().__init__("this swarm's own record isn't there yet; try again")


class ClusterSettings(Protocol):
    """Who carries changes of the swarm's settings out: tokens, keys, the rotation of the CA."""

    async def update(
        self,
        spec: SwarmSpec,
        version: int,
        *,
        rotate_worker_token: bool = False,
        rotate_manager_token: bool = False,
        rotate_unlock_key: bool = False,
    ) -> None:
        """Raises OutOfDate, InvalidArgument."""
        ...


class Clusters:
    """Of the one swarm that this manager is in."""

    def __init__(self, store: Store, settings: ClusterSettings) -> None:
        self._store = store
        self._settings = settings

    def _get(self) -> Cluster:
        found = self._store.tables.all(Cluster)
        if not found:
            raise ClusterMissing
        return found[0]

    def info(self) -> ClusterInfo:
        return views.cluster_view(self._get())

    def inspect(self) -> SwarmView:
        cluster = self._get()
        digest = tokens.ca_digest(cluster.ca_certificate.encode())
        return SwarmView(
            **asdict(views.cluster_view(cluster)),
            JoinTokens=JoinTokens(
                Worker=str(tokens.JoinToken(digest, cluster.worker_token_secret)),
                Manager=str(tokens.JoinToken(digest, cluster.manager_token_secret)),
            ),
        )

    def unlock_key(self) -> UnlockKey:
        return UnlockKey(UnlockKey=self._get().unlock_key)

    async def update(
        self,
        version: int,
        spec: SwarmSpec,
        *,
        rotate_worker_token: bool = False,
        rotate_manager_token: bool = False,
        rotate_unlock_key: bool = False,
    ) -> None:
        """Raises Refused, OutOfSequence."""
        cluster = self._get()
        wanted = merged(spec, cluster.spec)
        check_version(cluster, version)
        try:
            await self._settings.update(
                wanted,
                version,
                rotate_worker_token=rotate_worker_token,
                rotate_manager_token=rotate_manager_token,
                rotate_unlock_key=rotate_unlock_key,
            )
        except OutOfDate as error:
            raise OutOfSequence from error
