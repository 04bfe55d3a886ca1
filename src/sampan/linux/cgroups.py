"""Control groups, versions 1, 2 and the mixture ("hybrid").

A container's group has one path, e.g. `/sampan/<id>`, the same in every hierarchy: with version 1
one hierarchy a controller below /sys/fs/cgroup, with version 2 a single one. `CgroupLayout` says
what is mounted where; the functions of cgroup_stats.py and the methods here take group paths.
The OCI runtime makes a container's group and removes it; the rest here reads, updates, freezes and
sweeps.

crun refuses a mixture in which version 2 still has controllers. `mount_missing` gives each of them
a version 1 hierarchy of its own, as Debian's cgroupfs-mount does; such a mount belongs to the
machine like the others and stays.
"""

import contextlib
import os
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from sampan.errors import Internal
from sampan.linux import libc

ROOT = Path("/sys/fs/cgroup")
REMOVE_S = 2.0
_V1_DEVICES = "devices"


class Version(StrEnum):
    V1 = "v1"
    HYBRID = "hybrid"
    V2 = "v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What `update` changes; None leaves a limit as it is, -1 lifts it."""

    memory_bytes: int | None = None
    memory_swap_bytes: int | None = None  # memory and swap together, as Docker counts
    memory_reservation_bytes: int | None = None
    cpu_shares: int | None = None
    cpu_quota_us: int | None = None
    cpu_period_us: int | None = None
    cpuset_cpus: str | None = None
    cpuset_mems: str | None = None
    pids: int | None = None
    blkio_weight: int | None = None


@dataclass(frozen=True, slots=True)
class CgroupLayout:
    """`controllers` maps a version 1 controller to its mount; `unified` is version 2's mount."""

    version: Version
    controllers: dict[str, Path]
    unified: Path | None

    @classmethod
    def detect(cls, mountinfo: str | None = None) -> Self:
        """From /proc/self/mountinfo (or the text given)."""
        text = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
        controllers: dict[str, Path] = {}
        unified: Path | None = None
        for row in text.splitlines():
            left, _, right = row.partition(" - ")
            kind, _, options = right.split(" ", 2)
            target = Path(left.split(" ")[4])
            if kind == "cgroup2":
                unified = unified or target
            elif kind == "cgroup" and ROOT in target.parents:
                for option in options.split(","):
                    if option not in {"rw", "ro", "xattr", "noprefix", "clone_children"}:
                        controllers.setdefault(option.removeprefix("name="), target)
        if not controllers:
            return cls(Version.V2, {}, unified or ROOT)
        return cls(Version.V1 if unified is None else Version.HYBRID, controllers, unified)

    @property
    def docker_version(self) -> str:
        """CgroupVersion of `info`."""
        return "2" if self.version is Version.V2 else "1"

    def on_unified(self) -> tuple[str, ...]:
        """Controllers that version 2 has though version 1 is used for the others."""
        if self.version is not Version.HYBRID or self.unified is None:
            return ()
        return tuple((self.unified / "cgroup.controllers").read_text().split())

    def has(self, controller: str) -> bool:
        if self.version is Version.V2:
            assert self.unified is not None
            return controller in (self.unified / "cgroup.controllers").read_text().split()
        return controller in self.controllers

    def folder(self, group: str, controller: str) -> Path | None:
        """The group's folder in the hierarchy of a (version 1) controller."""
        base = self.unified if self.version is Version.V2 else self.controllers.get(controller)
        return None if base is None else base / group.lstrip("/")

    def folders(self, group: str) -> list[Path]:
        """The group's folder in every hierarchy, each once."""
        bases = {*self.controllers.values(), *([self.unified] if self.unified else [])}
        return [base / group.lstrip("/") for base in sorted(bases)]

    def oom_file(self, group: str) -> Path | None:
        """A file with an `oom_kill N` row that counts the group's OOM kills."""
        folder = self.folder(group, "memory")
        name = "memory.events" if self.version is Version.V2 else "memory.oom_control"
        return None if folder is None else folder / name

    def processes(self, group: str) -> list[int]:
        """Pids in the group and below it."""
        found: set[int] = set()
        anchor = "" if self.version is Version.V2 else _V1_DEVICES
        folder = self.folder(group, anchor)
        if folder is None:
            return []
        for below, _, _ in os.walk(folder):
            try:
                found.update(map(int, (Path(below) / "cgroup.procs").read_text().split()))
            except OSError:
                continue
        return sorted(found)

    def freeze(self, group: str) -> None:
        """Stop all processes; returns when they stand."""
        self._set_frozen(group, frozen=True)

    def thaw(self, group: str) -> None:
        self._set_frozen(group, frozen=False)

    def is_frozen(self, group: str) -> bool:
        folder = self.folder(group, "freezer")
        if folder is None:
            return False
        if self.version is Version.V2:
            return "frozen 1" in (folder / "cgroup.events").read_text()
        return (folder / "freezer.state").read_text().strip() == "FROZEN"

    def _set_frozen(self, group: str, *, frozen: bool) -> None:
        folder = self.folder(group, "freezer")
        if folder is None:
            raise Internal("the freezer cgroup isn't mounted")
        if self.version is Version.V2:
            (folder / "cgroup.freeze").write_text("1" if frozen else "0")
        else:
            (folder / "freezer.state").write_text("FROZEN" if frozen else "THAWED")
        deadline = time.monotonic() + REMOVE_S
        while self.is_frozen(group) != frozen:
            if time.monotonic() > deadline:
                raise Internal(f"cgroup {group} doesn't {'freeze' if frozen else 'thaw'}")
            time.sleep(0.001)

    def remove(self, group: str) -> None:
        """Remove the group and empty ones below it, everywhere. Busy ones raise OSError."""
        for folder in self.folders(group):
            for below, _, _ in os.walk(folder, topdown=False):
                Path(below).rmdir()

    def update(self, group: str, limits: Limits) -> None:
        """Change limits of a living group."""
        as_settings = v2_settings if self.version is Version.V2 else v1_settings
        settings = as_settings(limits)
        if "memory.memsw.limit_in_bytes" in settings and self._grows_swap_first(group, limits):
            order = ["memory.memsw.limit_in_bytes", "memory.limit_in_bytes"]
            settings = {key: settings[key] for key in [*order, *settings] if key in settings}
        for name, value in settings.items():
            controller = name.partition(".")[0]
            folder = self.folder(group, controller)
            if folder is None or not (folder / name).exists():
                raise Internal(f"this kernel has no cgroup setting {name}")
            (folder / name).write_text(value)

    def _grows_swap_first(self, group: str, limits: Limits) -> bool:
        """memory+swap may never be below memory: grow it first, shrink it last."""
        folder = self.folder(group, "memory")
        if folder is None or limits.memory_swap_bytes is None:
            return False
        now = int((folder / "memory.memsw.limit_in_bytes").read_text())
        return limits.memory_swap_bytes == -1 or limits.memory_swap_bytes > now


