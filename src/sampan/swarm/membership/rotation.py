"""The root CA's rotation: `begin` at a manager, the end on the leader.

    begin     the cluster gets a next root, and that root's certificate signed by the present one
    meanwhile both roots are trusted, the next one signs (with the cross-signed certificate along);
              every node notices that its certificate is the old root's and renews
    end       when every node has been seen with a certificate of the next root, it becomes the root

A node that is away holds the rotation up; removing it from the swarm lets it end.
"""

import logging

from msgspec.structs import replace

from sampan.lib.log import fields
from sampan.swarm import ca
from sampan.swarm.membership.authority import cluster_of, issuer
from sampan.swarm.model import Cluster, Node
from sampan.swarm.store.interface import OutOfDate, Store, Update
from sampan.wire.swarm import SwarmSpec

log = logging.getLogger(__name__)


def is_wanted(cluster: Cluster, spec: SwarmSpec) -> bool:
    """Whether a new spec asks for another root."""
    old, new = cluster.spec.CAConfig, spec.CAConfig
    given = new.SigningCACert and new.SigningCACert != cluster.ca_certificate
    return new.ForceRotate != old.ForceRotate or bool(given and new.SigningCAKey)


def begin(cluster: Cluster) -> Cluster:
    """With the next root: the one in its spec, or a new one. Raises InvalidArgument."""
    given = cluster.spec.CAConfig
    if given.SigningCACert and given.SigningCAKey:
        root = ca.root_from(given.SigningCACert, given.SigningCAKey)
    else:
        root = ca.new_root()
    present = ca.KeyPair(cluster.ca_certificate.encode(), cluster.ca_key.encode())
    return replace(
        cluster,
        spec=replace(cluster.spec, CAConfig=replace(given, SigningCAKey="")),
        next_ca_certificate=root.certificate.decode(),
        next_ca_key=root.key.decode(),
        next_ca_cross=ca.cross_sign(present, root.certificate).decode(),
    )


class Rotation:
    """The leader's part."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self) -> None:
        with self._store.watch() as commits:
            await self._finish()
            async for commit in commits:
                if any(isinstance(event.item, Node | Cluster) for event in commit.events):
                    await self._finish()

    async def _finish(self) -> None:
        cluster = cluster_of(self._store)
        if not cluster.next_ca_certificate:
            return
        wanted = issuer(cluster)
        if any(node.tls.issuer_public_key != wanted for node in self._store.tables.all(Node)):
            return
        try:
            await self._store.apply(
                Update(
                    replace(
                        cluster,
                        ca_certificate=cluster.next_ca_certificate,
                        ca_key=cluster.next_ca_key,
                        next_ca_certificate="",
                        next_ca_key="",
                        next_ca_cross="",
                    )
                )
            )
        except OutOfDate:
            return  # that change will be seen as well
        log.info(fields("root CA rotated", cluster=cluster.id))
