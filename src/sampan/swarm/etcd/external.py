"""An etcd that somebody else runs: how it is reached, and whose swarm its prefix holds.

    <prefix>owner    the id of the cluster whose objects these are; written once, by `init`
    <prefix>leader   see election
    <prefix>...      the objects, see store.etcd

Managers that are given one start no member of their own. Its members, its quorum, its certificates
and its backups are the matter of who runs it. Several swarms may share it, each with a prefix.
"""

import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sampan.errors import Conflict, InvalidArgument, Unavailable
from sampan.swarm.etcd.client import (
    Answer,
    EtcdClient,
    EtcdSilent,
    decoded,
    encoded,
    range_end,
)
from sampan.swarm.etcd.login import Login

# So that an endpoint cut off from its cluster ends watches, instead of staying silent.
REQUIRE_LEADER = {"Grpc-Metadata-hasleader": "true"}
DEFAULT_PREFIX = "/sampan/v1/"


class PrefixInUse(Conflict):
    def __init__(self, prefix: str, cluster_id: str) -> None:
        super().__init__(
            f"the external etcd holds a swarm under {prefix} already ({cluster_id}): join that "
            "one, or give this one a prefix of its own (swarm-etcd-prefix)"
        )


class NotThisSwarm(Unavailable):
    def __init__(self, prefix: str, cluster_id: str) -> None:
        super().__init__(
            f"the external etcd doesn't hold the swarm {cluster_id} under {prefix}: all managers "
            "of a swarm need the same swarm-etcd-endpoints and swarm-etcd-prefix"
        )


class OwnStoreThere(InvalidArgument):
    def __init__(self) -> None:
        super().__init__(
            "this manager keeps the swarm in an etcd of its own; swarm-etcd-endpoints counts for "
            "swarms that begin with it: leave this one, or take the setting away"
        )


class ExternalStoreThere(InvalidArgument):
    def __init__(self) -> None:
        super().__init__(
            "this manager keeps the swarm in an external etcd, and swarm-etcd-endpoints isn't set: "
            "set it as it was, or leave the swarm"
        )


class NoForce(InvalidArgument):
    def __init__(self) -> None:
        super().__init__(
            "force-new-cluster isn't for managers with an external etcd: whoever runs that "
            "restores its quorum, and the managers go on by themselves"
        )


@dataclass(frozen=True, slots=True)
class ExternalEtcd:
    """`prefix` begins and ends with a slash. Without `ca` the machine's roots count."""

    endpoints: tuple[str, ...]
    prefix: str = DEFAULT_PREFIX
    ca: str = ""
    certificate: str = ""
    key: str = ""
    user: str = ""
    password_file: str = ""

    def client(self) -> EtcdClient:
        login = Login(self.user, self._password) if self.user else None
        return EtcdClient(self.endpoints, _Tls(self).context, REQUIRE_LEADER, login)

    def _password(self) -> str:
        """Raises OSError."""
        return Path(self.password_file).read_text().rstrip("\n")


def external_etcd(
    endpoints: Sequence[str],
    *,
    prefix: str,
    ca: str,
    certificate: str,
    key: str,
    user: str = "",
    password_file: str = "",
) -> ExternalEtcd | None:
    """As configured; None without endpoints. Raises InvalidArgument."""
    if not endpoints:
        if prefix or ca or certificate or key or user or password_file:
            raise InvalidArgument("swarm-etcd settings need swarm-etcd-endpoints")
        return None
    for endpoint in endpoints:
        parts = urlsplit(endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
            raise InvalidArgument(f"invalid etcd endpoint {endpoint}: must be http(s)://HOST:PORT")
    if bool(certificate) != bool(key):
        raise InvalidArgument("swarm-etcd-cert and swarm-etcd-key go together")
    if bool(user) != bool(password_file):
        raise InvalidArgument("swarm-etcd-user and swarm-etcd-password-file go together")
    if prefix and not re.fullmatch(r"(/[\w.-]+)+/?", prefix):
        raise InvalidArgument(f"invalid swarm-etcd-prefix {prefix}: must be like /sampan/v1/")
    whole = f"{prefix.rstrip('/')}/" if prefix else DEFAULT_PREFIX
    return ExternalEtcd(tuple(endpoints), whole, ca, certificate, key, user, password_file)


class _Tls:
    """The context of the moment: files are read again when they were replaced."""

    def __init__(self, etcd: ExternalEtcd) -> None:
        self._etcd = etcd
        self._is_used = any(one.startswith("https:") for one in etcd.endpoints)
        self._context: ssl.SSLContext | None = None
        self._of: list[int] = []

    def context(self) -> ssl.SSLContext | None:
        """Raises EtcdSilent."""
        if not self._is_used:
            return None
        etcd = self._etcd
        try:
            files = [name for name in (etcd.ca, etcd.certificate, etcd.key) if name]
            seen = [Path(name).stat().st_mtime_ns for name in files]
            if self._context is None or seen != self._of:
                context = ssl.create_default_context(cafile=etcd.ca or None)
                if etcd.certificate:
                    context.load_cert_chain(etcd.certificate, etcd.key or None)
                self._context, self._of = context, seen
        except OSError as error:  # ssl.SSLError is one
            raise EtcdSilent(f"its certificates can't be used: {error}") from error
        return self._context


class Ownership:
    """Whose swarm the prefix holds."""

    def __init__(self, client: EtcdClient, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._key = encoded(f"{prefix}owner")

    async def check_free(self) -> None:
        """Raises PrefixInUse, EtcdSilent."""
        owner = _first(await self._client.call("/v3/kv/range", {"key": self._key}))
        if owner:
            raise PrefixInUse(self._prefix, owner)

    async def claim(self, cluster_id: str) -> None:
        """Idempotent. Raises PrefixInUse, EtcdSilent."""
        absent = {"key": self._key, "target": "CREATE", "create_revision": "0"}
        put = {"request_put": {"key": self._key, "value": encoded(cluster_id)}}
        read = {"request_range": {"key": self._key}}
        body = {"compare": [absent], "success": [put], "failure": [read]}
        answer = await self._client.call("/v3/kv/txn", body)
        if answer.get("succeeded"):
            return
        owner = _first(answer["responses"][0]["response_range"])
        if owner != cluster_id:
            raise PrefixInUse(self._prefix, owner)

    async def check(self, cluster_id: str) -> None:
        """Raises NotThisSwarm, EtcdSilent."""
        owner = _first(await self._client.call("/v3/kv/range", {"key": self._key}))
        if owner != cluster_id:
            raise NotThisSwarm(self._prefix, cluster_id)

    async def erase(self, cluster_id: str) -> None:
        """All of the swarm, if it is that one. Raises EtcdSilent."""
        owned = {"key": self._key, "target": "VALUE", "value": encoded(cluster_id)}
        whole = {"key": encoded(self._prefix), "range_end": encoded(range_end(self._prefix))}
        body = {"compare": [owned], "success": [{"request_delete_range": whole}]}
        await self._client.call("/v3/kv/txn", body)


def _first(read: Answer) -> str:
    return next((decoded(value["value"]).decode() for value in read.get("kvs", [])), "")
