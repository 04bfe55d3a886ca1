"""The directories of a tree that is being filled: opened name by name, made where missing.

    root -> "a" -> "b"      each by the descriptor of the one before, never through a link

A link on the way is resolved inside the tree (`beneath.resolve_beneath`) and the walk begins anew
where it leads. Descriptors are kept, since members of an archive come folder by folder; those that
may lead elsewhere by now are closed between two members (`trim`), as one may still be in use.
"""

import errno
import os
import stat
from collections import OrderedDict
from pathlib import Path

from sampan.linux.beneath import resolve_beneath
from sampan.store.members import OPAQUE_XATTR, DirectoryInTheWay, FileInTheWay, Parts
from sampan.store.removal import remove_tree

_OPEN_DIRS = 64
_DIR_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS = 40


class Directories:
    """`layer`: whiteouts may stand where directories are wanted. `keep`: no directory is replaced
    by a file, nor the other way round."""

    def __init__(self, root: Path, *, layer: bool, keep: bool) -> None:
        self._root = root
        self._layer = layer
        self._keep = keep
        # whose name is ours, so it may be a link
        self._root_fd = os.open(root, _DIR_FLAGS & ~os.O_NOFOLLOW)
        self._open: OrderedDict[Parts, int] = OrderedDict()
        self._retired: list[int] = []

    def close(self) -> None:
        self.forget()
        self.trim()
        os.close(self._root_fd)

    def clear(self, parent: int, name: str) -> None:
        """Take away what has the name."""
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            if self._keep:
                raise DirectoryInTheWay(name)
            remove_tree(name, dir_fd=parent)
            self.forget()
        else:
            os.unlink(name, dir_fd=parent)
            if stat.S_ISLNK(found.st_mode):
                self.forget()

    def make(self, parent: int, name: str) -> None:
        """Ensure that a directory (no link to one) has the name."""
        try:
            os.mkdir(name, 0o755, dir_fd=parent)
            return
        except FileExistsError:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            return
        hidden = self._layer and stat.S_ISCHR(found.st_mode) and found.st_rdev == 0
        if self._keep:
            raise FileInTheWay(name)
        self.clear(parent, name)
        os.mkdir(name, 0o755, dir_fd=parent)
        if hidden:
            descriptor = os.open(name, _DIR_FLAGS, dir_fd=parent)
            try:
                os.setxattr(descriptor, OPAQUE_XATTR, b"y")
            finally:
                os.close(descriptor)

    def open(self, parts: Parts, *, create: bool = True) -> int:
        """A descriptor of the directory (owned by the cache), made if missing."""
        if not parts:
            return self._root_fd
        known = self._open.get(parts)
        if known is not None:
            self._open.move_to_end(parts)
            return known
        wanted = parts
        for _ in range(_MAX_LINKS):
            found = self._walk(wanted, create=create)
            if isinstance(found, int):
                self._open[parts] = found
                return found
            wanted = found
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))

    def _walk(self, parts: Parts, *, create: bool) -> int | Parts:
        """Open name by name; at a symlink, say where the whole path leads instead."""
        depth = max(len(parts) - 1, 0)  # a link may lead to the tree itself: no parts
        while depth and parts[:depth] not in self._open:
            depth -= 1
        current = os.dup(self._open[parts[:depth]] if depth else self._root_fd)
        try:
            for at in range(depth, len(parts)):
                try:
                    child = self._open_or_make(current, parts[at], create=create)
                except OSError as error:
                    if error.errno not in {errno.ELOOP, errno.ENOTDIR}:
                        raise
                    if not _is_link(current, parts[at]):
                        raise
                    return (*self._resolved(parts[: at + 1]), *parts[at + 1 :])
                os.close(current)
                current = child
            found, current = current, -1
            return found
        finally:
            if current >= 0:
                os.close(current)

    def _resolved(self, link: Parts) -> Parts:
        """Where a symlink ends inside the tree. A directory must be there: none is made for it."""
        real = resolve_beneath(self._root, "/".join(link)).relative_to(self._root).parts
        found = self._walk(real, create=False)
        if isinstance(found, int):
            os.close(found)
        return real

    def _open_or_make(self, parent: int, name: str, *, create: bool) -> int:
        try:
            return os.open(name, _DIR_FLAGS, dir_fd=parent)
        except FileNotFoundError:
            if not create:
                raise
        except NotADirectoryError:
            if not (self._layer and create and _is_whiteout(parent, name)):
                raise
        self.make(parent, name)
        return os.open(name, _DIR_FLAGS, dir_fd=parent)

    def forget(self) -> None:
        """Paths may lead elsewhere now. Descriptors in use stay open until the next member."""
        self._retired += self._open.values()
        self._open.clear()

    def trim(self) -> None:
        """Between members: close what nobody uses any more."""
        while self._retired:
            os.close(self._retired.pop())
        while len(self._open) > _OPEN_DIRS:
            os.close(self._open.popitem(last=False)[1])


def _is_link(parent: int, name: str) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)


def _is_whiteout(parent: int, name: str) -> bool:
    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0
