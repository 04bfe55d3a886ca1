"""An etcd that somebody else runs: how it is reached, and whose swarm its prefix holds.

    <prefix>owner    the id of the cluster whose objects these are; written once, by `init`
    <prefix>leader   see election
    <prefix>...      the objects, see store.etcd

Managers that are given one start no member of their own. Its members, its quorum, its certificates
and its backups are the matter of who runs it. Several swarms may share it, each with a prefix.
"""

import ssl
from dataclasses import dataclass

from sampan.errors import Conflict, InvalidArgument, Unavailable
from sampan.swarm.etcd.client import EtcdClient, decoded, encoded, range_end
from sampan.swarm.etcd.process import TlsFiles

# So that an endpoint that has lost its cluster says so, instead of keeping watches that stay silent.
REQUIRE_LEADER = {"Grpc-Metadata-hasleader": "true"}
DEFAULT_PREFIX = "/sampan/v1/"


class PrefixInUse(Conflict):
    def __init__(self, prefix: str, cluster_id: str) -> None:
        super().__init__(
            f"the external etcd holds a swarm under {prefix} already ({cluster_id}): join that one, "
            "or give this one a prefix of its own (swarm-etcd-prefix)"
        )


class NotThisSwarm(Unavailable):
    def __init__(self, prefix: str, cluster_id: str) -> None:
        super().__init__(
            f"the external etcd doesn't hold the swarm {cluster_id} under {prefix}: all managers of "
            "a swarm need the same swarm-etcd-endpoints and swarm-etcd-prefix"
        )


class OwnStoreThere(InvalidArgument):
    def __init__(self) -> None:
        super().__init__(
            "this manager keeps the swarm in an etcd of its own; swarm-etcd-endpoints counts for "
            "swarms that begin with it: leave this one, or take the setting away"
        )


class NoForce(InvalidArgument):
    def __init__(self) -> None:
        super().__init__(
            "force-new-cluster isn't for managers with an external etcd: whoever runs that restores "
            "its quorum, and the managers go on by themselves"
        )


@dataclass(frozen=True, slots=True)
class ExternalEtcd:
    """`prefix` begins and ends with a slash."""

    endpoints: tuple[str, ...]
    prefix: str = DEFAULT_PREFIX
    tls: TlsFiles | None = None

    def client(self) -> EtcdClient:
        return EtcdClient(self.endpoints, self._context, headers=REQUIRE_LEADER)

    def _context(self) -> ssl.SSLContext:
        """Raises OSError."""
        if self.tls is None:
            return ssl.create_default_context()
        context = ssl.create_default_context(cafile=self.tls.ca)
        context.load_cert_chain(self.tls.certificate, self.tls.key)
        return context
