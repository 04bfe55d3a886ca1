"""Puts archive members into a directory tree, and nothing anywhere else.

Everything happens relative to directory descriptors, each opened by one name with O_NOFOLLOW
(`directories.py`), so a link planted by the archive (or by a process that shares the tree) never
leads out. A member whose folder is a symlink goes where a process chrooted to the tree would find
it, if that is there. Names are taken as if chrooted to the target: absolute ones are relative to
it, ".." stops there. (`docker cp` into a folder refuses relative names that climb above that:
`refuse_climbing`.) Files replace what was there instead of being written through it.

With `layer=True` the tree is an overlay layer: `.wh.NAME` becomes a whiteout (character device
0/0), `.wh..wh..opq` the opaque mark. Overlay's own xattrs in archives are dropped: a layer that
could set `trusted.overlay.redirect` would choose what other layers show.

Times of directories are set at the end, because filling a directory changes them.
"""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Self

from sampan.lib.tarstream import Entry, Kind, TarReader
from sampan.store.directories import Directories
from sampan.store.members import (
    META_PREFIX,
    OPAQUE_NAME,
    OPAQUE_XATTR,
    WHITEOUT_PREFIX,
    BadEntry,
    DirectoryInTheWay,
    EscapingEntry,
    Parts,
    clean_parts,
    explained,
    strict_parts,
)

__all__ = [
    "OPAQUE_XATTR",
    "BadEntry",
    "DirectoryInTheWay",
    "Extractor",
    "clean_parts",
]

