"""The content store in a directory of this machine.

    <root>/blobs/sha256/<hex>   committed blobs, mode 0400
    <root>/ingest/<random>      blobs being written; all garbage after a restart

Commit is fsync of the file, rename, fsync of the folder. While a blob is being written, the kernel
is asked now and then to start writing it out, so that the fsync at the end finds little to do.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from sampan.errors import Internal
from sampan.lib.atomicfile import fsync_dir
from sampan.linux.sync import start_writeback
from sampan.oci.digest import PREFIX, Digest, encoded, parse_digest
from sampan.store.content import BlobNotFound, Info, WrongDigest, WrongSize
from sampan.store.members import NoSpace, is_full

_FLUSH_EVERY = 8 << 20


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise NoSpace("content") from error
        raise


class LocalWriter:
    """A file in the ingest folder; see content.Writer."""

    def __init__(self, store: "LocalContentStore", path: Path) -> None:
        self._store = store
        self._path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o400)
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
            os.fsync(self._descriptor)
            self._close()
            self._store.publish(self._path, self.digest)
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
            self._close()
        self._path.unlink(missing_ok=True)


class LocalContentStore:
    """See content.ContentStore."""

    def __init__(self, root: Path) -> None:
        self._blobs = root / "blobs" / "sha256"
        self._ingest = root / "ingest"
        self._blobs.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._ingest.mkdir(exist_ok=True, mode=0o700)

    def writer(self) -> LocalWriter:
        return LocalWriter(self, self._ingest / secrets.token_hex(16))

    def put(self, data: bytes, expected: Digest | None = None) -> Info:
        with self.writer() as writer:
            writer.write(data)
            if self.has(writer.digest) and expected in {None, writer.digest}:
                return Info(writer.digest, writer.size_bytes)
            return writer.commit(expected)

    def publish(self, written: Path, digest: Digest) -> None:
        """Give a finished, fsynced file of the ingest folder its name. For writers only."""
        written.rename(self.path(digest))
        fsync_dir(self._blobs)

    def path(self, digest: Digest) -> Path:
        """Where the blob is or would be; the text is checked, as it becomes a file name."""
        return self._blobs / encoded(parse_digest(digest))

    def open(self, digest: Digest) -> BinaryIO:
        try:
            return self.path(digest).open("rb", buffering=0)
        except FileNotFoundError:
            raise BlobNotFound(digest) from None

    def read(self, digest: Digest) -> bytes:
        try:
            return self.path(digest).read_bytes()
        except FileNotFoundError:
            raise BlobNotFound(digest) from None

    def has(self, digest: Digest) -> bool:
        return self.path(digest).exists()

    def size(self, digest: Digest) -> int:
        return self._stat(digest).st_size

    def committed_ns(self, digest: Digest) -> int:
        return self._stat(digest).st_ctime_ns  # rename sets the change time

    def _stat(self, digest: Digest) -> os.stat_result:
        try:
            return self.path(digest).stat()
        except FileNotFoundError:
            raise BlobNotFound(digest) from None

    def remove(self, digest: Digest) -> None:
        self.path(digest).unlink(missing_ok=True)

    def list(self) -> Iterator[Digest]:
        for path in self._blobs.iterdir():
            yield Digest(PREFIX + path.name)

    def clean_ingest(self) -> None:
        for path in self._ingest.iterdir():
            with suppress(FileNotFoundError):
                path.unlink()
