"""Paths from outside that must stay beneath a root: archive members, volumes, links of images.

They are opened by `open_beneath` (openat2 RESOLVE_IN_ROOT: links and ".." resolve as if the root
were "/") and nowhere else; what is made or mounted there is reached by descriptors from then on.
`resolve_beneath` only gives a name, which others may have changed by the time it's used.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from sampan.linux import libc

_LINK_LIMIT = 40  # as the kernel's MAXSYMLINKS


def open_beneath(root: Path | int, path: str, flags: int, mode: int = 0) -> int:
    """Open `path` as a process chrooted to `root` would; absolute links and ".." stay inside.

    The descriptor is close-on-exec. With O_CREAT the last component may be missing.
    """
    _check_no_nul(path)
    own = root if isinstance(root, int) else os.open(root, os.O_PATH | os.O_CLOEXEC)
    try:
        resolve = libc.RESOLVE_IN_ROOT | libc.RESOLVE_NO_MAGICLINKS
        name = path.lstrip("/") or "."
        while True:
            try:
                return libc.openat2(own, name, flags, mode, resolve)
            except OSError as error:
                # EAGAIN: a rename elsewhere raced with ".."; the kernel asks to try again
                if error.errno != errno.EAGAIN:
                    raise
    finally:
        if not isinstance(root, int):
            os.close(own)


def _check_no_nul(path: str) -> None:
    """The kernel would see the part before it: another path than the one that was checked."""
    if "\0" in path:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def resolve_beneath(root: Path, path: str) -> Path:
    """Where `path` ends inside `root`, following links as if chrooted; the end may be missing.

    A name, not a hold on the file: whoever can write below `root` can change it afterwards. Open
    by `open_beneath` where that matters.
    """
    _check_no_nul(path)
    base = os.fspath(root)
    done: list[str] = []
    rest = path.split("/")[::-1]
    links = 0
    while rest:
        part = rest.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            del done[-1:]
            continue
        try:
            link = os.readlink("/".join([base, *done, part]))  # noqa: PTH115 - hot, and no Path
        except OSError:  # not a link, or not there: stays as it is
            done.append(part)
            continue
        links += 1
        if links > _LINK_LIMIT:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if link.startswith("/"):
            done.clear()
        rest.extend(link.split("/")[::-1])
    return Path(base, *done)


def make_dirs_beneath(
    root: Path, path: str, *, mode: int = 0o755, owner: tuple[int, int] = (0, 0)
) -> Path:
    """Make `path` and its parents directories inside `root`; those made get `mode` and `owner`."""
    found = resolve_beneath(root, path)
    current = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in found.relative_to(root).parts:
            made = False
            with suppress(FileExistsError):
                os.mkdir(part, mode, dir_fd=current)
                made = True
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            child = os.open(part, flags, dir_fd=current)
            os.close(current)
            current = child
            if made:
                os.fchmod(current, mode)
                os.fchown(current, *owner)
    finally:
        os.close(current)
    return found


def make_parents_beneath(
    root: Path, path: str, *, mode: int = 0o755, owner: tuple[int, int] = (0, 0)
) -> Path:
    """`make_dirs_beneath` for the folder that holds `path`; returns that folder."""
    return make_dirs_beneath(root, str(Path(path).parent), mode=mode, owner=owner)


def open_regular_beneath(root: Path | int, path: str) -> int:
    """Open a regular file for reading as `open_beneath` does; OSError (EINVAL) for other kinds.

    Devices and FIFOs are told before they are opened: opening alone may do something.
    """
    held = open_beneath(root, path, os.O_PATH)
    try:
        if not stat.S_ISREG(os.fstat(held).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        return os.open(f"/proc/self/fd/{held}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(held)


def open_target_beneath(root: Path, path: str, *, directory: bool) -> int:
    """A descriptor of the mount point at `path` inside `root`; made if missing.

    An empty file if not a folder. Whoever else writes below `root` can't make it lie outside.
    """
    if directory:
        make_dirs_beneath(root, path)
        return open_beneath(root, path, os.O_PATH | os.O_DIRECTORY)
    inside = "/" + str(resolve_beneath(root, path).relative_to(root))
    make_parents_beneath(root, inside)
    with suppress(FileExistsError):
        os.close(open_beneath(root, inside, os.O_CREAT | os.O_EXCL, 0o644))
    found = open_beneath(root, path, os.O_PATH)
    if stat.S_ISDIR(os.fstat(found).st_mode):
        os.close(found)
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    return found


def bind_beneath(source: Path, root: Path, path: str, *, readonly: bool = False) -> None:
    """Bind `source`, with what is mounted below it, at `path` inside `root`.

    The mount point is held by a descriptor: a link that somebody puts in its place leads nowhere.
    Mounts on top of this one don't spread to where `source` comes from.
    """
    tree = libc.open_tree(
        libc.AT_FDCWD,
        source,
        libc.OPEN_TREE_CLONE | libc.OPEN_TREE_CLOEXEC | libc.AT_RECURSIVE,
    )
    try:
        libc.mount_setattr(
            tree,
            "",
            libc.AT_EMPTY_PATH | libc.AT_RECURSIVE,
            set_=libc.MOUNT_ATTR_RDONLY if readonly else 0,
            propagation=libc.MS_PRIVATE,
        )
        is_directory = stat.S_ISDIR(os.fstat(tree).st_mode)
        target = open_target_beneath(root, path, directory=is_directory)
        try:
            flags = libc.MOVE_MOUNT_F_EMPTY_PATH | libc.MOVE_MOUNT_T_EMPTY_PATH
            libc.move_mount(tree, "", target, "", flags)
        finally:
            os.close(target)
    finally:
        os.close(tree)
