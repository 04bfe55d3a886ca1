"""Mount points that a runtime had to make in a root file system, and that nobody asked for.

Before it mounts /proc or binds /etc/hosts, the OCI runtime creates the directory or an empty file
if the image has none. They end up in the container's writable layer, where they would show in
`diff` and in images made from it. Docker keeps them in a layer of their own; we name them here and
the readers of a writable layer leave them out.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

FILES = ("etc/hosts", "etc/hostname", "etc/resolv.conf", "sbin/docker-init", "dev/console")
DIRECTORIES = (
    "dev/pts",
    "dev/shm",
    "dev/mqueue",
    "dev",
    "proc",
    "sys/fs/cgroup",
    "sys/fs",
    "sys",
    "etc",
    "sbin",
)


def placeholders(upper: Path, lowers: Sequence[Path]) -> frozenset[str]:
    """Paths in `upper`, relative to it, that are only mount points or lead to one.

    An empty file that no lower layer has; an empty directory (but for other placeholders) that no
    lower layer has or that is as the lower one. Work of the user's is never among them.
    """
    found: set[str] = set()
    for path in FILES:
        here = _lstat(upper / path)
        empty = here is not None and stat.S_ISREG(here.st_mode) and here.st_size == 0
        if empty and _below(lowers, path) is None:
            found.add(path)
    for path in DIRECTORIES:
        if _is_idle_directory(upper, lowers, path, found):
            found.add(path)
    return frozenset(found)


def _is_idle_directory(upper: Path, lowers: Sequence[Path], path: str, found: set[str]) -> bool:
    here = _lstat(upper / path)
    if here is None or not stat.S_ISDIR(here.st_mode):
        return False
    if any(f"{path}/{entry.name}" not in found for entry in (upper / path).iterdir()):
        return False
    below = _below(lowers, path)
    if below is None:
        return path not in {"etc", "sbin"} or bool(found)
    if "trusted.overlay.opaque" in os.listxattr(upper / path):
        return False
    return (here.st_mode, here.st_uid, here.st_gid) == (below.st_mode, below.st_uid, below.st_gid)


def _below(lowers: Sequence[Path], path: str) -> os.stat_result | None:
    """What the uppermost lower layer that has the path has there."""
    for lower in lowers:
        if (there := _lstat(lower / path)) is not None:
            return there
    return None


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
