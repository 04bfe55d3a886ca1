"""The objects of a swarm. Each is immutable, stored whole, and replaced by a newer version.

    cluster  1        the swarm itself: settings, CA, tokens
    node     n        a machine; `spec` is asked for, `description` and `status` are observed
    service  n        what shall run; `endpoint`, `update_status` and `job` are derived
    task     n        one run of a service's container on one node; never runs twice
    network  n        swarm-scoped networks
    secret, config    payloads for tasks

Ids are 25 base-36 characters. `version` is the store's revision of the last write: writing asks
for the version that was read. Times are nanoseconds since 1970, durations nanoseconds. The
specs are the client's documents (sampan.wire.services, .swarm), kept as given. Networks and
addresses are texts ("10.0.1.0/24", "10.0.1.5/24"). One writer for each field: see states.py for
tasks; `Node.status` and `.description` are the dispatcher's, `Service.endpoint` and addresses the
allocator's, `Service.update_status` the updater's.
"""

import secrets
from typing import ClassVar

import msgspec

from sampan.swarm.states import NodeState, TaskState
from sampan.wire.networks import IPAMView
from sampan.wire.services import (
    GenericResource,
    PortConfig,
    ResourceAmounts,
    ServiceSpec,
    TaskSpec,
)
from sampan.wire.swarm import ConfigSpec, NodeSpec, SecretSpec, SwarmSpec

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
ID_LENGTH = 25


def base36(number: int, width: int) -> str:
    """`number` in base 36, padded with zeros on the left."""
    digits = []
    while number:
        number, digit = divmod(number, 36)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits)).rjust(width, "0")


def new_id() -> str:
    """25 base-36 characters from 128 random bits."""
    return base36(secrets.randbits(128), ID_LENGTH)


