"""What a new swarm, and a new node in it, begin with; and what `swarm init` may ask for."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from sampan.errors import InvalidArgument, Unsupported
from sampan.lib.gotime import NANOS
from sampan.swarm import ca, tokens
from sampan.swarm.control.cluster_spec import merged
from sampan.swarm.control.refusals import Refused
from sampan.swarm.model import Cluster, Node, new_id
from sampan.wire.swarm import (
    CertificateConfig,
    DispatcherConfig,
    NodeSpec,
    OrchestrationConfig,
    RaftConfig,
    SwarmSpec,
)

LISTEN_PORT = 2377
DATA_PATH_PORT = 4789
CLUSTER_NAME = "default"
DEFAULT_POOLS = ("10.0.0.0/8",)
SUBNET_SIZE, LARGEST_SUBNET_SIZE = 24, 29
LEAST_EXPIRY_NS = 3600 * NANOS
SETTINGS = SwarmSpec(
    Name=CLUSTER_NAME,
    Labels={},
    Orchestration=OrchestrationConfig(TaskHistoryRetentionLimit=5),
    Raft=RaftConfig(
        SnapshotInterval=10_000,
        KeepOldSnapshots=0,
        LogEntriesForSlowFollowers=500,
        ElectionTick=10,
        HeartbeatTick=1,
    ),
    Dispatcher=DispatcherConfig(HeartbeatPeriod=5 * NANOS),
    CAConfig=CertificateConfig(NodeCertExpiry=90 * 24 * 3600 * NANOS),
)
AVAILABILITIES = ("active", "pause", "drain")


@dataclass(frozen=True, slots=True)
class NetworkChoice:
    """What `swarm init` says of the swarm's networks."""

    pools: tuple[str, ...] = DEFAULT_POOLS
    subnet_size: int = SUBNET_SIZE
    data_path_port: int = DATA_PATH_PORT


def networks(pools: Sequence[str], subnet_size: int, data_path_port: int) -> NetworkChoice:
    """Checked, zeros replaced. Raises InvalidArgument with dockerd's texts."""
    size = subnet_size or SUBNET_SIZE
    if size > LARGEST_SUBNET_SIZE:
        raise InvalidArgument(f"subnet size is out of range: {size}")
    for pool in pools:
        try:
            found = ipaddress.ip_network(pool.strip(), strict=False)
        except ValueError:
            raise InvalidArgument(
                f"invalid base pool {pool}: invalid CIDR address: {pool}"
            ) from None
        if size < found.prefixlen:
            raise InvalidArgument(
                f'invalid CIDR: "{pool}". Subnet size is too small for pool: {size}'
            )
    port = data_path_port or DATA_PATH_PORT
    if not 1024 <= port <= 49151:
        raise InvalidArgument(f"Datapath port number is not in valid range (1024-49151) : {port}")
    return NetworkChoice(tuple(pool.strip() for pool in pools) or DEFAULT_POOLS, size, port)


def check(spec: SwarmSpec) -> None:
    """A complete spec. Raises InvalidArgument with swarmkit's texts, Unsupported."""
    if spec.CAConfig.ExternalCAs:
        raise Unsupported("external CAs are not supported: the swarm's managers sign")
    if spec.Name != CLUSTER_NAME:
        raise Refused("modification of cluster name is not allowed")
    if spec.CAConfig.NodeCertExpiry < LEAST_EXPIRY_NS:
        raise Refused("minimum certificate expiry time is: 1h0m0s")
    if spec.Dispatcher.HeartbeatPeriod < 0:
        raise Refused("heartbeat time period cannot be a negative duration")
    if spec.Dispatcher.HeartbeatPeriod < NANOS:
        raise Refused("invalid heartbeat period: it must be at least 1 second")
    if spec.Raft.ElectionTick <= spec.Raft.HeartbeatTick:
        raise Refused("the election tick must be greater than the heartbeat tick")


def new_cluster(spec: SwarmSpec, choice: NetworkChoice) -> Cluster:
    """With a root of its own, or the one in the spec. Raises InvalidArgument, Unsupported."""
    wanted, given = merged(spec, SETTINGS), spec.CAConfig
    check(wanted)
    if given.SigningCACert:
        root = ca.root_from(given.SigningCACert, given.SigningCAKey)
    else:
        root = ca.new_root()
    locked = spec.EncryptionConfig.AutoLockManagers
    return Cluster(
        id=new_id(),
        spec=replace(wanted, CAConfig=replace(wanted.CAConfig, SigningCAKey="")),
        worker_token_secret=tokens.new_secret(),
        manager_token_secret=tokens.new_secret(),
        ca_certificate=root.certificate.decode(),
        ca_key=root.key.decode(),
        unlock_key=tokens.new_unlock_key() if locked else "",
        address_pools=choice.pools,
        subnet_size=choice.subnet_size,
        data_path_port=choice.data_path_port,
    )


def new_node(node_id: str, role: str, availability: str) -> Node:
    return Node(
        id=node_id,
        spec=NodeSpec(Role=role, Availability=checked_availability(availability), Labels={}),
        role=role,
    )


def checked_availability(text: str) -> str:
    """Raises InvalidArgument."""
    found = text or AVAILABILITIES[0]
    if found not in AVAILABILITIES:
        raise InvalidArgument(f'invalid Availability: "{text}"')
    return found
