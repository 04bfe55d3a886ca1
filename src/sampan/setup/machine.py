"""What else an inspection looks at: the machine itself, the data root's disk, Python."""

import os
import platform
import shutil
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from sampan.linux.sysctl import read_sysctl
from sampan.runtime import apparmor
from sampan.runtime.facts import own_capabilities
from sampan.setup.findings import Finding, Status

_GIB = 1 << 30
LEAST_FREE_BYTES, ROOMY_BYTES = _GIB // 2, 5 * _GIB
_OLDEST_KERNEL = (5, 12)  # mount_setattr(2)


def machine_findings() -> list[Finding]:
    return [
        _kernel(platform.release()),
        Finding(
            name="python",
            status=Status.OK,  # or this line wouldn't be reached
            found=f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}",
            why="Sampan is written in it (3.11 or later)",
        ),
        privileges(Path("/proc/self/status").read_text()),
        _apparmor(),
        *network_settings(),
    ]


def _kernel(release: str) -> Finding:
    parts = release.split(".")
    new = tuple(int(part) for part in parts[:2] if part.isdecimal()) >= _OLDEST_KERNEL
    return Finding(
        name="kernel",
        status=Status.OK if new else Status.MISSING,
        found=release,
        why="Linux 5.12 or later",
        remedy="" if new else "a newer kernel",
    )


def privileges(status: str) -> Finding:
    """An engine in somebody's container may have less than root's."""
    held = own_capabilities(status)
    name, why = "privileges", "an engine runs as root; containers get no more than it has"
    if os.geteuid():
        return Finding(name=name, status=Status.OK, found="this check doesn't run as root", why=why)
    vital = [each for each in ("CAP_SYS_ADMIN", "CAP_NET_ADMIN") if each not in held]
    if vital:
        return Finding(
            name=name,
            status=Status.MISSING,
            found=f"root without {' '.join(vital)}",
            why=why,
            remedy="a machine of its own, or a privileged container",
        )
    limits = "CAP_SYS_RESOURCE" in held
    return Finding(
        name=name,
        status=Status.OK if limits else Status.OPTIONAL,
        found="root" if limits else "root without CAP_SYS_RESOURCE: no limit can be raised",
        why=why,
    )


def _apparmor() -> Finding:
    on = apparmor.enabled()
    loaded = on and apparmor.is_loaded(apparmor.DEFAULT_PROFILE)
    what = f"{apparmor.DEFAULT_PROFILE} is {'' if loaded else 'not '}loaded"
    return Finding(
        name="AppArmor",
        status=Status.OK if on else Status.OPTIONAL,
        found=f"on, {what}" if on else "not in use",
        why="--security-opt apparmor=PROFILE",
    )


def network_settings() -> list[Finding]:
    forwarding = _sysctl("net/ipv4/ip_forward")
    filtered = _sysctl("net/bridge/bridge-nf-call-iptables")
    return [
        Finding(
            name="ip_forward",
            status=Status.OK if forwarding else Status.MISSING,
            found={"1": "on", "0": "off: the engine switches it on"}.get(forwarding, "no IPv4"),
            why="containers reach other machines",
        ),
        Finding(
            name="br_netfilter",
            status=Status.OK,
            found={"1": "on", "0": "off"}.get(filtered, "not loaded"),
            why="not needed: either way is fine",
        ),
    ]


def _sysctl(path: str) -> str:
    try:
        return read_sysctl(path)
    except OSError:
        return ""


def existing_folder(path: Path) -> Path:
    """The folder itself or the nearest one above it that is there."""
    path = path.absolute()
    return next(each for each in (path, *path.parents) if each.is_dir())


def disk_finding(data_root: Path, file_system: str, answers: Mapping[str, str]) -> Finding:
    free_bytes = shutil.disk_usage(existing_folder(data_root)).free
    said = answers.get("overlay", "")
    room = f"{file_system or 'disk'}, {free_bytes / _GIB:.1f} GiB free"
    status, remedy = Status.OK, ""
    if said:
        status, remedy = Status.MISSING, "--data-root on ext4, XFS (ftype=1) or Btrfs"
        room = f"{room}; overlay: {said}"
    elif free_bytes < LEAST_FREE_BYTES:
        status, remedy = Status.MISSING, "make room, or --data-root on a larger disk"
    elif free_bytes < ROOMY_BYTES:
        status, remedy = Status.OPTIONAL, "images are large: have some 5 GiB"
    return Finding(
        name="data root",
        status=status,
        found=f"{data_root}: {room}",
        why="images, containers, volumes",
        remedy=remedy,
    )
