"""What this daemon may give to containers: read from the kernel once, at start.

Without CAP_SYS_RESOURCE no limit can be raised and no oom_score_adj lowered; no container can get
a capability that the daemon lacks. What is asked for beyond that is cut, not refused.
"""

import os
import platform
import re
import resource
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sampan.runtime import apparmor

CAPABILITIES = (  # <linux/capability.h>, in the order of their bits
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)
RLIMITS = {
    "as": "RLIMIT_AS",
    "core": "RLIMIT_CORE",
    "cpu": "RLIMIT_CPU",
    "data": "RLIMIT_DATA",
    "fsize": "RLIMIT_FSIZE",
    "locks": "RLIMIT_LOCKS",
    "memlock": "RLIMIT_MEMLOCK",
    "msgqueue": "RLIMIT_MSGQUEUE",
    "nice": "RLIMIT_NICE",
    "nofile": "RLIMIT_NOFILE",
    "nproc": "RLIMIT_NPROC",
    "rss": "RLIMIT_RSS",
    "rtprio": "RLIMIT_RTPRIO",
    "rttime": "RLIMIT_RTTIME",
    "sigpending": "RLIMIT_SIGPENDING",
    "stack": "RLIMIT_STACK",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    capabilities: frozenset[str] = frozenset(CAPABILITIES)
    cgroup_version: str = "2"
    cpu_count: int = 1
    memory_bytes: int = 0
    machine: str = "x86_64"
    kernel: tuple[int, int] = (5, 10)
    oom_score_adj: int = 0
    hard_limits: Mapping[str, int] = field(default_factory=dict)  # RLIMIT_X: own; -1 unlimited
    apparmor: bool = False  # the kernel has it
    thermal_paths: tuple[str, ...] = ()  # masked like Docker's list, where they exist

    @property
    def can_raise_limits(self) -> bool:
        return "CAP_SYS_RESOURCE" in self.capabilities

    @classmethod
    def detect(cls, cgroup_version: str) -> "HostFacts":
        """Of the calling process. `cgroup_version` is "1" or "2"."""
        major, minor = re.findall(r"\d+", platform.release())[:2]
        return cls(
            capabilities=own_capabilities(Path("/proc/self/status").read_text()),
            cgroup_version=cgroup_version,
            cpu_count=len(os.sched_getaffinity(0)),
            memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            machine=platform.machine(),
            kernel=(int(major), int(minor)),
            oom_score_adj=int(Path("/proc/self/oom_score_adj").read_text()),
            hard_limits=_hard_limits(),
            apparmor=apparmor.enabled(),
            thermal_paths=tuple(
                sorted(map(str, Path("/sys/devices/system/cpu").glob("cpu*/thermal_throttle")))
            ),
        )


def own_capabilities(status: str) -> frozenset[str]:
    """The bounding set's part that is permitted too, from /proc/self/status."""
    permitted, bounding = (
        int(re.search(rf"^{name}:\s*([0-9a-f]+)", status, re.MULTILINE)[1], 16)  # type: ignore[index]
        for name in ("CapPrm", "CapBnd")
    )
    mask = permitted & bounding
    return frozenset(name for bit, name in enumerate(CAPABILITIES) if mask >> bit & 1)


def _hard_limits() -> dict[str, int]:
    return {
        name: resource.getrlimit(getattr(resource, name))[1]
        for name in RLIMITS.values()
        if hasattr(resource, name)
    }
