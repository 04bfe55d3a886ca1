"""What the engine tells of a container: list, inspect, and the small answers of its routes.

Field names, order and null/[]/absent are those of a real engine (golden JSON in
tests/unit/engine/containers/golden). Times are RFC 3339 with nanoseconds except `Created` of a
list, which is seconds.
"""

from typing import ClassVar

from sampan.wire.codec import Wire
from sampan.wire.containers import (
    ContainerConfig,
    EndpointSettings,
    HostSettings,
    PortBinding,
    Resources,
    RestartSettings,
)


class Port(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"IP", "PublicPort"})
    IP: str = ""
    PrivatePort: int
    PublicPort: int = 0
    Type: str = "tcp"


class MountView(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Name", "Driver"})
    Type: str
    Name: str = ""
    Source: str = ""
    Destination: str
    Driver: str = ""
    Mode: str = ""
    RW: bool = True
    Propagation: str = ""


class SummaryHostConfig(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Annotations"})
    NetworkMode: str
    Annotations: dict[str, str] | None = None


class SummaryNetworks(Wire, frozen=True, kw_only=True):
    Networks: dict[str, EndpointSettings]


class ContainerSummary(Wire, frozen=True, kw_only=True):
    """One row of `docker ps`."""

    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"SizeRw", "SizeRootFs"})
    Id: str
    Names: list[str]
    Image: str
    ImageID: str
    Command: str
    Created: int
    Ports: list[Port]
    SizeRw: int = 0
    SizeRootFs: int = 0
    Labels: dict[str, str]
    State: str
    Status: str
    HostConfig: SummaryHostConfig
    NetworkSettings: SummaryNetworks
    Mounts: list[MountView]


class HealthResultView(Wire, frozen=True, kw_only=True):
    Start: str
    End: str
    ExitCode: int
    Output: str


class HealthView(Wire, frozen=True, kw_only=True):
    Status: str
    FailingStreak: int
    Log: list[HealthResultView]


class StateView(Wire, frozen=True, kw_only=True):
    OMITNONE: ClassVar[frozenset[str]] = frozenset({"Health"})
    Status: str
    Running: bool
    Paused: bool
    Restarting: bool
    OOMKilled: bool
    Dead: bool
    Pid: int
    ExitCode: int
    Error: str
    StartedAt: str
    FinishedAt: str
    Health: HealthView | None = None


class GraphDriverView(Wire, frozen=True, kw_only=True):
    Data: dict[str, str] | None
    Name: str


class NetworkSettingsView(Wire, frozen=True, kw_only=True):
    """The members from EndpointID to MacAddress repeat the default bridge's endpoint."""

    Bridge: str = ""
    SandboxID: str = ""
    SandboxKey: str = ""
    Ports: dict[str, list[PortBinding] | None]
    HairpinMode: bool = False
    LinkLocalIPv6Address: str = ""
    LinkLocalIPv6PrefixLen: int = 0
    SecondaryIPAddresses: list[str] | None = None
    SecondaryIPv6Addresses: list[str] | None = None
    EndpointID: str = ""
    Gateway: str = ""
    GlobalIPv6Address: str = ""
    GlobalIPv6PrefixLen: int = 0
    IPAddress: str = ""
    IPPrefixLen: int = 0
    IPv6Gateway: str = ""
    MacAddress: str = ""
    Networks: dict[str, EndpointSettings]


class ContainerInspect(Wire, frozen=True, kw_only=True):
    OMITNONE: ClassVar[frozenset[str]] = frozenset({"SizeRw", "SizeRootFs"})
    Id: str
    Created: str
    Path: str
    Args: list[str]
    State: StateView
    Image: str
    ResolvConfPath: str
    HostnamePath: str
    HostsPath: str
    LogPath: str
    Name: str
    RestartCount: int
    Driver: str
    Platform: str
    MountLabel: str = ""
    ProcessLabel: str = ""
    AppArmorProfile: str = ""
    ExecIDs: list[str] | None
    HostConfig: HostSettings
    GraphDriver: GraphDriverView
    SizeRw: int | None = None
    SizeRootFs: int | None = None
    Mounts: list[MountView]
    Config: ContainerConfig
    NetworkSettings: NetworkSettingsView


class ContainerCreated(Wire, frozen=True, kw_only=True):
    """Answer of POST /containers/create."""

    Id: str
    Warnings: list[str]


class WaitError(Wire, frozen=True, kw_only=True):
    Message: str


class WaitResult(Wire, frozen=True, kw_only=True):
    """Answer of POST /containers/{id}/wait."""

    OMITNONE: ClassVar[frozenset[str]] = frozenset({"Error"})
    Error: WaitError | None = None
    StatusCode: int


class UpdateRequest(Resources, frozen=True, kw_only=True):
    """Body of POST /containers/{id}/update."""

    RestartPolicy: RestartSettings = RestartSettings()


class ContainerUpdated(Wire, frozen=True, kw_only=True):
    Warnings: list[str] | None


class ContainersPruned(Wire, frozen=True, kw_only=True):
    ContainersDeleted: list[str] | None
    SpaceReclaimed: int
