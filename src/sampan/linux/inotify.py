"""Waiting for changes in a folder, through inotify(7) and the event loop."""

import asyncio
import ctypes
import os
from pathlib import Path
from typing import Self

_libc = ctypes.CDLL(None, use_errno=True)

# <sys/inotify.h>
IN_MODIFY = 0x2
IN_CLOSE_WRITE = 0x8
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_READ_BYTES = 1 << 16


class FolderWatch:
    """Wakes when a file in the folder was written, made, renamed or removed.

    What changed isn't told: readers look for themselves. Use as a context manager.
    """

    def __init__(self, folder: Path) -> None:
        """Raises OSError (EMFILE: the user has too many inotify instances)."""
        self._fd = _libc.inotify_init1(_NONBLOCK_CLOEXEC)
        if self._fd < 0:
            raise _error("inotify_init1")
        mask = IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
        if _libc.inotify_add_watch(self._fd, os.fsencode(folder), mask) < 0:
            error = _error("inotify_add_watch")
            os.close(self._fd)
            raise error
        self._changed = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._fd, self._ready)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)

    async def changed(self) -> None:
        """Return once something changed since the last return."""
        await self._changed.wait()
        self._changed.clear()

    def _ready(self) -> None:
        try:
            os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        self._changed.set()


def _error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")
