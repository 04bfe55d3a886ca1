"""Blobs as files:

    ROOT/blobs/sha256/ab/abcdef...    complete, checked, fsynced
    ROOT/staging/                     uploads under way, on the same file system

A staged file is fsynced, renamed to its place, and then its folder is fsynced. Folders of the two
first digits are made when they are needed and stay.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from sampan.hub.storage.driver import BlobMissing, StoredBlob
from sampan.lib.atomicfile import fsync_dir


class FilesystemDriver:
    """The default driver."""

    def __init__(self, root: Path) -> None:
        self._blobs = root / "blobs"
        self._blobs.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(self, digest: str, staged: Path) -> None:
        place = self._place(digest)
        self._make_folder(place.parent)
        descriptor = os.open(staged, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.utime(descriptor)  # gc goes by the time at which a blob came
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        staged.rename(place)
        fsync_dir(place.parent)

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fsync_dir(folder.parent)
        fsync_dir(self._blobs)

    def find_size(self, digest: str) -> int | None:
        try:
            return self._place(digest).stat().st_size
        except FileNotFoundError:
            return None

    def local_path(self, digest: str) -> Path | None:
        return self._place(digest)

    @contextmanager
    def open(self, digest: str, start: int, end: int) -> Iterator[BinaryIO]:
        try:
            opened = self._place(digest).open("rb")
        except FileNotFoundError:
            raise BlobMissing(digest) from None
        with opened:
            opened.seek(start)
            yield opened

    def remove(self, digest: str) -> None:
        self._place(digest).unlink(missing_ok=True)

    def list(self) -> Iterator[StoredBlob]:
        for algorithm in sorted(self._blobs.iterdir()):
            for folder in sorted(algorithm.iterdir()):
                for file in folder.iterdir():
                    with suppress(FileNotFoundError):  # removed meanwhile
                        status = file.stat()
                        digest = f"{algorithm.name}:{file.name}"
                        yield StoredBlob(digest, status.st_size, status.st_mtime_ns)

    def _place(self, digest: str) -> Path:
        algorithm, _, encoded = digest.partition(":")
        return self._blobs / algorithm / encoded[:2] / encoded
