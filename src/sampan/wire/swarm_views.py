"""Swarm objects as clients see them: Swarm, Node, Service, Task, Secret, Config (API v1.51).

What is left out while empty, what is `{}` and what is `null` follows dockerd, whose objects pass
through Go's `omitempty`: clients test for presence. Specs are those of wire/services.py and
wire/swarm.py. Times are RFC 3339 with nanoseconds.
"""

from typing import Any, ClassVar

from sampan.wire.codec import Wire
from sampan.wire.networks import IPAMConfig
from sampan.wire.services import (
    DriverConfig,
    EndpointChoice,
    GenericResource,
    PlatformSpec,
    PortConfig,
    ResourceAmounts,
    ServiceSpec,
    TaskSpec,
)
from sampan.wire.swarm import ConfigSpec, NodeSpec, ObjectVersion, SecretSpec, SwarmSpec


class JoinTokens(Wire, frozen=True, kw_only=True):
    Worker: str
    Manager: str


class TLSInfo(Wire, frozen=True, kw_only=True):
    """Subject and key of the CA that signs: base64 of their DER."""

    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {"TrustRoot", "CertIssuerSubject", "CertIssuerPublicKey"}
    )
    TrustRoot: str = ""
    CertIssuerSubject: str = ""
    CertIssuerPublicKey: str = ""


class ClusterInfo(Wire, frozen=True, kw_only=True):
    """The swarm without its tokens: what /info shows."""

    ID: str
    Version: ObjectVersion
    CreatedAt: str
    UpdatedAt: str
    Spec: SwarmSpec
    TLSInfo: TLSInfo
    RootRotationInProgress: bool = False
    DefaultAddrPool: list[str] = []
    SubnetSize: int = 0
    DataPathPort: int = 0


class SwarmView(ClusterInfo, frozen=True, kw_only=True):
    JoinTokens: JoinTokens


class UnlockKey(Wire, frozen=True, kw_only=True):
    UnlockKey: str = ""


class InitRequest(Wire, frozen=True, kw_only=True):
    """Body of POST /swarm/init."""

    ListenAddr: str = ""
    AdvertiseAddr: str = ""
    DataPathAddr: str = ""
    DataPathPort: int = 0
    ForceNewCluster: bool = False
    Spec: SwarmSpec = SwarmSpec()
    AutoLockManagers: bool = False
    Availability: str = ""
    DefaultAddrPool: list[str] | None = None
    SubnetSize: int = 0


class JoinRequest(Wire, frozen=True, kw_only=True):
    """Body of POST /swarm/join."""

    ListenAddr: str = ""
    AdvertiseAddr: str = ""
    DataPathAddr: str = ""
    RemoteAddrs: list[str] | None = None
    JoinToken: str = ""
    Availability: str = ""


# --- nodes --------------------------------------------------------------------------------------


class PluginView(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Type", "Name"})
    Type: str = ""
    Name: str = ""


class EngineView(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"EngineVersion", "Labels", "Plugins"})
    EngineVersion: str = ""
    Labels: dict[str, str] | None = None
    Plugins: list[PluginView] | None = None


class NodeDescriptionView(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Hostname"})
    Hostname: str = ""
    Platform: PlatformSpec = PlatformSpec()
    Resources: ResourceAmounts = ResourceAmounts()
    Engine: EngineView = EngineView()
    TLSInfo: TLSInfo


class NodeStatusView(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"State", "Message", "Addr"})
    State: str = ""
    Message: str = ""
    Addr: str = ""


class ManagerStatusView(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Leader", "Reachability", "Addr"})
    Leader: bool = False
    Reachability: str = ""
    Addr: str = ""


class NodeView(Wire, frozen=True, kw_only=True):
    OMITNONE: ClassVar[frozenset[str]] = frozenset({"ManagerStatus"})
    ID: str
    Version: ObjectVersion
    CreatedAt: str
    UpdatedAt: str
    Spec: NodeSpec
    Description: NodeDescriptionView
    Status: NodeStatusView
    ManagerStatus: ManagerStatusView | None = None


# --- services -----------------------------------------------------------------------------------


class VirtualIPView(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"NetworkID", "Addr"})
    NetworkID: str = ""
    Addr: str = ""


class EndpointView(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Ports", "VirtualIPs"})
    Spec: EndpointChoice = EndpointChoice()
    Ports: list[PortConfig] | None = None
    VirtualIPs: list[VirtualIPView] | None = None


class UpdateStatusView(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {"State", "StartedAt", "CompletedAt", "Message"}
    )
    State: str = ""
    StartedAt: str = ""
    CompletedAt: str = ""
    Message: str = ""


class ServiceStatusView(Wire, frozen=True, kw_only=True):
    RunningTasks: int = 0
    DesiredTasks: int = 0
    CompletedTasks: int = 0


class JobStatusView(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"LastExecution"})
    JobIteration: ObjectVersion = ObjectVersion()
    LastExecution: str = ""


