"""Rotation of a log: older files get numbers, are compressed, and are kept for who reads them.

    <log>                   being written
    <log>.1 <log>.2.gz ...  predecessors, youngest first
    <log>.gz.part           being compressed, by a child process
    <log>.follower-<x>/     made and locked (flock) by a reader that follows the log. Every file is
                            linked into it before it's rotated, under a name that sorts by age; the
                            reader removes what it has taken. So a reader that is slower than the
                            rotation misses nothing; what it may keep from being deleted is bounded.

A file's name is changed by this process alone: the child only writes the compressed text. A
folder whose lock can be had is one that a killed reader left behind.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    Expect = Callable[[int, Callable[[int], None]], None]

LAG_BYTES = 256 << 20  # of rotated files that one slow reader may keep
LAG_FILES = 8192
CLOSE_S = 0.5  # what is being compressed at the end is waited for this long
BLOCK_BYTES = 1 << 18
_LEVEL = 1  # of zlib: logs are repetitive, and the container's own work comes first
_NICE = 10


class Rotation:
    """`expect` calls back with a child's status; without it `settle` has to be called."""

    def __init__(
        self, path: str, *, max_files: int, compress: bool, expect: Expect | None = None
    ) -> None:
        self._path = path
        self._max_files = max_files
        self._compress = compress
        self._expect = expect
        self._part = f"{path}.gz.part"
        self._child = 0
        self._number = 0  # the file that the child compresses

    def rotate(self) -> None:
        """Move the current file away; the caller opens a new one."""
        hand_over(self._path)
        if self._max_files < 2:
            os.unlink(self._path)
            return
        if self._number == self._max_files - 1:
            self._give_up()
        for suffix in ("", ".gz"):
            _unlink(f"{self._path}.{self._max_files - 1}{suffix}")
        for number in range(self._max_files - 1, 0, -1):
            newer = f"{self._path}.{number - 1}" if number > 1 else self._path
            for suffix in ("", ".gz") if number > 1 else ("",):
                try:
                    os.rename(newer + suffix, f"{self._path}.{number}{suffix}")
                except FileNotFoundError:
                    continue
        if self._child:
            self._number += 1
        self._pack_next()

    def close(self) -> None:
        """Let compressing end, within `CLOSE_S`."""
        deadline = time.monotonic() + CLOSE_S
        while self._child:
            if time.monotonic() > deadline:
                self._give_up()
            else:
                self.settle(wait=False)
                time.sleep(0.002)

    def settle(self, *, wait: bool = True) -> None:
        """Take note of a child that has ended."""
        if not self._child:
            return
        try:
            pid, raw = os.waitpid(self._child, 0 if wait else os.WNOHANG)
        except ChildProcessError:  # somebody took its status: what it wrote can't be trusted
            self._give_up()
            return
        if pid:
            self._packed(pid, os.waitstatus_to_exitcode(raw))

    def _pack_next(self) -> None:
        """Compress the youngest file that isn't, unless one is being compressed."""
        if not self._compress or self._child:
            return
        for number in range(1, self._max_files):
            if os.path.exists(f"{self._path}.{number}"):
                self._pack(number)
                return

    def _pack(self, number: int) -> None:
        try:
            source = os.open(f"{self._path}.{number}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        _unlink(self._part)
        try:
            target = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        except OSError:
            os.close(source)
            return
        try:
            child = os.fork()
        except OSError:  # no more processes: it stays as it is
            child = -1
        if child == 0:
            pack(source, target)
        os.close(source)
        os.close(target)
        if child < 0:
            return
        self._child, self._number = child, number
        if self._expect is not None:
            self._expect(child, lambda status: self._packed(child, status))

    def _packed(self, child: int, status: int) -> None:
        if child != self._child:
            return
        number, self._child, self._number = self._number, 0, 0
        if status:
            _unlink(self._part)
            return
        try:
            os.rename(self._part, f"{self._path}.{number}.gz")
            os.unlink(f"{self._path}.{number}")
        except FileNotFoundError:  # the container is being removed
            return
        self._pack_next()

    def _give_up(self) -> None:
        child, self._child, self._number = self._child, 0, 0
        try:
            os.kill(child, 9)
            os.waitpid(child, 0)
        except (ChildProcessError, ProcessLookupError):
            pass
        _unlink(self._part)


def pack(source: int, target: int) -> NoReturn:
    """Body of the child: the text of `source`, compressed, to `target`."""
    status = 1
    try:
        # the container's pipes and the clients' sockets must not stay open because of us
        low, high = sorted((source, target))
        os.closerange(0, low)
        os.closerange(low + 1, high)
        os.closerange(high + 1, os.sysconf("SC_OPEN_MAX"))
        os.nice(_NICE)
        import zlib  # only here: most monitors never compress

        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
        while block := os.read(source, BLOCK_BYTES):
            _write(target, packer.compress(block))
        _write(target, packer.flush())
        status = 0
    finally:
        os._exit(status)


def hand_over(path: str) -> None:
    """Link the file at `path` into the folder of everybody who follows it."""
    folder, name = os.path.split(path)
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return
    for entry in names:
        if entry.startswith(f"{name}.follower-"):
            _link(path, os.path.join(folder, entry))


def _link(path: str, follower: str) -> None:
    import fcntl  # only with followers

    try:
        fd = os.open(follower, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        waiting = os.listdir(fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # alive
            size = os.stat(path).st_size
            if len(waiting) < min(LAG_FILES, max(2, LAG_BYTES // max(1, size))):
                os.link(path, f"{follower}/{time.monotonic_ns():020d}")
            return
        for name in waiting:
            os.unlink(f"{follower}/{name}")
        os.rmdir(follower)
    except OSError:  # the reader takes or removes things at the same time; or a full disk
        return
    finally:
        os.close(fd)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return
