"""Mounts: what is mounted, in whose words, and where.

A `Mount` says what to mount but not where: snapshotters, volumes and the spec builder hand them
around, `mount_all` puts them at a target. Options are the words of fstab and OCI ("ro", "nosuid",
"rbind", "rslave", "size=64m"); words that aren't flags go to the file system as data.

Overlay mounts name their lower directories in `lowers` (uppermost first), not as an option: the
data of mount(2) ends at one page, which a hundred layers fill. Longer lists go one by one through
fsconfig("lowerdir+") (Linux 6.7) or, where that is missing, as names relative to their common
folder in a thread that has a working directory of its own.
"""

import errno
import os
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sampan.linux import libc

_PAGE_BYTES = 4096  # mount(2) copies one page of data; the last byte is its NUL

_SET = {
    "ro": libc.MS_RDONLY,
    "nosuid": libc.MS_NOSUID,
    "nodev": libc.MS_NODEV,
    "noexec": libc.MS_NOEXEC,
    "sync": libc.MS_SYNCHRONOUS,
    "mand": libc.MS_MANDLOCK,
    "dirsync": libc.MS_DIRSYNC,
    "nosymfollow": libc.MS_NOSYMFOLLOW,
    "noatime": libc.MS_NOATIME,
    "nodiratime": libc.MS_NODIRATIME,
    "relatime": libc.MS_RELATIME,
    "strictatime": libc.MS_STRICTATIME,
    "lazytime": libc.MS_LAZYTIME,
    "remount": libc.MS_REMOUNT,
    "bind": libc.MS_BIND,
    "rbind": libc.MS_BIND | libc.MS_REC,
}
_CLEAR = {
    "rw": libc.MS_RDONLY,
    "suid": libc.MS_NOSUID,
    "dev": libc.MS_NODEV,
    "exec": libc.MS_NOEXEC,
    "async": libc.MS_SYNCHRONOUS,
    "nomand": libc.MS_MANDLOCK,
    "atime": libc.MS_NOATIME,
    "diratime": libc.MS_NODIRATIME,
    "norelatime": libc.MS_RELATIME,
    "nostrictatime": libc.MS_STRICTATIME,
    "nolazytime": libc.MS_LAZYTIME,
    "defaults": 0,
}
_PROPAGATION = {
    "private": libc.MS_PRIVATE,
    "shared": libc.MS_SHARED,
    "slave": libc.MS_SLAVE,
    "unbindable": libc.MS_UNBINDABLE,
    "rprivate": libc.MS_PRIVATE | libc.MS_REC,
    "rshared": libc.MS_SHARED | libc.MS_REC,
    "rslave": libc.MS_SLAVE | libc.MS_REC,
    "runbindable": libc.MS_UNBINDABLE | libc.MS_REC,
}


@dataclass(frozen=True, slots=True)
class Mount:
    """What to mount. `source` of a bind is a path; `lowers` is for overlay only."""

    fstype: str
    source: str
    options: tuple[str, ...] = ()
    lowers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedOptions:
    flags: int
    propagation: int
    data: tuple[str, ...]


def overlay(
    lowers: Sequence[Path],
    *,
    upper: Path | None = None,
    work: Path | None = None,
    options: tuple[str, ...] = (),
) -> Mount:
    """Lower directories uppermost first; without `upper` the mount is read-only (needs two)."""
    if upper is not None:
        options = (f"upperdir={upper}", f"workdir={work}", *options)
    return Mount("overlay", "overlay", options, tuple(str(lower) for lower in lowers))


def parse_options(options: Iterable[str]) -> ParsedOptions:
    flags = propagation = 0
    data = []
    for option in options:
        if option in _SET:
            flags |= _SET[option]
        elif option in _CLEAR:
            flags &= ~_CLEAR[option]
        elif option in _PROPAGATION:
            propagation = _PROPAGATION[option]
        else:
            data.append(option)
    return ParsedOptions(flags, propagation, tuple(data))


def mount_all(mounts: Sequence[Mount], target: Path) -> None:
    """Mount one over the other at `target`; on failure nothing stays mounted."""
    for done, mount in enumerate(mounts):
        try:
            mount_one(mount, target)
        except BaseException:
            for _ in range(done):
                unmount(target, lazy=True)
            raise


def mount_one(mount: Mount, target: Path) -> None:
    parsed = parse_options(mount.options)
    if mount.fstype == "bind" or parsed.flags & libc.MS_BIND:
        _bind(mount.source, target, parsed)
    elif mount.lowers:
        _mount_overlay(mount, parsed, target)
    else:
        libc.mount(mount.source, target, mount.fstype, parsed.flags, ",".join(parsed.data))
    if parsed.propagation and mount.fstype != "bind":
        libc.mount("", target, "", parsed.propagation)


