"""What a client asks of a service and its tasks: ServiceSpec and TaskSpec (Engine API v1.51).

The swarm keeps these documents as the client gave them ("a spec is never changed by the system");
what it derives from them lives in records of its own. Durations are nanoseconds, memory is bytes,
CPU is billionths. The mode of a service is the one member of `ServiceMode` that is present.
"""

from typing import Any, ClassVar

from sampan.wire.codec import Wire
from sampan.wire.containers import Empty, HealthConfig, Mount, Ulimit


class DriverConfig(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Name", "Options"})
    Name: str = ""
    Options: dict[str, str] | None = None


class NetworkAttachmentConfig(Wire, frozen=True, kw_only=True):
    """`Target` is a network's id or name as given; Aliases are names within that network."""

    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Target", "Aliases", "DriverOpts"})
    Target: str = ""
    Aliases: list[str] | None = None
    DriverOpts: dict[str, str] | None = None


class FileTarget(Wire, frozen=True, kw_only=True):
    """Where a secret or config appears; UID and GID are decimal text, Mode permission bits."""

    Name: str = ""
    UID: str = ""
    GID: str = ""
    Mode: int = 0


class SecretReference(Wire, frozen=True, kw_only=True):
    File: FileTarget | None = None
    SecretID: str = ""
    SecretName: str = ""


class ConfigReference(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"File", "Runtime"})
    File: FileTarget | None = None
    Runtime: Empty | None = None
    ConfigID: str = ""
    ConfigName: str = ""


class DNSSettings(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Nameservers", "Search", "Options"})
    Nameservers: list[str] | None = None
    Search: list[str] | None = None
    Options: list[str] | None = None


class PrivilegeSettings(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Seccomp", "AppArmor", "NoNewPrivileges"})
    CredentialSpec: dict[str, str] | None = None
    SELinuxContext: dict[str, Any] | None = None
    Seccomp: dict[str, str] | None = None
    AppArmor: dict[str, str] | None = None
    NoNewPrivileges: bool = False


class ServiceContainer(Wire, frozen=True, kw_only=True):
    """One task's container. `Command` replaces the entrypoint, `Args` the command."""

    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {
            "Image",
            "Labels",
            "Command",
            "Args",
            "Hostname",
            "Env",
            "Dir",
            "User",
            "Groups",
            "Privileges",
            "StopSignal",
            "TTY",
            "OpenStdin",
            "ReadOnly",
            "Mounts",
            "Healthcheck",
            "Hosts",
            "DNSConfig",
            "Secrets",
            "OomScoreAdj",
            "Configs",
            "Isolation",
            "Sysctls",
            "CapabilityAdd",
            "CapabilityDrop",
            "Ulimits",
            "Privileged",
            "Devices",
        }
    )
    OMITNONE: ClassVar[frozenset[str]] = frozenset({"StopGracePeriod", "Init"})
    Image: str = ""
    Labels: dict[str, str] | None = None
    Command: list[str] | None = None
    Args: list[str] | None = None
    Hostname: str = ""
    Env: list[str] | None = None
    Dir: str = ""
    User: str = ""
    Groups: list[str] | None = None
    Privileges: PrivilegeSettings | None = None
    Init: bool | None = None
    StopSignal: str = ""
    TTY: bool = False
    OpenStdin: bool = False
    ReadOnly: bool = False
    Mounts: list[Mount] | None = None
    StopGracePeriod: int | None = None
    Healthcheck: HealthConfig | None = None
    Hosts: list[str] | None = None
    DNSConfig: DNSSettings | None = None
    Secrets: list[SecretReference] | None = None
    OomScoreAdj: int = 0
    Configs: list[ConfigReference] | None = None
    Isolation: str = ""
    Sysctls: dict[str, str] | None = None
    CapabilityAdd: list[str] | None = None
    CapabilityDrop: list[str] | None = None
    Ulimits: list[Ulimit] | None = None
    Privileged: bool = False  # ours (moby#24862)
    Devices: list[str] | None = None  # ours: /dev/x[:/dev/y[:rwm]] as `docker run --device` takes


class AttachedContainer(Wire, frozen=True, kw_only=True):
    """The "task" by which a plain container is attached to an attachable network."""

    ContainerID: str = ""


class NamedResource(Wire, frozen=True, kw_only=True):
    Kind: str = ""
    Value: str = ""


class DiscreteResource(Wire, frozen=True, kw_only=True):
    Kind: str = ""
    Value: int = 0


class GenericResource(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"NamedResourceSpec", "DiscreteResourceSpec"})
    NamedResourceSpec: NamedResource | None = None
    DiscreteResourceSpec: DiscreteResource | None = None


