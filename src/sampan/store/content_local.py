"""The content store in a directory of this machine.

    <root>/blobs/sha256/<hex>   committed blobs, mode 0400
    <root>/ingest/<random>      blobs being written; all garbage after a restart
    <root>/partial/<hex>        downloads that can be gone on with, also after a restart

Commit is fsync of the file, rename, fsync of the folder. A partial download is locked while it is
being written; those that nobody writes are kept for a day, and up to a size in all.
"""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from sampan.lib.atomicfile import fsync_dir
from sampan.oci.digest import PREFIX, Digest, encoded, parse_digest
from sampan.store.content import BlobNotFound, Info
from sampan.store.content_writer import LocalWriter, PartialWriter, lock_partial

PARTIAL_AGE_S = 24 * 3600
PARTIAL_TOTAL_BYTES = 10 << 30


class LocalContentStore:
    """See content.ContentStore."""

    def __init__(self, root: Path) -> None:
        self._blobs = root / "blobs" / "sha256"
        self._ingest = root / "ingest"
        self._partial = root / "partial"
        self._blobs.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._ingest.mkdir(exist_ok=True, mode=0o700)
        self._partial.mkdir(exist_ok=True, mode=0o700)

    def writer(self) -> LocalWriter:
        path = self._ingest / secrets.token_hex(16)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return LocalWriter(self.publish, path, os.open(path, flags, 0o400))

    def resume(self, expected: Digest, size_bytes: int) -> LocalWriter:
        path = self._partial / encoded(parse_digest(expected))
        descriptor = lock_partial(path)
        if descriptor is None:
            return self.writer()
        if os.fstat(descriptor).st_size > size_bytes:
            os.truncate(descriptor, 0)
        return PartialWriter(self.publish, path, descriptor)

    def put(self, data: bytes, expected: Digest | None = None) -> Info:
        with self.writer() as writer:
            writer.write(data)
            if self.has(writer.digest) and expected in {None, writer.digest}:
                return Info(writer.digest, writer.size_bytes)
            return writer.commit(expected)

    def publish(self, written: Path, digest: Digest) -> None:
        """Give a finished, fsynced file its name. For writers only."""
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

    def clean_partial(self) -> None:
        found = sorted(self._partial.iterdir(), key=_written_s, reverse=True)
        total = 0
        for path in found:
            with suppress(FileNotFoundError):
                status = path.stat()
                total += status.st_size
                is_old = status.st_mtime < time.time() - PARTIAL_AGE_S
                if is_old or total > PARTIAL_TOTAL_BYTES:
                    _remove_partial(path)


def _written_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0


def _remove_partial(path: Path) -> None:
    """Unless somebody is writing it."""
    descriptor = lock_partial(path)
    if descriptor is not None:
        path.unlink(missing_ok=True)
        os.close(descriptor)
