"""Configuration hashes: what tells a changed service, network or volume from an unchanged one.

They equal Docker Compose's (labels `com.docker.compose.config-hash`), so that either program goes
on with the other's project without recreating anything: the SHA-256 of the record's compact JSON,
without what doesn't concern a running container.
"""

from sampan.compose.attributes import Record
from sampan.compose.encode import to_json
from sampan.compose.model import Network, Service, Volume
from sampan.compose.render import record_json
from sampan.lib.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import sha256
else:
    try:
        from _sha256 import sha256  # without OpenSSL, which takes long to load
    except ImportError:
        from hashlib import sha256


def service_hash(service: Service) -> str:
    """Build, pull policy, number, dependencies and profiles don't count."""
    deploy = replace(service.deploy, replicas=None) if service.deploy else None
    return _hash(
        replace(
            service,
            build=None,
            pull_policy="",
            pull_refresh_after="",
            scale=None,
            deploy=deploy,
            depends_on={},
            profiles=(),
        )
    )


def network_hash(network: Network) -> str:
    """The address pools' driver options don't count: Docker Compose doesn't keep them."""
    return _hash(replace(network, ipam=replace(network.ipam, options={})))


def volume_hash(volume: Volume) -> str:
    return _hash(replace(volume, driver=volume.driver or "local"))


def _hash(record: Record) -> str:
    return sha256(to_json(record_json(record), compact=True).encode()).hexdigest()
