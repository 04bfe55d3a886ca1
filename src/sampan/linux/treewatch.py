"""Which files below some folders change, through inotify(7), for a thread that may block.

inotify watches single folders: one watch per folder, and new folders get theirs as they appear
(what was put into them before that is found by looking). When the kernel's queue overflows, the
roots themselves are told as changed.
"""

import ctypes
import os
import select
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

from sampan.linux.inotify import (
    IN_CLOSE_WRITE,
    IN_CREATE,
    IN_DELETE,
    IN_MOVED_FROM,
    IN_MOVED_TO,
)

_libc = ctypes.CDLL(None, use_errno=True)

# <sys/inotify.h>
IN_ATTRIB = 0x4
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000
IN_ISDIR = 0x40000000
_MASK = IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ATTRIB
_HEADER = struct.Struct("iIII")
_READ_BYTES = 1 << 16


class TreeWatch:
    """Use as a context manager. `skip` says which paths (and what is below) aren't looked at."""

    def __init__(self, roots: Iterable[Path], skip: Callable[[Path], bool]) -> None:
        """Raises OSError (ENOSPC: the user may have no more watches)."""
        self._fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise _failure("inotify_init1", "")
        self._roots = tuple(roots)
        self._skip = skip
        self._folders: dict[int, Path] = {}
        try:
            for root in self._roots:
                self._add_root(root)
        except OSError:
            os.close(self._fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def _add_root(self, root: Path) -> None:
        """A file is watched through its folder: editors replace files."""
        if root.is_dir():
            self._add(root)
        else:
            self._watch(root.parent)

    def _add(self, folder: Path) -> list[Path]:
        """Watches the folder and those below; everything that is in them."""
        self._watch(folder)
        found = []
        for entry in os.scandir(folder):
            path = Path(entry.path)
            if self._skip(path):
                continue
            found.append(path)
            if entry.is_dir(follow_symlinks=False):
                found += self._add(path)
        return found

    def _watch(self, folder: Path) -> None:
        number = _libc.inotify_add_watch(self._fd, os.fsencode(folder), _MASK)
        if number < 0:
            raise _failure("inotify_add_watch", str(folder))
        self._folders[number] = folder

    def read(self, timeout_s: float | None) -> set[Path]:
        """What has changed since the last call; waits for the first change."""
        ready, _, _ = select.select([self._fd], [], [], timeout_s)
        found: set[Path] = set()
        if not ready:
            return found
        data = os.read(self._fd, _READ_BYTES)
        while data:
            number, mask, _, length = _HEADER.unpack_from(data)
            name = data[_HEADER.size : _HEADER.size + length].rstrip(b"\0")
            data = data[_HEADER.size + length :]
            found |= self._changed(number, mask, os.fsdecode(name))
        return found

    def _changed(self, number: int, mask: int, name: str) -> set[Path]:
        if mask & IN_Q_OVERFLOW:
            return set(self._roots)
        if mask & IN_IGNORED:
            self._folders.pop(number, None)
            return set()
        folder = self._folders.get(number)
        if folder is None or not name or self._skip(folder / name):
            return set()
        path = folder / name
        found = {path}
        if mask & IN_ISDIR and mask & (IN_CREATE | IN_MOVED_TO):
            try:
                found |= set(self._add(path))
            except FileNotFoundError:
                return found  # it has gone again
        return found


def _failure(call: str, path: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), path or call)
