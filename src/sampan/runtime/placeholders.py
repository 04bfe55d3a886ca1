"""What is in every container's root file system and nobody asked for.

Before it mounts /proc or binds /etc/hosts, the OCI runtime creates the directory or an empty file
if the image has none. `lay` makes some of them itself, with Docker's modes, and two that programs
look for: /.dockerenv (am I in a container?) and /etc/mtab (what is mounted?). All of them end up in
the container's writable layer, where they would show in `diff` and in images made from it. Docker
keeps them in a layer of their own; we name them here and the readers of a writable layer leave them
out.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sampan.linux.beneath import make_dirs_beneath, open_beneath

BOUND = ("hosts", "hostname", "resolv.conf")  # in /etc
FILES = (
    *(f"etc/{name}" for name in BOUND),
    ".dockerenv",
    "sbin/docker-init",
    "dev/console",
)
MTAB, MTAB_TARGET = "etc/mtab", "/proc/mounts"
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


def lay(root: Path) -> None:
    """Make them in a mounted root file system where the image has nothing of that name.

    An image in which they can't be made (its /etc is a file) goes without.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    with suppress(OSError), _opened(os.open(root, flags)) as top:
        _touch(".dockerenv", top)
        make_dirs_beneath(root, "etc")
        with _opened(open_beneath(top, "etc", flags)) as etc:
            for name in BOUND:
                _touch(name, etc)
            with suppress(FileExistsError):
                os.symlink(MTAB_TARGET, "mtab", dir_fd=etc)


@contextmanager
def _opened(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _touch(name: str, folder: int) -> None:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    with suppress(FileExistsError), _opened(os.open(name, flags, dir_fd=folder)) as made:
        os.fchmod(made, 0o755)


def placeholders(upper: Path, lowers: Sequence[Path]) -> frozenset[str]:
    """Paths in `upper`, relative to it, that are only mount points or lead to one.

    An empty file (or /etc/mtab) that no lower layer has; an empty directory (but for other
    placeholders) that no lower layer has or that is as the lower one. Work of the user's is never
    among them.
    """
    found: set[str] = set()
    for path in FILES:
        here = _lstat(upper / path)
        empty = here is not None and stat.S_ISREG(here.st_mode) and here.st_size == 0
        if empty and _below(lowers, path) is None:
            found.add(path)
    if _is_our_mtab(upper / MTAB) and _below(lowers, MTAB) is None:
        found.add(MTAB)
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
        return path not in {"etc", "sbin"} or any(one.startswith(f"{path}/") for one in found)
    if "trusted.overlay.opaque" in os.listxattr(upper / path):
        return False
    return (here.st_mode, here.st_uid, here.st_gid) == (below.st_mode, below.st_uid, below.st_gid)


def _is_our_mtab(path: Path) -> bool:
    try:
        return path.readlink() == Path(MTAB_TARGET)
    except OSError:
        return False


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
