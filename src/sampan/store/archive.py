"""Writes directory trees as archives that depend on nothing but the trees.

Sorted by name, each directory before what is in it; whole seconds, no access or change times, no
names of owners, hard links to the first name. Sockets are left out, as in every container engine.
Of the xattrs only `security.capability` and `user.*` go along: the others belong to this machine.

Trees may be in use by a container while they are written. So everything goes through directory
descriptors opened without following links, and a file that grows or shrinks is written with the
size that its header said.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec

from sampan.lib.fileentry import entry_of, kind_of
from sampan.lib.tarstream import Entry, Kind, Readable
from sampan.lib.tarwriter import TarWriter, Writable
from sampan.store.members import OPAQUE_NAME, OPAQUE_XATTR, WHITEOUT_PREFIX

_NANOS = 1_000_000_000
_DIR_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_HOLD_FLAGS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
# what a tree in use may answer for a name that was just listed
_VANISHED = (FileNotFoundError, NotADirectoryError)


def is_whiteout(found: os.stat_result) -> bool:
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def is_opaque(directory: str | int) -> bool:
    try:
        return os.getxattr(directory, OPAQUE_XATTR) == b"y"
    except OSError:
        return False


class _Clamped(TarWriter):
    """No member is younger than `latest_ns`."""

    def __init__(self, out: Writable, latest_ns: int) -> None:
        super().__init__(out)
        self._latest_ns = latest_ns

    def add(self, entry: Entry, data: Readable | None = None) -> None:
        if entry.mtime_ns > self._latest_ns:
            entry = msgspec.structs.replace(entry, mtime_ns=self._latest_ns)
        super().add(entry, data)


class TreeWriter:
    """One archive on its way out; trees are added one after the other."""

    def __init__(
        self,
        out: Writable,
        *,
        layer: bool,
        prefix: str = "",
        keep: Callable[[str], bool] | None = None,
        latest_ns: int | None = None,
    ) -> None:
        self._writer = TarWriter(out) if latest_ns is None else _Clamped(out, latest_ns)
        self._layer = layer
        self._prefix = prefix
        self._keep = keep
        self._links: dict[tuple[int, int], str] = {}

    def finish(self) -> None:
        self._writer.finish()

    def add_root(self, root: Path | int) -> None:
        """What is in the directory, not the directory itself."""
        descriptor = os.dup(root) if isinstance(root, int) else os.open(root, _DIR_FLAGS)
        self._add_tree(descriptor, "")

    def add_one(self, folder: int, name: str, as_name: str) -> None:
        """One name in a folder, with all that is in it."""
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            descriptor = os.open(name, _DIR_FLAGS, dir_fd=folder)
            self._add_directory(descriptor, as_name)
            self._add_tree(descriptor, as_name.rstrip("/") + "/")
        else:
            self._add_other(folder, name, as_name, found)

    def _add_tree(self, descriptor: int, prefix: str) -> None:
        """Takes the descriptor. A stack instead of recursion: containers can nest very deeply."""
        stack = [(descriptor, prefix, _names(descriptor))]
        try:
            while stack:
                folder, prefix, names = stack[-1]
                if not names:
                    os.close(folder)
                    stack.pop()
                    continue
                below = self._visit(folder, names.pop(), prefix)
                if below is not None:
                    stack.append(below)
        finally:
            for folder, _, _ in stack:
                os.close(folder)

    def _visit(self, folder: int, name: str, prefix: str) -> tuple[int, str, list[str]] | None:
        """Write one name; for a directory, what to go on with."""
        full = prefix + name
        if self._keep is not None and not self._keep(full):
            return None
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                self._add_other(folder, name, self._prefix + full, found)
                return None
            descriptor = os.open(name, _DIR_FLAGS, dir_fd=folder)
        except _VANISHED:
            return None
        self._add_directory(descriptor, self._prefix + full)
        return descriptor, f"{full}/", _names(descriptor)

    def _add_directory(self, descriptor: int, name: str) -> None:
        entry = _entry(name, os.fstat(descriptor), Kind.DIRECTORY, xattrs=_xattrs(descriptor))
        self._writer.add(entry)
        if self._layer and is_opaque(descriptor):
            self._writer.add(Entry(name=f"{name}/{OPAQUE_NAME}", mode=0))

    def _add_other(self, folder: int, name: str, full: str, found: os.stat_result) -> None:
        if self._layer and is_whiteout(found):
            self._writer.add(Entry(name=f"{full[: -len(name)]}{WHITEOUT_PREFIX}{name}", mode=0))
            return
        kind = kind_of(found)
        if kind is None:
            return
        if found.st_nlink > 1:
            first = self._links.setdefault((found.st_dev, found.st_ino), full)
            if first != full:
                self._writer.add(_entry(full, found, Kind.HARD_LINK, link=first))
                return
        if kind is Kind.REGULAR:
            self._add_file(folder, name, full)
        elif kind is Kind.SYMLINK:
            target = os.readlink(name, dir_fd=folder)
            self._writer.add(_entry(full, found, kind, link=target))
        else:
            self._writer.add(_entry(full, found, kind))

    def _add_file(self, folder: int, name: str, full: str) -> None:
        """Size and attributes are taken from the open file, so that they fit what follows."""
        held = os.open(name, _HOLD_FLAGS, dir_fd=folder)
        try:
            found = os.fstat(held)
            if not stat.S_ISREG(found.st_mode):  # by now; opening a device may do something
                return
            descriptor = os.open(f"/proc/self/fd/{held}", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(held)
        with open(descriptor, "rb", buffering=0) as source:  # noqa: PTH123 - a descriptor
            found = os.fstat(descriptor)
            entry = _entry(full, found, Kind.REGULAR, xattrs=_xattrs(descriptor))
            self._writer.add(entry, source)


def _names(descriptor: int) -> list[str]:
    """Sorted backwards: the next one is popped off the end."""
    return sorted(os.listdir(descriptor), reverse=True)


def _entry(
    name: str,
    found: os.stat_result,
    kind: Kind,
    *,
    link: str = "",
    xattrs: dict[str, bytes] | None = None,
) -> Entry:
    """In whole seconds."""
    entry = entry_of(name, found, kind, link=link, xattrs=xattrs)
    return msgspec.structs.replace(entry, mtime_ns=entry.mtime_ns // _NANOS * _NANOS)


def _xattrs(descriptor: int) -> dict[str, bytes]:
    try:
        names = os.listxattr(descriptor)
    except OSError:
        return {}
    return {
        name: os.getxattr(descriptor, name)
        for name in names
        if name == "security.capability" or _is_users(name)
    }


def _is_users(name: str) -> bool:
    return name.startswith("user.") and not name.startswith("user.overlay.")