def bind(
    source: Path,
    target: Path,
    *,
    readonly: bool = False,
    recursive: bool = True,
    propagation: str = "",
) -> None:
    """Bind `source` at `target`; read-only covers the mounts below as well when recursive."""
    options = ("rbind" if recursive else "bind", *(("ro",) if readonly else ()))
    mount_one(
        Mount("bind", str(source), (*options, *((propagation,) if propagation else ()))), target
    )


def _bind(source: str, target: Path, parsed: ParsedOptions) -> None:
    """Clone, change the attributes, and only then attach: nobody sees it writable before."""
    recursive = libc.AT_RECURSIVE if parsed.flags & libc.MS_REC else 0
    tree = libc.open_tree(
        libc.AT_FDCWD, source, libc.OPEN_TREE_CLONE | libc.OPEN_TREE_CLOEXEC | recursive
    )
    try:
        attributes = _attributes(parsed.flags)
        if attributes:
            libc.mount_setattr(tree, "", libc.AT_EMPTY_PATH | recursive, set_=attributes)
        libc.move_mount(tree, "", libc.AT_FDCWD, target, libc.MOVE_MOUNT_F_EMPTY_PATH)
    finally:
        os.close(tree)
    if parsed.propagation:
        libc.mount("", target, "", parsed.propagation)


def _attributes(flags: int) -> int:
    """The mount(2) flags that belong to a mount point as MOUNT_ATTR bits (the same numbers)."""
    own = libc.MS_RDONLY | libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC
    return flags & own


def _escape(path: str) -> str:
    return re.sub(r"([\\:,])", r"\\\1", path)


def _overlay_data(lowers: Iterable[str], data: Iterable[str]) -> str:
    return ",".join(("lowerdir=" + ":".join(map(_escape, lowers)), *data))


def _mount_overlay(mount: Mount, parsed: ParsedOptions, target: Path) -> None:
    data = _overlay_data(mount.lowers, parsed.data)
    if len(os.fsencode(data)) < _PAGE_BYTES:
        libc.mount(mount.source, target, "overlay", parsed.flags, data)
        return
    try:
        _mount_overlay_stepwise(mount, parsed, target)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOSYS}:
            raise
        _mount_overlay_relative(mount, parsed, target)


def _mount_overlay_stepwise(mount: Mount, parsed: ParsedOptions, target: Path) -> None:
    context = libc.fsopen("overlay")
    try:
        libc.fsconfig_string(context, "source", mount.source)
        for lower in mount.lowers:
            libc.fsconfig_string(context, "lowerdir+", lower)
        for option in parsed.data:
            key, equals, value = option.partition("=")
            if equals:
                libc.fsconfig_string(context, key, value)
            else:
                libc.fsconfig_flag(context, key)
        libc.fsconfig_create(context)
        mounted = libc.fsmount(context, _attributes(parsed.flags))
    finally:
        os.close(context)
    try:
        libc.move_mount(mounted, "", libc.AT_FDCWD, target, libc.MOVE_MOUNT_F_EMPTY_PATH)
    finally:
        os.close(mounted)


def _mount_overlay_relative(mount: Mount, parsed: ParsedOptions, target: Path) -> None:
    """For kernels without lowerdir+: short names, seen from the lower directories' folder."""
    folder = os.path.commonpath(mount.lowers)
    data = _overlay_data((os.path.relpath(lower, folder) for lower in mount.lowers), parsed.data)
    failures: list[OSError] = []

    def work() -> None:
        try:
            libc.unshare(libc.CLONE_FS)
            os.chdir(folder)
            libc.mount(mount.source, target.absolute(), "overlay", parsed.flags, data)
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=work, name="mount-overlay")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def unmount(target: Path, *, lazy: bool = False) -> None:
    """Take the uppermost mount off `target`; not mounted (or not there) is fine."""
    try:
        libc.umount2(target, libc.UMOUNT_NOFOLLOW | (libc.MNT_DETACH if lazy else 0))
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOENT}:
            raise


def make_private(target: Path, *, recursive: bool = True) -> None:
    """Keep mounts made below `target` from spreading, and those of others from arriving."""
    libc.mount("", target, "", libc.MS_PRIVATE | (libc.MS_REC if recursive else 0))


def mounts_below(path: Path) -> list[str]:
    """Mount points at or below `path`, in the order they were mounted (undo from the end)."""
    wanted = os.path.realpath(path)
    prefix = wanted.rstrip("/") + "/"
    found = []
    with Path("/proc/self/mountinfo").open("rb") as lines:
        for line in lines:
            point = _unescape(line.split(b" ", 5)[4])
            if point == wanted or point.startswith(prefix):
                found.append(point)
    return found


def _unescape(field: bytes) -> str:
    plain = re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), field)
    return os.fsdecode(plain)


def unmount_below(path: Path) -> None:
    """Detach everything at or below `path`."""
    for point in reversed(mounts_below(path)):
        unmount(Path(point), lazy=True)