class Limit(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"NanoCPUs", "MemoryBytes", "Pids"})
    NanoCPUs: int = 0
    MemoryBytes: int = 0
    Pids: int = 0


class ResourceAmounts(Wire, frozen=True, kw_only=True):
    """What a task reserves, or what a node has."""

    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"NanoCPUs", "MemoryBytes", "GenericResources"})
    NanoCPUs: int = 0
    MemoryBytes: int = 0
    GenericResources: list[GenericResource] | None = None


class ResourceRequirements(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Limits", "Reservations"})
    Limits: Limit | None = None
    Reservations: ResourceAmounts | None = None


class TaskRestart(Wire, frozen=True, kw_only=True):
    """None of a member: the default (any, 5 s, unlimited, window 0)."""

    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Condition"})
    OMITNONE: ClassVar[frozenset[str]] = frozenset({"Delay", "MaxAttempts", "Window"})
    Condition: str = ""
    Delay: int | None = None
    MaxAttempts: int | None = None
    Window: int | None = None


class SpreadOver(Wire, frozen=True, kw_only=True):
    SpreadDescriptor: str = ""


class PlacementPreference(Wire, frozen=True, kw_only=True):
    Spread: SpreadOver | None = None


class PlatformSpec(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Architecture", "OS"})
    Architecture: str = ""
    OS: str = ""


class PlacementRules(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {"Constraints", "Preferences", "MaxReplicas", "Platforms"}
    )
    Constraints: list[str] | None = None
    Preferences: list[PlacementPreference] | None = None
    MaxReplicas: int = 0
    Platforms: list[PlatformSpec] | None = None


class TaskSpec(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {
            "ContainerSpec",
            "NetworkAttachmentSpec",
            "PluginSpec",
            "Resources",
            "RestartPolicy",
            "Placement",
            "Networks",
            "LogDriver",
            "Runtime",
        }
    )
    ContainerSpec: ServiceContainer | None = None
    NetworkAttachmentSpec: AttachedContainer | None = None
    PluginSpec: dict[str, Any] | None = None
    Resources: ResourceRequirements | None = None
    RestartPolicy: TaskRestart | None = None
    Placement: PlacementRules | None = None
    Networks: list[NetworkAttachmentConfig] | None = None
    LogDriver: DriverConfig | None = None
    ForceUpdate: int = 0
    Runtime: str = ""


class ReplicatedMode(Wire, frozen=True, kw_only=True):
    OMITNONE: ClassVar[frozenset[str]] = frozenset({"Replicas"})
    Replicas: int | None = None


class ReplicatedJobMode(Wire, frozen=True, kw_only=True):
    OMITNONE: ClassVar[frozenset[str]] = frozenset({"MaxConcurrent", "TotalCompletions"})
    MaxConcurrent: int | None = None
    TotalCompletions: int | None = None


class ServiceMode(Wire, frozen=True, kw_only=True):
    OMITNONE: ClassVar[frozenset[str]] = frozenset(
        {"Replicated", "Global", "ReplicatedJob", "GlobalJob"}
    )
    Replicated: ReplicatedMode | None = None
    Global: Empty | None = None
    ReplicatedJob: ReplicatedJobMode | None = None
    GlobalJob: Empty | None = None


class UpdatePolicy(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Delay", "FailureAction", "Monitor"})
    Parallelism: int = 0  # 0: all at once
    Delay: int = 0
    FailureAction: str = ""
    Monitor: int = 0
    MaxFailureRatio: float = 0
    Order: str = ""


class PortConfig(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {"Name", "Protocol", "TargetPort", "PublishedPort", "PublishMode"}
    )
    Name: str = ""
    Protocol: str = ""
    TargetPort: int = 0
    PublishedPort: int = 0
    PublishMode: str = ""


class EndpointChoice(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Mode", "Ports"})
    Mode: str = ""
    Ports: list[PortConfig] | None = None


class ServiceSpec(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {"UpdateConfig", "RollbackConfig", "Networks", "EndpointSpec"}
    )
    Name: str = ""
    Labels: dict[str, str] | None = None
    TaskTemplate: TaskSpec = TaskSpec()
    Mode: ServiceMode = ServiceMode()
    UpdateConfig: UpdatePolicy | None = None
    RollbackConfig: UpdatePolicy | None = None
    Networks: list[NetworkAttachmentConfig] | None = None
    EndpointSpec: EndpointChoice | None = None
