"""How a follower of a log gets every file of it, however fast the log is rotated.

    <log>.follower-<random>/   locked (flock) by the follower for as long as it lives
        <age>                  a rotated file, linked there by the writer before it was renamed

The writer's side is runtime/monitor/rotation.py. A folder whose lock can be had belongs to nobody:
the writer removes it at the next rotation, and so does the next follower.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
from pathlib import Path

from sampan.logs.segments import Segment, close_all

_TAKE = 16  # files at a time: a follower may be thousands of them behind


class Handover:
    """Make it before the log's files are opened. Without a folder (a full disk) it does less."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder: Path | None = None
        self._lock = -1
        _sweep(path)
        with contextlib.suppress(OSError):
            while self._folder is None:
                self._make()

    def _make(self) -> None:
        folder = self._path.with_name(f"{self._path.name}.follower-{secrets.token_hex(6)}")
        folder.mkdir(mode=0o700)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.fstat(lock).st_nlink:  # else the writer took it for abandoned
                self._folder, self._lock = folder, lock
        finally:
            if self._folder is None:
                os.close(lock)

    def close(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
            os.close(self._lock)

    def after(self, last: Segment) -> list[Segment]:
        """The files that follow `last`, oldest first; empty while nothing does."""
        if last.is_file(self._path):
            return []
        # what was rotated between `last` and the file that is current now has been linked by now
        current = _open(self._path)
        waiting = self._waiting()
        found: list[Segment] = []
        while waiting and not found:
            found = self._take(waiting[:_TAKE], last)
            del waiting[:_TAKE]
        if current is None:
            return found
        if waiting or any(segment.identity == current.identity for segment in found):
            current.close()
        else:
            found.append(current)
        return found

    @staticmethod
    def _take(names: list[Path], last: Segment) -> list[Segment]:
        """Those of them that come after `last`, opened; none of the names stays."""
        found: list[Segment] = []
        for name in names:
            segment = _open(name)
            if segment is not None:
                found.append(segment)
                name.unlink(missing_ok=True)
        for index, segment in enumerate(found):
            if segment.identity == last.identity:
                close_all(found[: index + 1])
                return found[index + 1 :]
        return found

    def _waiting(self) -> list[Path]:
        if self._folder is None:
            return []
        try:
            return sorted(self._folder.iterdir())
        except OSError:  # the container was removed
            return []


def _open(path: Path) -> Segment | None:
    try:
        return Segment(path)
    except FileNotFoundError:
        return None


def _sweep(path: Path) -> None:
    """Remove the folders of followers that were killed."""
    for folder in path.parent.glob(f"{path.name}.follower-*"):
        with contextlib.suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
