"""What the engine tells about itself and its host: the data of /info and /version.

Facts of the host and of the instance are gathered once, at start; counts are asked for at each
call. Nothing here changes anything.
"""

import os
import platform
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sampan.lib import gotime
from sampan.wire.swarm_views import SwarmStanding
from sampan.wire.system import (
    AddressPool,
    Commit,
    Component,
    FirewallInfo,
    IndexInfo,
    Info,
    PlatformName,
    PluginsInfo,
    RegistryServiceConfig,
    RuntimeInfo,
    Version,
)
from sampan.wire.versions import MAXIMUM, MINIMUM, PLATFORM_NAME, REPORTED_VERSION

# Go's names of architectures, by the kernel's.
_GO_ARCH = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The machine, as /proc and os-release describe it."""

    kernel: str
    architecture: str
    os_name: str
    os_version: str
    cpus: int
    memory_bytes: int

    @property
    def go_arch(self) -> str:
        return _GO_ARCH.get(self.architecture, self.architecture)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many objects there are now."""

    running: int = 0
    paused: int = 0
    stopped: int = 0
    images: int = 0


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """The instance: what its configuration and its mechanisms came to.

    `component_versions`: programs beside the engine (`crun` -> "1.8.1"), for /version, as are the
    source (`commit`) and the time (`built`, RFC 3339) of this program.
    """

    engine_id: str
    data_root: Path
    cgroup_version: str
    debug: bool = False
    apparmor: bool = False
    backing_filesystem: str = "extfs"
    logging_driver: str = "json-file"
    log_drivers: Sequence[str] = ("json-file", "local", "none")
    network_drivers: Sequence[str] = ("bridge", "host", "ipvlan", "macvlan", "null", "overlay")
    volume_drivers: Sequence[str] = ("local",)
    runtimes: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    default_runtime: str = "crun"
    component_versions: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""
    built: str = ""
    init_binary: str = ""
    labels: Sequence[str] = ()
    insecure_registries: Sequence[str] = ()
    registry_mirrors: Sequence[str] = ()
    address_pools: Sequence[tuple[str, int]] = ()
    warnings: Sequence[str] = ()


def host_facts() -> HostFacts:
    uname = platform.uname()
    release = _os_release()
    page = os.sysconf("SC_PAGE_SIZE")
    return HostFacts(
        kernel=uname.release,
        architecture=uname.machine,
        os_name=release.get("PRETTY_NAME", "Linux"),
        os_version=release.get("VERSION_ID", ""),
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=page * os.sysconf("SC_PHYS_PAGES"),
    )


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def backing_filesystem(mountinfo: str, path: Path) -> str:
    """The type of the filesystem that holds `path`, in dockerd's names."""
    best, found = "", "unknown"
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4]
        inside = point == "/" or path == Path(point) or Path(point) in path.parents
        if inside and len(point) >= len(best):
            best, found = point, right.split(" ")[0]
    return "extfs" if found in {"ext2", "ext3", "ext4"} else found