class ServiceView(Wire, frozen=True, kw_only=True):
    OMITNONE: ClassVar[frozenset[str]] = frozenset(
        {"PreviousSpec", "UpdateStatus", "ServiceStatus", "JobStatus"}
    )
    ID: str
    Version: ObjectVersion
    CreatedAt: str
    UpdatedAt: str
    Spec: ServiceSpec
    PreviousSpec: ServiceSpec | None = None
    Endpoint: EndpointView = EndpointView()
    UpdateStatus: UpdateStatusView | None = None
    ServiceStatus: ServiceStatusView | None = None
    JobStatus: JobStatusView | None = None


class ServiceCreated(Wire, frozen=True, kw_only=True):
    OMITNONE: ClassVar[frozenset[str]] = frozenset({"Warnings"})
    ID: str
    Warnings: list[str] | None = None


class ServiceUpdated(Wire, frozen=True, kw_only=True):
    Warnings: list[str] | None = None


# --- tasks --------------------------------------------------------------------------------------


class ContainerStatusView(Wire, frozen=True, kw_only=True):
    ContainerID: str = ""
    PID: int = 0
    ExitCode: int = 0


class PortStatusView(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Ports"})
    Ports: list[PortConfig] | None = None


class TaskStatusView(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Timestamp", "State", "Message", "Err"})
    OMITNONE: ClassVar[frozenset[str]] = frozenset({"ContainerStatus"})
    Timestamp: str = ""
    State: str = ""
    Message: str = ""
    Err: str = ""
    ContainerStatus: ContainerStatusView | None = None
    PortStatus: PortStatusView = PortStatusView()


class SwarmNetworkSpec(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {
            "DriverConfiguration",
            "IPv6Enabled",
            "Internal",
            "Attachable",
            "Ingress",
            "IPAMOptions",
            "Scope",
        }
    )
    Name: str
    Labels: dict[str, str] = {}
    DriverConfiguration: DriverConfig | None = None
    IPv6Enabled: bool = False
    Internal: bool = False
    Attachable: bool = False
    Ingress: bool = False
    IPAMOptions: "SwarmIPAM | None" = None
    Scope: str = ""


class SwarmIPAM(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Driver", "Configs"})
    Driver: DriverConfig | None = None
    Configs: list[IPAMConfig] | None = None


class SwarmNetworkView(Wire, frozen=True, kw_only=True):
    """A network inside a task's attachments; elsewhere networks have their own view."""

    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"DriverState", "IPAMOptions"})
    ID: str
    Version: ObjectVersion
    CreatedAt: str
    UpdatedAt: str
    Spec: SwarmNetworkSpec
    DriverState: DriverConfig | None = None
    IPAMOptions: SwarmIPAM | None = None


class AttachmentView(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Addresses"})
    Network: SwarmNetworkView
    Addresses: list[str] | None = None


class TaskView(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {"Name", "ServiceID", "Slot", "NodeID", "NetworksAttachments", "GenericResources"}
    )
    OMITNONE: ClassVar[frozenset[str]] = frozenset({"JobIteration"})
    ID: str
    Version: ObjectVersion
    CreatedAt: str
    UpdatedAt: str
    Name: str = ""
    Labels: dict[str, str] = {}
    Spec: TaskSpec
    ServiceID: str = ""
    Slot: int = 0
    NodeID: str = ""
    Status: TaskStatusView
    DesiredState: str
    NetworksAttachments: list[AttachmentView] | None = None
    GenericResources: list[GenericResource] | None = None
    JobIteration: ObjectVersion | None = None


# --- secrets, configs ---------------------------------------------------------------------------


class Created(Wire, frozen=True, kw_only=True):
    ID: str


class SecretView(Wire, frozen=True, kw_only=True):
    """`Spec.Data` is never there."""

    ID: str
    Version: ObjectVersion
    CreatedAt: str
    UpdatedAt: str
    Spec: SecretSpec


class ConfigView(Wire, frozen=True, kw_only=True):
    ID: str
    Version: ObjectVersion
    CreatedAt: str
    UpdatedAt: str
    Spec: ConfigSpec


# --- /info --------------------------------------------------------------------------------------


class Peer(Wire, frozen=True, kw_only=True):
    NodeID: str
    Addr: str


class SwarmStanding(Wire, frozen=True, kw_only=True):
    """This node's part in a swarm. `LocalNodeState`: inactive, pending, active, error, locked.

    It must never be empty: the CLI would print a swarm block.
    """

    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Nodes", "Managers", "Cluster", "Warnings"})
    NodeID: str = ""
    NodeAddr: str = ""
    LocalNodeState: str = "inactive"
    ControlAvailable: bool = False
    Error: str = ""
    RemoteManagers: list[Peer] | None = None
    Nodes: int = 0
    Managers: int = 0
    Cluster: ClusterInfo | None = None
    Warnings: list[Any] | None = None
