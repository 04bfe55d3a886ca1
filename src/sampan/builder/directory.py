"""A tree that lies in a directory: the mounted file system of a stage or image.

Nobody else writes there while it is read, and `trees.resolve` never hands over a path with a link
in it, so plain names below the root are safe.
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from sampan.lib.fileentry import entry_of, kind_of
from sampan.lib.tarstream import CHUNK, Entry, Kind

_COPIED_XATTRS = ("security.capability", "user.")


class DirectoryTree:
    """See trees.Tree. Sockets aren't there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._root = os.fspath(root)

    def find(self, path: str) -> Entry | None:
        full = f"{self._root}/{path}"
        try:
            found = os.lstat(full)
        except (FileNotFoundError, NotADirectoryError):
            return None
        kind = kind_of(found)
        if kind is None:
            return None
        return entry_of(
            path,
            found,
            kind,
            link=os.readlink(full) if kind is Kind.SYMLINK else "",  # noqa: PTH115 - hot
            xattrs=_xattrs(full) if kind in {Kind.REGULAR, Kind.DIRECTORY} else {},
        )

    def names(self, path: str) -> list[str]:
        return sorted(os.listdir(f"{self._root}/{path}"))  # noqa: PTH208 - hot, and no Path

    def digest(self, entry: Entry) -> str:
        digest = hashlib.sha256()
        for piece in self.data(entry):
            digest.update(piece)
        return digest.hexdigest()

    def data(self, entry: Entry) -> Iterator[bytes]:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(f"{self._root}/{entry.name}", flags)
        try:
            while piece := os.read(descriptor, CHUNK):
                yield piece
        finally:
            os.close(descriptor)


def _xattrs(path: str) -> dict[str, bytes]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
        return {
            name: os.getxattr(path, name, follow_symlinks=False)
            for name in names
            if name.startswith(_COPIED_XATTRS)
        }
    except OSError as error:
        if error.errno in {errno.ENOTSUP, errno.ENODATA}:
            return {}
        raise
