"""The engine about itself: /version, /info, /auth, /system/df (Engine API v1.51).

Field names are the API's. `Info` has the fields that docker CLI 28 and docker-py read; those that
only Windows or removed features fill are left out.
"""

from typing import Any, ClassVar

from sampan.wire.codec import Wire
from sampan.wire.swarm_views import SwarmStanding


class PlatformName(Wire, frozen=True, kw_only=True):
    Name: str = ""


class Component(Wire, frozen=True, kw_only=True):
    """One program of the server; the first is called `Engine`."""

    Name: str
    Version: str
    Details: dict[str, str] | None = None


class Version(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Experimental", "BuildTime"})
    Platform: PlatformName
    Components: list[Component] = []
    Version: str
    ApiVersion: str
    MinAPIVersion: str
    GitCommit: str = ""
    GoVersion: str = ""
    Os: str
    Arch: str
    KernelVersion: str = ""
    Experimental: bool = False
    BuildTime: str = ""


class PluginsInfo(Wire, frozen=True, kw_only=True):
    """Names of the drivers; managed plugins don't exist here."""

    Volume: list[str] = []
    Network: list[str] = []
    Authorization: list[str] | None = None
    Log: list[str] = []


class IndexInfo(Wire, frozen=True, kw_only=True):
    Name: str
    Mirrors: list[str] = []
    Secure: bool = True
    Official: bool = False


class RegistryServiceConfig(Wire, frozen=True, kw_only=True):
    InsecureRegistryCIDRs: list[str] = []
    IndexConfigs: dict[str, IndexInfo] = {}
    Mirrors: list[str] = []


class RuntimeInfo(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"runtimeArgs"})
    path: str
    runtimeArgs: list[str] | None = None


class Commit(Wire, frozen=True, kw_only=True):
    ID: str = ""


class FirewallInfo(Wire, frozen=True, kw_only=True):
    Driver: str = ""


class AddressPool(Wire, frozen=True, kw_only=True):
    Base: str
    Size: int


class Info(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"DefaultAddressPools", "CDISpecDirs"})
    ID: str
    Containers: int = 0
    ContainersRunning: int = 0
    ContainersPaused: int = 0
    ContainersStopped: int = 0
    Images: int = 0
    Driver: str
    DriverStatus: list[tuple[str, str]] = []
    SystemStatus: list[tuple[str, str]] | None = None
    Plugins: PluginsInfo
    MemoryLimit: bool = True
    SwapLimit: bool = True
    CpuCfsPeriod: bool = True
    CpuCfsQuota: bool = True
    CPUShares: bool = True
    CPUSet: bool = True
    PidsLimit: bool = True
    IPv4Forwarding: bool = True
    Debug: bool = False
    NFd: int = 0
    OomKillDisable: bool = False
    NGoroutines: int = 0
    SystemTime: str = ""
    LoggingDriver: str = "json-file"
    CgroupDriver: str = "cgroupfs"
    CgroupVersion: str
    NEventsListener: int = 0
    KernelVersion: str = ""
    OperatingSystem: str = ""
    OSVersion: str = ""
    OSType: str = "linux"
    Architecture: str = ""
    IndexServerAddress: str = "https://index.docker.io/v1/"
    RegistryConfig: RegistryServiceConfig = RegistryServiceConfig()
    NCPU: int = 0
    MemTotal: int = 0
    GenericResources: list[Any] | None = None
    DockerRootDir: str = ""
    HttpProxy: str = ""
    HttpsProxy: str = ""
    NoProxy: str = ""
    Name: str = ""
    Labels: list[str] = []
    ExperimentalBuild: bool = False
    ServerVersion: str
    Runtimes: dict[str, RuntimeInfo] = {}
    DefaultRuntime: str = ""
    Swarm: SwarmStanding = SwarmStanding()
    LiveRestoreEnabled: bool = True
    Isolation: str = ""
    InitBinary: str = ""
    ContainerdCommit: Commit = Commit()
    RuncCommit: Commit = Commit()
    InitCommit: Commit = Commit()
    SecurityOptions: list[str] = []
    DefaultAddressPools: list[AddressPool] = []
    FirewallBackend: FirewallInfo | None = None
    CDISpecDirs: list[str] = []
    Warnings: list[str] | None = None


class AuthConfig(Wire, frozen=True, kw_only=True):
    """Registry credentials: the X-Registry-Auth header and the body of POST /auth."""

    username: str = ""
    password: str = ""
    auth: str = ""
    email: str = ""
    serveraddress: str = ""
    identitytoken: str = ""
    registrytoken: str = ""


class AuthResult(Wire, frozen=True, kw_only=True):
    Status: str = "Login Succeeded"
    IdentityToken: str = ""


class BuildCacheRecord(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Parents"})
    ID: str
    Parents: list[str] | None = None
    Type: str
    Description: str = ""
    InUse: bool = False
    Shared: bool = False
    Size: int = 0
    CreatedAt: str
    LastUsedAt: str | None = None
    UsageCount: int = 0


class DiskUsage(Wire, frozen=True, kw_only=True):
    """GET /system/df; the entries are those of the four lists, with sizes filled in."""

    LayersSize: int = 0
    Images: list[Any] | None = None
    Containers: list[Any] | None = None
    Volumes: list[Any] | None = None
    BuildCache: list[Any] | None = None