def v1_settings(limits: Limits) -> dict[str, str]:
    """File name -> text, in the order of writing."""
    pairs = {
        "memory.limit_in_bytes": limits.memory_bytes,
        "memory.memsw.limit_in_bytes": limits.memory_swap_bytes,
        "memory.soft_limit_in_bytes": limits.memory_reservation_bytes,
        "cpu.shares": limits.cpu_shares,
        "cpu.cfs_period_us": limits.cpu_period_us,
        "cpu.cfs_quota_us": limits.cpu_quota_us,
        "cpuset.cpus": limits.cpuset_cpus,
        "cpuset.mems": limits.cpuset_mems,
        "pids.max": "max" if limits.pids == -1 else limits.pids,
        "blkio.weight": limits.blkio_weight,
    }
    return {name: str(value) for name, value in pairs.items() if value is not None}


def v2_settings(limits: Limits) -> dict[str, str]:
    settings: dict[str, str] = {}

    def limit(name: str, value: int | None) -> None:
        if value is not None:
            settings[name] = "max" if value < 0 else str(value)

    limit("memory.max", limits.memory_bytes)
    swap = limits.memory_swap_bytes
    if swap is not None and swap >= 0:  # version 2 counts swap alone
        swap = max(0, swap - max(0, limits.memory_bytes or 0))
    limit("memory.swap.max", swap)
    limit("memory.low", limits.memory_reservation_bytes)
    if limits.cpu_shares:
        settings["cpu.weight"] = str(shares_to_weight(limits.cpu_shares))
    if limits.cpu_quota_us is not None or limits.cpu_period_us is not None:
        quota = limits.cpu_quota_us or -1
        text = "max" if quota < 0 else str(quota)
        settings["cpu.max"] = f"{text} {limits.cpu_period_us or 100_000}"
    if limits.cpuset_cpus is not None:
        settings["cpuset.cpus"] = limits.cpuset_cpus
    if limits.cpuset_mems is not None:
        settings["cpuset.mems"] = limits.cpuset_mems
    limit("pids.max", limits.pids)
    if limits.blkio_weight:
        settings["io.weight"] = f"default {limits.blkio_weight}"
    return settings


def shares_to_weight(shares: int) -> int:
    """cpu.shares 2..262144 to cpu.weight 1..10000, the formula of the OCI runtimes."""
    return 1 + (max(2, min(shares, 262144)) - 2) * 9999 // 262142


def own_procs_file(layout: CgroupLayout) -> Path | None:
    """`cgroup.procs` of a group that this process is in; None if it can't be seen from here."""
    for row in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, group = row.split(":", 2)
        for controller in names.split(","):
            folder = layout.folder(group, controller.removeprefix("name="))
            if folder is not None and (folder / "cgroup.procs").exists():
                return folder / "cgroup.procs"
    return None


def rejoin(procs_file: Path) -> None:
    """Move this process into the group where it is: for its side effect on the kernel.

    The first move of a process after a quiet time waits for an RCU grace period, 5 to 15 ms
    (cgroup_threadgroup_rwsem); moves shortly after it don't. Done while a container's start is
    being prepared, this takes the wait off the path of the start.
    """
    with contextlib.suppress(OSError):
        procs_file.write_text(str(os.getpid()))


def mount_missing(layout: CgroupLayout) -> tuple[CgroupLayout, tuple[str, ...]]:
    """Give controllers that hybrid mode leaves to version 2 their own version 1 hierarchy.

    Returns the new layout and those that couldn't be moved (in use, or not permitted); crun can't
    run then.
    """
    for controller in layout.on_unified():
        target = ROOT / controller
        try:
            target.mkdir(exist_ok=True)
            flags = libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC
            libc.mount("cgroup", target, "cgroup", flags, controller)
        except OSError:
            continue
    found = CgroupLayout.detect()
    return found, found.on_unified()