class SystemInfo:
    """Answers /info and /version. `tally` and `listeners` are cheap and may be called often."""

    def __init__(
        self,
        *,
        facts: EngineFacts,
        host: HostFacts,
        tally: Callable[[], Tally],
        listeners: Callable[[], int] = lambda: 0,
        swarm: Callable[[], SwarmStanding] = SwarmStanding,
    ) -> None:
        self._facts = facts
        self._host = host
        self._tally = tally
        self._listeners = listeners
        self._swarm = swarm

    def reload(self, facts: EngineFacts) -> None:
        """Take over what a reload of the configuration changed."""
        self._facts = facts

    @property
    def facts(self) -> EngineFacts:
        return self._facts

    def standing(self) -> SwarmStanding:
        """This node's part in a swarm."""
        return self._swarm()

    def version(self) -> Version:
        host = self._host
        python = f"python{platform.python_version()}"
        details = {
            "ApiVersion": str(MAXIMUM),
            "Arch": host.go_arch,
            "BuildTime": self._facts.built,
            "Experimental": "false",
            "GitCommit": self._facts.commit,
            "GoVersion": python,
            "KernelVersion": host.kernel,
            "MinAPIVersion": str(MINIMUM),
            "Os": "linux",
        }
        engine = Component(Name="Engine", Version=REPORTED_VERSION, Details=details)
        others = [
            Component(Name=name, Version=version, Details={"GitCommit": ""})
            for name, version in self._facts.component_versions.items()
        ]
        return Version(
            Platform=PlatformName(Name=PLATFORM_NAME),
            Components=[engine, *others],
            Version=REPORTED_VERSION,
            ApiVersion=str(MAXIMUM),
            MinAPIVersion=str(MINIMUM),
            GitCommit=self._facts.commit,
            BuildTime=self._facts.built,
            GoVersion=python,
            Os="linux",
            Arch=host.go_arch,
            KernelVersion=host.kernel,
        )

    def info(self) -> Info:
        facts, host, tally = self._facts, self._host, self._tally()
        return Info(
            ID=facts.engine_id,
            Name=socket.gethostname(),
            ServerVersion=REPORTED_VERSION,
            Containers=tally.running + tally.paused + tally.stopped,
            ContainersRunning=tally.running,
            ContainersPaused=tally.paused,
            ContainersStopped=tally.stopped,
            Images=tally.images,
            Driver="overlay2",
            DriverStatus=[
                ("Backing Filesystem", facts.backing_filesystem),
                ("Supports d_type", "true"),
                ("Native Overlay Diff", "true"),
                ("userxattr", "false"),
            ],
            Plugins=PluginsInfo(
                Volume=list(facts.volume_drivers),
                Network=list(facts.network_drivers),
                Log=list(facts.log_drivers),
            ),
            OomKillDisable=facts.cgroup_version == "1",
            IPv4Forwarding=_forwarding(),
            Debug=facts.debug,
            NFd=len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - names only
            NGoroutines=len(sys._current_frames()),  # noqa: SLF001 - the documented way to count
            NEventsListener=self._listeners(),
            SystemTime=gotime.format_ns(gotime.now_ns()),
            LoggingDriver=facts.logging_driver,
            CgroupVersion=facts.cgroup_version,
            KernelVersion=host.kernel,
            OperatingSystem=host.os_name,
            OSVersion=host.os_version,
            Architecture=host.architecture,
            NCPU=host.cpus,
            MemTotal=host.memory_bytes,
            DockerRootDir=str(facts.data_root),
            HttpProxy=os.environ.get("HTTP_PROXY", ""),
            HttpsProxy=os.environ.get("HTTPS_PROXY", ""),
            NoProxy=os.environ.get("NO_PROXY", ""),
            Labels=list(facts.labels),
            RegistryConfig=_registry_config(facts),
            Runtimes={
                name: RuntimeInfo(path=path, runtimeArgs=list(arguments))
                for name, (path, arguments) in facts.runtimes.items()
            },
            DefaultRuntime=facts.default_runtime,
            InitBinary=facts.init_binary,
            Swarm=self._swarm(),
            RuncCommit=Commit(ID=facts.component_versions.get(facts.default_runtime, "")),
            SecurityOptions=_security_options(facts),
            DefaultAddressPools=[
                AddressPool(Base=base, Size=size) for base, size in facts.address_pools
            ],
            FirewallBackend=FirewallInfo(Driver="nftables"),
            Warnings=list(facts.warnings) or None,
        )


def _security_options(facts: EngineFacts) -> list[str]:
    apparmor = ["name=apparmor"] if facts.apparmor else []
    return [*apparmor, "name=seccomp,profile=builtin", "name=cgroupns"]


def _forwarding() -> bool:
    try:
        return Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1"
    except OSError:
        return False


def _registry_config(facts: EngineFacts) -> RegistryServiceConfig:
    networks = [entry for entry in facts.insecure_registries if "/" in entry]
    hosts = [entry for entry in facts.insecure_registries if "/" not in entry]
    mirrors = [f"{mirror.rstrip('/')}/" for mirror in facts.registry_mirrors]
    official = IndexInfo(Name="docker.io", Mirrors=mirrors, Secure=True, Official=True)
    return RegistryServiceConfig(
        InsecureRegistryCIDRs=["::1/128", "127.0.0.0/8", *networks],
        IndexConfigs={"docker.io": official}
        | {host: IndexInfo(Name=host, Secure=False) for host in hosts},
        Mirrors=mirrors,
    )