_OVERLAY_XATTRS = ("trusted.overlay.", "user.overlay.")
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Extractor:
    """One tree being filled; one thread. Use as a context manager and call `finish`."""

    def __init__(
        self,
        root: Path,
        *,
        layer: bool,
        into: Parts = (),
        owner: tuple[int, int] | None = None,
        keep_directories: bool = False,
        refuse_climbing: bool = False,
    ) -> None:
        self._layer = layer
        self._into = into
        self._refuse_climbing = refuse_climbing and bool(into)
        self._owner = owner
        self._directories = Directories(root, layer=layer, keep=keep_directories)
        self._dir_times: dict[Parts, int] = {}
        self.size_bytes = 0
        self.inodes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._directories.close()

    def add(self, entry: Entry, reader: TarReader) -> None:
        """Raises InvalidArgument for what must not be, NoSpace or OSError for what can't."""
        self._directories.trim()
        parts = self._place(entry.name)
        try:
            if self._layer and parts and parts[-1].startswith(WHITEOUT_PREFIX):
                self._whiteout(parts, entry.name)
                return
            self._create(parts, entry, reader)
        except OSError as error:
            raise explained(error, entry.name) from error
        except (OverflowError, ValueError) as error:
            raise BadEntry("open", entry.name, "a number or name is out of range") from error
        self.inodes += 1

    def finish(self) -> None:
        """Set the times of directories, innermost first."""
        for parts in sorted(self._dir_times, key=len, reverse=True):
            self._directories.trim()
            try:
                _set_times(self._directories.open(parts, create=False), self._dir_times[parts])
            except OSError as error:  # something else has the name by now
                if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
                    raise

    # --- kinds ------------------------------------------------------------------------------

    def _create(self, parts: Parts, entry: Entry, reader: TarReader) -> None:
        if entry.kind is Kind.DIRECTORY:
            self._add_directory(parts, entry)
            return
        if not parts or parts == self._into:
            raise BadEntry("open", entry.name, "is a directory")
        parent, name = self._directories.open(parts[:-1]), parts[-1]
        match entry.kind:
            case Kind.REGULAR:
                self._add_file(parent, name, entry, reader)
            case Kind.SYMLINK:
                self._make(parent, name, lambda: os.symlink(entry.link, name, dir_fd=parent))
                self._finish_link(parent, name, entry)
            case Kind.HARD_LINK:
                self._add_hard_link(parent, name, entry)
            case Kind.CHARACTER | Kind.BLOCK_DEVICE | Kind.FIFO:
                self._add_special(parent, name, entry)
            case _:
                raise BadEntry("open", entry.name, "unhandled tar header type")

    def _add_directory(self, parts: Parts, entry: Entry) -> None:
        if parts != self._into:
            self._directories.make(self._directories.open(parts[:-1]), parts[-1])
        elif not self._layer:
            return  # a target that was there keeps its attributes
        descriptor = self._directories.open(parts)
        self._set_attributes(descriptor, entry)
        self._dir_times[parts] = entry.mtime_ns

    def _add_file(self, parent: int, name: str, entry: Entry, reader: TarReader) -> None:
        try:
            descriptor = os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
        except FileExistsError:
            self._directories.clear(parent, name)
            descriptor = os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
        try:
            reader.copy_to(descriptor)
            self._set_attributes(descriptor, entry)
            _set_times(descriptor, entry.mtime_ns)
        finally:
            os.close(descriptor)
        self.size_bytes += entry.size_bytes

    def _add_hard_link(self, parent: int, name: str, entry: Entry) -> None:
        target = self._place(entry.link)
        if not target or target == self._into:
            raise EscapingEntry(entry.link)
        action = f"link /{entry.link.lstrip('/')}"
        try:
            folder = self._directories.open(target[:-1], create=False)
            found = os.stat(target[-1], dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            raise BadEntry(action, entry.name, "no such file or directory") from None
        if stat.S_ISDIR(found.st_mode):
            raise BadEntry(action, entry.name, "operation not permitted")
        if folder == parent and target[-1] == name:
            return
        self._make(
            parent,
            name,
            lambda: os.link(
                target[-1], name, src_dir_fd=folder, dst_dir_fd=parent, follow_symlinks=False
            ),
        )

    def _add_special(self, parent: int, name: str, entry: Entry) -> None:
        kinds = {Kind.CHARACTER: stat.S_IFCHR, Kind.BLOCK_DEVICE: stat.S_IFBLK}
        kind = kinds.get(entry.kind, stat.S_IFIFO)
        device = os.makedev(*entry.device) if entry.kind in kinds else 0
        self._make(parent, name, lambda: os.mknod(name, kind | 0o600, device, dir_fd=parent))
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            path = f"/proc/self/fd/{descriptor}"  # fchmod refuses O_PATH
            os.chown(path, *self._owner_of(entry))
            os.chmod(path, entry.mode)  # noqa: PTH101 - hot, and no Path
            os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(descriptor)

    def _finish_link(self, parent: int, name: str, entry: Entry) -> None:
        os.chown(name, *self._owner_of(entry), dir_fd=parent, follow_symlinks=False)
        times = (entry.mtime_ns, entry.mtime_ns)
        os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)

    # --- whiteouts --------------------------------------------------------------------------

    def _whiteout(self, parts: Parts, name: str) -> None:
        parent, last = self._directories.open(parts[:-1]), parts[-1]
        if last == OPAQUE_NAME:
            os.setxattr(parent, OPAQUE_XATTR, b"y")
            return
        if last.startswith(META_PREFIX):  # notes of aufs to itself
            return
        hidden = last.removeprefix(WHITEOUT_PREFIX)
        if hidden in {"", ".", ".."}:
            raise EscapingEntry(name)
        try:
            os.mknod(hidden, stat.S_IFCHR, 0, dir_fd=parent)
        except FileExistsError:
            # This layer has something of the name; only what lies below is hidden.
            if stat.S_ISDIR(os.stat(hidden, dir_fd=parent, follow_symlinks=False).st_mode):
                os.setxattr(self._directories.open((*parts[:-1], hidden)), OPAQUE_XATTR, b"y")

    # --- names ------------------------------------------------------------------------------

    def _place(self, name: str) -> Parts:
        strict = self._refuse_climbing and not name.startswith("/")
        return self._into + (strict_parts(name) if strict else clean_parts(name))

    def _make(self, parent: int, name: str, create: Callable[[], None]) -> None:
        try:
            create()
        except FileExistsError:
            self._directories.clear(parent, name)
            create()

    # --- attributes -------------------------------------------------------------------------

    def _owner_of(self, entry: Entry) -> tuple[int, int]:
        return self._owner if self._owner is not None else (entry.uid, entry.gid)

    def _set_attributes(self, descriptor: int, entry: Entry) -> None:
        """Owner first: chown takes setuid bits and capabilities away."""
        os.fchown(descriptor, *self._owner_of(entry))
        os.fchmod(descriptor, entry.mode)
        for key, value in entry.xattrs.items():
            if key.startswith(_OVERLAY_XATTRS):
                continue
            try:
                os.setxattr(descriptor, key, value)
            except OSError as error:
                if error.errno not in {errno.ENOTSUP, errno.EPERM}:
                    raise


def _set_times(descriptor: int, mtime_ns: int) -> None:
    os.utime(descriptor, ns=(mtime_ns, mtime_ns))