class Object(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all have. `version` 0: not stored yet; the store sets it and the two times."""

    KIND: ClassVar[str]

    id: str
    version: int = 0
    created_ns: int = 0
    updated_ns: int = 0

    @property
    def unique_name(self) -> str | None:
        """The name that no other object of this kind may have."""
        return None


class Cluster(Object, frozen=True, kw_only=True, omit_defaults=True):
    """`ca_key` is empty where an external CA signs; `unlock_key` when managers aren't locked."""

    KIND = "cluster"

    spec: SwarmSpec
    worker_token_secret: str = ""
    manager_token_secret: str = ""
    ca_certificate: str = ""
    ca_key: str = ""
    next_ca_certificate: str = ""  # while a rotation of the root goes on
    next_ca_key: str = ""
    next_ca_cross: str = ""  # the next root's key, signed by the present one
    unlock_key: str = ""
    address_pools: tuple[str, ...] = ("10.0.0.0/8",)
    subnet_size: int = 24
    data_path_port: int = 4789
    fips: bool = False

    @property
    def unique_name(self) -> str | None:
        return self.spec.Name or "default"


class NodePlugin(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    name: str


class NodeDescription(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a node says of itself with each session."""

    hostname: str = ""
    os: str = ""
    architecture: str = ""  # as the kernel says: x86_64, aarch64
    resources: ResourceAmounts = ResourceAmounts()
    engine_version: str = ""
    engine_labels: dict[str, str] = {}
    plugins: tuple[NodePlugin, ...] = ()


class NodeTls(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The certificate that a node was last seen with: whose it is, as the API shows it."""

    trust_root: str = ""
    issuer_subject: str = ""  # base64 of the DER name
    issuer_public_key: str = ""


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    state: NodeState = NodeState.UNKNOWN
    message: str = ""
    addr: str = ""
    since_ns: int = 0


class Manager(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The node's part in the store. Leader and reachability are asked of the store when shown."""

    addr: str  # host:port of its API for nodes
    member_id: str = ""  # etcd's, hexadecimal
    peer_url: str = ""


class Attachment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A task's (or a node's) place in a network; addresses have the subnet's prefix length."""

    network_id: str
    addresses: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    driver_opts: dict[str, str] = {}


class Node(Object, frozen=True, kw_only=True, omit_defaults=True):
    """`role` is what its certificate says; `spec.Role` is what is wanted. `spec_version` is the
    revision before a client changed `spec` last."""

    KIND = "node"

    spec: NodeSpec
    spec_version: int = 0
    role: str = "worker"
    description: NodeDescription = NodeDescription()
    status: NodeStatus = NodeStatus()
    tls: NodeTls = NodeTls()
    manager: Manager | None = None
    data_path_addr: str = ""  # tunnel end of overlay networks
    attachments: tuple[Attachment, ...] = ()  # its gateway in overlays that need one (ingress)

    @property
    def unique_name(self) -> str | None:
        return self.spec.Name or None


class VirtualIP(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    network_id: str
    addr: str = ""  # "10.0.1.2/24"; empty until allocated


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the allocator gave a service. `ports` have their published numbers filled in."""

    mode: str = "vip"
    ports: tuple[PortConfig, ...] = ()
    virtual_ips: tuple[VirtualIP, ...] = ()


class UpdateStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`state`: updating, paused, completed, rollback_started, rollback_paused,
    rollback_completed."""

    state: str
    started_ns: int = 0
    completed_ns: int = 0
    message: str = ""


class JobStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    iteration: int = 0
    last_execution_ns: int = 0


class Service(Object, frozen=True, kw_only=True, omit_defaults=True):
    """`spec_version` grows with each change of `spec` only; tasks remember which they are of.

    The registry credentials (X-Registry-Auth as sent) go with the specs; clients never see them.
    """

    KIND = "service"

    spec: ServiceSpec
    spec_version: int = 0
    previous_spec: ServiceSpec | None = None
    previous_spec_version: int = 0
    registry_auth: str = ""
    previous_registry_auth: str = ""
    endpoint: Endpoint | None = None
    update_status: UpdateStatus | None = None
    job: JobStatus | None = None

    @property
    def unique_name(self) -> str | None:
        return self.spec.Name


class ContainerStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    container_id: str = ""
    pid: int = 0
    exit_code: int = 0


class TaskStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`ports`: the host-mode ports that the node has given."""

    state: TaskState = TaskState.NEW
    timestamp_ns: int = 0
    message: str = ""
    err: str = ""
    container: ContainerStatus | None = None
    ports: tuple[PortConfig, ...] = ()


class Task(Object, frozen=True, kw_only=True, omit_defaults=True):
    """`slot` is 0 for tasks of global services, whose place is their node."""

    KIND = "task"

    spec: TaskSpec
    spec_version: int = 0
    service_id: str = ""
    service_name: str = ""
    service_labels: dict[str, str] = {}
    slot: int = 0
    node_id: str = ""
    status: TaskStatus = TaskStatus()
    desired_state: TaskState = TaskState.RUNNING
    networks: tuple[Attachment, ...] = ()
    endpoint: Endpoint | None = None
    job_iteration: int | None = None
    generic_resources: tuple[GenericResource, ...] = ()

    @property
    def name(self) -> str:
        """Also its container's name."""
        place = str(self.slot) if self.slot else self.node_id
        return f"{self.service_name}.{place}.{self.id}" if self.service_name else self.id


class Network(Object, frozen=True, kw_only=True, omit_defaults=True):
    """`subnets` and `gateways` run in parallel; `vni` is the overlay's VXLAN id."""

    KIND = "network"

    name: str
    driver: str = "overlay"
    labels: dict[str, str] = {}
    options: dict[str, str] = {}
    ipam: IPAMView | None = None  # as asked for
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    ipv6: bool = False
    vni: int = 0
    subnets: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()

    @property
    def unique_name(self) -> str | None:
        return self.name


class Secret(Object, frozen=True, kw_only=True, omit_defaults=True):
    KIND = "secret"

    spec: SecretSpec

    @property
    def unique_name(self) -> str | None:
        return self.spec.Name


class Config(Object, frozen=True, kw_only=True, omit_defaults=True):
    KIND = "config"

    spec: ConfigSpec

    @property
    def unique_name(self) -> str | None:
        return self.spec.Name


KINDS: tuple[type[Object], ...] = (Cluster, Node, Service, Task, Network, Secret, Config)
