"""A container's mounts in the words of the OCI runtime.

Parents come before what lies below them. /etc/resolv.conf, /etc/hostname and /etc/hosts are bound
in unless the user mounts something there.
"""

import os
import stat
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from posixpath import normpath

from sampan.engine.containers.mounts import NoBindSource, tmpfs_options
from sampan.engine.containers.record import Container, MountPoint
from sampan.errors import InvalidArgument, NotFound
from sampan.linux.beneath import open_beneath
from sampan.linux.mountinfo import mount_of
from sampan.linux.mounts import bind, unmount
from sampan.runtime.spec_builder import SpecMount

# what lxcfs and its kind put in place of files of the kernel; everything else there stays as it is
_IN_PROC = frozenset(
    f"/proc/{name}"
    for name in (
        *("cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo"),
        *("sys/kernel/ns_last_pid", "sys/crypto/fips_enabled"),
    )
)


@dataclass(frozen=True, slots=True)
class EtcPaths:
    hosts: Path
    hostname: Path
    resolv_conf: Path


def build(
    container: Container, etc: EtcPaths, pins: Path, held: ExitStack
) -> tuple[SpecMount, ...]:
    """Blocks on volume subpaths only: they are mounted below `pins` until `held` is closed."""
    mounts = [_mount(_pinned(point, pins, held)) for point in container.mounts]
    mounts += [
        SpecMount("tmpfs", "tmpfs", path, tmpfs_options(options))
        for path, options in (container.host.Tmpfs or {}).items()
    ]
    for mount in mounts:
        _check_not_in_proc(mount)
    mounts.sort(key=lambda mount: mount.destination.count("/"))
    taken = {mount.destination for mount in mounts}
    access = "ro" if container.host.ReadonlyRootfs else "rw"
    files = [
        SpecMount("bind", str(source), destination, ("rbind", "rprivate", access))
        for source, destination in (
            (etc.resolv_conf, "/etc/resolv.conf"),
            (etc.hostname, "/etc/hostname"),
            (etc.hosts, "/etc/hosts"),
        )
        if destination not in taken
    ]
    below_etc = [mount for mount in mounts if mount.destination == "/etc"]
    rest = [mount for mount in mounts if mount.destination != "/etc"]
    return (*below_etc, *files, *rest)


def _mount(point: MountPoint) -> SpecMount:
    access = "rw" if point.rw else "ro"
    if point.type == "tmpfs":
        return SpecMount("tmpfs", "tmpfs", point.destination, (*point.options, access))
    source = point.source
    propagation = point.propagation or "rprivate"
    _check_propagation(source, propagation)
    if not point.recursive:
        # crun takes the r of the propagation for one of the bind as well
        return SpecMount(
            "bind", source, point.destination, ("bind", propagation.removeprefix("r"), access)
        )
    # a volume or a file has no mounts below; crun locks a volume only when its own mounts in it are
    # made, and can't do it to a file at all
    all_the_way = point.type == "bind" and point.read_only_below and Path(source).is_dir()
    # nothing is mounted below a file, and crun refuses one with rro ("not a directory")
    if access == "ro" and all_the_way and _recursive_attributes() and Path(source).is_dir():
        access = "rro"
    return SpecMount("bind", source, point.destination, ("rbind", propagation, access))


def _pinned(point: MountPoint, pins: Path, held: ExitStack) -> MountPoint:
    """With a subpath as what is there now, whatever users of the volume put in its place."""
    if not point.subpath:
        return point
    try:
        found = open_beneath(Path(point.source), point.subpath, os.O_PATH)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise NotFound(f"cannot access path {point.source}/{point.subpath}: {reason}") from error
    try:
        pin = _pin(pins, directory=stat.S_ISDIR(os.fstat(found).st_mode))
        held.callback(_drop, pin)
        bind(Path(f"/proc/self/fd/{found}"), pin, recursive=point.recursive, propagation="private")
    finally:
        os.close(found)
    return replace(point, source=str(pin))


def _pin(folder: Path, *, directory: bool) -> Path:
    """Something to mount on. What a killed daemon leaves is cleaned with the root file systems."""
    if directory:
        return Path(tempfile.mkdtemp(prefix="pin-", dir=folder))
    descriptor, path = tempfile.mkstemp(prefix="pin-", dir=folder)
    os.close(descriptor)
    return Path(path)


def _drop(pin: Path) -> None:
    """The runtime has made its own mount of it. Neither call can reach what was mounted."""
    unmount(pin, lazy=True)
    if pin.is_dir():
        pin.rmdir()
    else:
        pin.unlink()


def _check_not_in_proc(mount: SpecMount) -> None:
    """A mount over /proc would hide what the runtime masks and locks there; runc's rule."""
    place = normpath(mount.destination)
    if place == "/proc":
        if not Path(mount.source).is_mount() or not (Path(mount.source) / "self/stat").exists():
            raise InvalidArgument('"/proc" cannot be mounted because it is not of type proc')
    elif place.startswith("/proc/") and place not in _IN_PROC:
        raise InvalidArgument(f'"{place}" cannot be mounted because it is inside /proc')


def _recursive_attributes() -> bool:
    """mount_setattr(2) came with Linux 5.12."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor)) >= (5, 12)


def _check_propagation(source: str, propagation: str) -> None:
    """What isn't shared on the host can't be shared with a container."""
    wanted = propagation.removeprefix("r")
    if wanted == "private":
        return
    found = mount_of(Path(source))
    if not (found.shared or (wanted == "slave" and found.slave)):
        kind = "shared" if wanted == "shared" else "shared or slave"
        raise InvalidArgument(
            f"path {source} is mounted on {found.point} but it is not a {kind} mount"
        )


def make_sources(points: Iterable[MountPoint]) -> None:
    """`-v` makes missing host directories; others must be there. Blocks."""
    for point in points:
        if point.type != "bind":
            continue
        source = Path(point.source)
        if source.exists():
            continue
        if not point.create_source:
            raise NoBindSource(point.source)
        try:
            source.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidArgument(
                f"error while creating mount source path '{point.source}': {error}"
            ) from error
