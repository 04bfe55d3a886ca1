"""What a client asks of a container: Config, HostConfig and endpoint settings.

Field names are the Engine API's (v1.51 definitions ContainerConfig, HostConfig, Resources,
EndpointSettings). The engine keeps these three as the client gave them, because inspect must
return them; everything that it derives lives in records of its own. Durations are nanoseconds,
sizes bytes.
"""

from typing import Any, ClassVar

from sampan.wire.codec import Count, Wire

Empty = dict[str, Any]  # Go's struct{} as a map value


class HealthConfig(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {"Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"}
    )
    Test: list[str] | None = None
    Interval: int = 0
    Timeout: int = 0
    StartPeriod: int = 0
    StartInterval: int = 0
    Retries: int = 0


class ContainerConfig(Wire, frozen=True, kw_only=True):
    """`Config` of create and inspect; also an image's config."""

    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {
            "ExposedPorts",
            "Healthcheck",
            "ArgsEscaped",
            "NetworkDisabled",
            "MacAddress",
            "StopSignal",
            "StopTimeout",
            "Shell",
        }
    )
    Hostname: str = ""
    Domainname: str = ""
    User: str = ""
    AttachStdin: bool = False
    AttachStdout: bool = False
    AttachStderr: bool = False
    ExposedPorts: dict[str, Empty] | None = None
    Tty: bool = False
    OpenStdin: bool = False
    StdinOnce: bool = False
    Env: list[str] | None = None
    Cmd: list[str] | None = None
    Healthcheck: HealthConfig | None = None
    ArgsEscaped: bool = False
    Image: str = ""
    Volumes: dict[str, Empty] | None = None
    WorkingDir: str = ""
    Entrypoint: list[str] | None = None
    NetworkDisabled: bool = False
    MacAddress: str = ""
    OnBuild: list[str] | None = None
    Labels: dict[str, str] | None = None
    StopSignal: str = ""
    StopTimeout: int | None = None
    Shell: list[str] | None = None


class PortBinding(Wire, frozen=True, kw_only=True):
    HostIp: str = ""
    HostPort: str = ""


class LogSettings(Wire, frozen=True, kw_only=True):
    Type: str = ""
    Config: dict[str, str] | None = None


class RestartSettings(Wire, frozen=True, kw_only=True):
    Name: str = ""
    MaximumRetryCount: int = 0


class VolumeDriverConfig(Wire, frozen=True, kw_only=True):
    Name: str = ""
    Options: dict[str, str] | None = None


class MountBindOptions(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {
            "Propagation",
            "NonRecursive",
            "CreateMountpoint",
            "ReadOnlyNonRecursive",
            "ReadOnlyForceRecursive",
        }
    )
    Propagation: str = ""
    NonRecursive: bool = False
    CreateMountpoint: bool = False
    ReadOnlyNonRecursive: bool = False
    ReadOnlyForceRecursive: bool = False


class MountVolumeOptions(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"NoCopy", "Labels", "DriverConfig", "Subpath"})
    NoCopy: bool = False
    Labels: dict[str, str] | None = None
    DriverConfig: VolumeDriverConfig | None = None
    Subpath: str = ""


class MountTmpfsOptions(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"SizeBytes", "Mode", "Options"})
    SizeBytes: int = 0
    Mode: int = 0
    Options: list[list[str]] | None = None


class MountImageOptions(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Subpath"})
    Subpath: str = ""


class Mount(Wire, frozen=True, kw_only=True):
    """One entry of HostConfig.Mounts (what `--mount` sends)."""

    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {
            "Type",
            "Source",
            "Target",
            "ReadOnly",
            "Consistency",
            "BindOptions",
            "VolumeOptions",
            "ImageOptions",
            "TmpfsOptions",
        }
    )
    Type: str = ""
    Source: str = ""
    Target: str = ""
    ReadOnly: bool = False
    Consistency: str = ""
    BindOptions: MountBindOptions | None = None
    VolumeOptions: MountVolumeOptions | None = None
    ImageOptions: MountImageOptions | None = None
    TmpfsOptions: MountTmpfsOptions | None = None


class WeightDevice(Wire, frozen=True, kw_only=True):
    Path: str = ""
    Weight: int = 0


class ThrottleDevice(Wire, frozen=True, kw_only=True):
    Path: str = ""
    Rate: int = 0


class DeviceMapping(Wire, frozen=True, kw_only=True):
    PathOnHost: str = ""
    PathInContainer: str = ""
    CgroupPermissions: str = ""


class DeviceRequest(Wire, frozen=True, kw_only=True):
    Driver: str = ""
    Count: int = 0
    DeviceIDs: list[str] | None = None
    Capabilities: list[list[str]] | None = None
    Options: dict[str, str] | None = None


