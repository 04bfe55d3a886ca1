"""Where the bytes of blobs are kept, behind six methods.

A driver knows digests and bytes; which repository may read them, and when they may go, is the
database's business. Blobs come from a staged file whose digest was checked, so a driver never
sees a blob that isn't complete.

All methods block and may be called from any thread, also for the same digest at once. `put` has
returned: the blob survives a power cut. `put` of a blob that is there replaces it by equal bytes.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from sampan.errors import DataLoss


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """`modified_ns` is when it was put."""

    digest: str
    size: int
    modified_ns: int


class BlobMissing(DataLoss):
    """The database knows a blob that the storage hasn't got."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"blob {digest} is missing in the storage")


class StorageDriver(Protocol):
    """Called by the registry's blobs and by gc."""

    def put(self, digest: str, staged: Path) -> None:
        """Keep the file's bytes; `staged` is gone afterwards."""
        ...

    def find_size(self, digest: str) -> int | None:
        """None if it isn't there."""
        ...

    def local_path(self, digest: str) -> Path | None:
        """The blob as a file to send from, if this driver has one. Doesn't look whether it is."""
        ...

    def open(self, digest: str, start: int, end: int) -> AbstractContextManager[BinaryIO]:
        """Read bytes start to end (exclusive; at least one). Raises BlobMissing on entering."""
        ...

    def remove(self, digest: str) -> None:
        """Idempotent."""
        ...

    def list(self) -> Iterator[StoredBlob]:
        """In no order; what comes or goes meanwhile may be in it or not."""
        ...
