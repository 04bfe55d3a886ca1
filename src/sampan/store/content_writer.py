"""Files on their way into the local content store.

`LocalWriter` writes a file that is gone unless it is committed. `PartialWriter` goes on with what
an earlier one left, and leaves its own bytes behind when told so (`keep`), or when the process is
killed: what is in such a file was received, but not synced, and counts for nothing until the
digest of the whole has been checked. While a blob is being written, the kernel is asked now and
then to start writing it out, so that the fsync at the end finds little to do.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from sampan.errors import Internal
from sampan.linux.sync import start_writeback
from sampan.oci.digest import PREFIX, Digest
from sampan.store.content import Info, WrongDigest, WrongSize
from sampan.store.members import NoSpace, is_full

PARTIAL_LEAST_BYTES = 1 << 20  # less is quickly fetched again

_FLUSH_EVERY = 8 << 20
_PIECE = 1 << 20

Publish = Callable[[Path, Digest], None]


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise NoSpace("content") from error
        raise


class LocalWriter:
    """A file in the ingest folder; see content.ResumableWriter. Owns the descriptor."""

    def __init__(self, publish: Publish, path: Path, descriptor: int) -> None:
        self._publish = publish
        self._path = path
        self._descriptor = descriptor
        self._hash = hashlib.sha256()
        self._size = 0
        self._flushed = 0
        self._open = True

    @property
    def digest(self) -> Digest:
        return Digest(PREFIX + self._hash.hexdigest())

    @property
    def size_bytes(self) -> int:
        return self._size

    @property
    def kept_bytes(self) -> int:
        return 0

    def open_kept(self) -> BinaryIO:
        return open(f"/proc/self/fd/{self._descriptor}", "rb", buffering=0)  # noqa: PTH123

    def take_kept(self, is_stopped: Callable[[], bool]) -> None:
        while self._size < self.kept_bytes and not is_stopped():
            piece = os.pread(self._descriptor, _PIECE, self._size)
            self._hash.update(piece)
            self._size += len(piece)
        self._flushed = self._size

    def keep(self) -> None:
        """A plain file is of no use to anybody else."""

    def write(self, data: bytes | bytearray | memoryview, /) -> None:
        rest = memoryview(data)
        self._hash.update(rest)
        self._size += len(rest)
        with _explained():
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        if self._size - self._flushed >= _FLUSH_EVERY:
            start_writeback(self._descriptor, self._flushed, self._size - self._flushed)
            self._flushed = self._size

    def commit(self, expected: Digest | None = None, expected_size: int | None = None) -> Info:
        if not self._open:
            raise Internal("the content writer is closed")
        if expected_size is not None and expected_size != self._size:
            raise WrongSize(expected_bytes=expected_size, found_bytes=self._size)
        if expected is not None and expected != self.digest:
            raise WrongDigest(expected=expected, found=self.digest)
        with _explained():
            os.fchmod(self._descriptor, 0o400)
            os.fsync(self._descriptor)
            self._publish(self._path, self.digest)
        self._close()
        return Info(self.digest, self._size)

    def _close(self) -> None:
        self._open = False
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._open:
            self._path.unlink(missing_ok=True)  # before the lock goes with the descriptor
            self._close()


class PartialWriter(LocalWriter):
    """A file of the folder of partial downloads, locked by its descriptor."""

    def __init__(self, publish: Publish, path: Path, descriptor: int) -> None:
        super().__init__(publish, path, descriptor)
        self._kept = os.lseek(descriptor, 0, os.SEEK_END)

    @property
    def kept_bytes(self) -> int:
        return self._kept

    def keep(self) -> None:
        if self._open and max(self._size, self._kept) >= PARTIAL_LEAST_BYTES:
            self._close()


def lock_partial(path: Path) -> int | None:
    """The file, made if need be, open and locked; None when somebody else writes it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):  # its writer has it, or has just committed it
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