class Ulimit(Wire, frozen=True, kw_only=True):
    Name: str = ""
    Soft: int = 0
    Hard: int = 0


class Resources(Wire, frozen=True, kw_only=True):
    """Limits; also the body of POST /containers/{id}/update."""

    CpuShares: int = 0
    Memory: int = 0
    NanoCpus: int = 0
    CgroupParent: str = ""
    BlkioWeight: int = 0
    BlkioWeightDevice: list[WeightDevice] | None = None
    BlkioDeviceReadBps: list[ThrottleDevice] | None = None
    BlkioDeviceWriteBps: list[ThrottleDevice] | None = None
    BlkioDeviceReadIOps: list[ThrottleDevice] | None = None
    BlkioDeviceWriteIOps: list[ThrottleDevice] | None = None
    CpuPeriod: int = 0
    CpuQuota: int = 0
    CpuRealtimePeriod: int = 0
    CpuRealtimeRuntime: int = 0
    CpusetCpus: str = ""
    CpusetMems: str = ""
    Devices: list[DeviceMapping] | None = None
    DeviceCgroupRules: list[str] | None = None
    DeviceRequests: list[DeviceRequest] | None = None
    MemoryReservation: int = 0
    MemorySwap: int = 0
    MemorySwappiness: int | None = None
    OomKillDisable: bool | None = None
    PidsLimit: int | None = None
    Ulimits: list[Ulimit] | None = None
    CpuCount: int = 0
    CpuPercent: int = 0
    IOMaximumIOps: int = 0
    IOMaximumBandwidth: int = 0


class HostSettings(Resources, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {"Annotations", "Mounts", "StorageOpt", "Tmpfs", "Sysctls", "Runtime", "Init"}
    )
    Binds: list[str] | None = None
    ContainerIDFile: str = ""
    LogConfig: LogSettings = LogSettings()
    NetworkMode: str = ""
    PortBindings: dict[str, list[PortBinding]] | None = None
    RestartPolicy: RestartSettings = RestartSettings()
    AutoRemove: bool = False
    VolumeDriver: str = ""
    VolumesFrom: list[str] | None = None
    ConsoleSize: tuple[Count, Count] | None = None
    Annotations: dict[str, str] | None = None
    CapAdd: list[str] | None = None
    CapDrop: list[str] | None = None
    CgroupnsMode: str = ""
    Dns: list[str] | None = None
    DnsOptions: list[str] | None = None
    DnsSearch: list[str] | None = None
    ExtraHosts: list[str] | None = None
    GroupAdd: list[str] | None = None
    IpcMode: str = ""
    Cgroup: str = ""
    Links: list[str] | None = None
    OomScoreAdj: int = 0
    PidMode: str = ""
    Privileged: bool = False
    PublishAllPorts: bool = False
    ReadonlyRootfs: bool = False
    SecurityOpt: list[str] | None = None
    StorageOpt: dict[str, str] | None = None
    Tmpfs: dict[str, str] | None = None
    UTSMode: str = ""
    UsernsMode: str = ""
    ShmSize: int = 0
    Sysctls: dict[str, str] | None = None
    Runtime: str = ""
    Isolation: str = ""
    Mounts: list[Mount] | None = None
    MaskedPaths: list[str] | None = None
    ReadonlyPaths: list[str] | None = None
    Init: bool | None = None


class EndpointAddressing(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"IPv4Address", "IPv6Address", "LinkLocalIPs"})
    IPv4Address: str = ""
    IPv6Address: str = ""
    LinkLocalIPs: list[str] | None = None


class EndpointSettings(Wire, frozen=True, kw_only=True):
    """One network of a container: what was asked (top) and what it got (bottom)."""

    IPAMConfig: EndpointAddressing | None = None
    Links: list[str] | None = None
    Aliases: list[str] | None = None
    DriverOpts: dict[str, str] | None = None
    GwPriority: int = 0
    NetworkID: str = ""
    EndpointID: str = ""
    Gateway: str = ""
    IPAddress: str = ""
    MacAddress: str = ""
    IPPrefixLen: int = 0
    IPv6Gateway: str = ""
    GlobalIPv6Address: str = ""
    GlobalIPv6PrefixLen: int = 0
    DNSNames: list[str] | None = None


class NetworkingRequest(Wire, frozen=True, kw_only=True):
    EndpointsConfig: dict[str, EndpointSettings] | None = None


class CreateRequest(ContainerConfig, frozen=True, kw_only=True):
    """Body of POST /containers/create: Config with two more members.

    `Runtime` belongs into HostConfig; docker-py puts it here, and dockerd takes it.
    """

    Runtime: str = ""
    HostConfig: HostSettings = HostSettings()
    NetworkingConfig: NetworkingRequest = NetworkingRequest()
