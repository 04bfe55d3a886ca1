"""Control groups in an inspection: which version, and whether limits can be set.

Version 1 needs its hierarchies mounted (below /sys/fs/cgroup), version 2 its controllers. On a
mixture the engine mounts what version 2 still holds, so that isn't a lack.
"""

from sampan.linux.cgroups import CgroupLayout, Version
from sampan.setup.findings import Finding, Status

# what a container's limits need: (version 1's name, version 2's name, why)
_CONTROLLERS = (
    ("memory", "memory", "--memory"),
    ("cpu", "cpu", "--cpus, --cpu-shares"),
    ("cpuset", "cpuset", "--cpuset-cpus"),
    ("pids", "pids", "--pids-limit"),
    ("blkio", "io", "--blkio-weight, --device-read-bps"),
)
_KEPT_ON_V1 = ("devices", "freezer")  # version 2 has these without a controller


def cgroup_findings(layout: CgroupLayout) -> list[Finding]:
    return [_hierarchies(layout), _limits(layout)]


def _hierarchies(layout: CgroupLayout) -> Finding:
    mounted = layout.version is not Version.V2 or layout.unified is not None
    if layout.version is Version.V2:
        mounted = bool(layout.unified and (layout.unified / "cgroup.controllers").exists())
        lacking: list[str] = []
    else:
        lacking = [name for name in _KEPT_ON_V1 if not _has(layout, name, name)]
    whole = mounted and not lacking
    return Finding(
        name="cgroups",
        status=Status.OK if whole else Status.MISSING,
        found=_found(layout, lacking) if mounted else "not mounted",
        why="limits, counting, pausing, devices",
        remedy="" if whole else "mount /sys/fs/cgroup (the packages systemd, cgroupfs-mount do)",
    )


def _found(layout: CgroupLayout, lacking: list[str]) -> str:
    said = {"v1": "version 1", "v2": "version 2", "hybrid": "versions 1 and 2"}[layout.version]
    moved = layout.on_unified()
    if lacking:
        return f"{said}, without {' '.join(lacking)}"
    return f"{said}; the engine moves {' '.join(moved)} to version 1" if moved else said


def _limits(layout: CgroupLayout) -> Finding:
    absent = [entry for entry in _CONTROLLERS if not _has(layout, *entry[:2])]
    names = [two if layout.version is Version.V2 else one for one, two, _ in absent]
    return Finding(
        name="limits",
        status=Status.OPTIONAL if absent else Status.OK,
        found=f"no controller {' '.join(names)}" if absent else "all controllers",
        why=", ".join(flags for _, _, flags in absent) or "--memory, --cpus, --pids-limit",
        remedy="boot parameters (cgroup_enable=memory) or the kernel" if absent else "",
    )


def _has(layout: CgroupLayout, one: str, two: str) -> bool:
    name = two if layout.version is Version.V2 else one
    try:
        return layout.has(name) or two in layout.on_unified()
    except OSError:
        return False
