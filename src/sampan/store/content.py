"""What a content store is: blobs by digest, written once, never changed.

Writing has one commit point: the bytes are fsynced under a temporary name, then renamed to their
digest. So a digest that can be seen has its bytes, whatever died when. Two writers of one blob may
race; both succeed, one set of bytes stays.

A download may leave its bytes behind when it is broken off, and go on with them later (`resume`).

Whoever puts a blob before something refers to it holds a lease (store/leases.py): an unreferenced
blob is garbage.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from sampan.errors import DataLoss, NotFound
from sampan.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class Info:
    digest: Digest
    size_bytes: int


class BlobNotFound(NotFound):
    def __init__(self, digest: Digest) -> None:
        super().__init__(f"content {digest}: not found")
        self.digest = digest


class WrongDigest(DataLoss):
    def __init__(self, *, expected: Digest, found: Digest) -> None:
        super().__init__(f"content has digest {found}, expected {expected}")
        self.expected = expected
        self.found = found


class WrongSize(DataLoss):
    def __init__(self, *, expected_bytes: int, found_bytes: int) -> None:
        super().__init__(f"content has {found_bytes} bytes, expected {expected_bytes}")
        self.expected_bytes = expected_bytes
        self.found_bytes = found_bytes


class Writer(Protocol):
    """One blob on its way in; used by one thread. Leaving the context uncommitted aborts."""

    @property
    def digest(self) -> Digest:
        """Of what was written so far."""
        ...

    @property
    def size_bytes(self) -> int: ...

    def write(self, data: bytes | bytearray | memoryview, /) -> None: ...

    def commit(self, expected: Digest | None = None, expected_size: int | None = None) -> Info:
        """Make it visible, durably. Raises WrongDigest or WrongSize, and nothing is there then."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class ResumableWriter(Writer, Protocol):
    """May begin with bytes that an earlier download left; nothing has vouched for them."""

    @property
    def kept_bytes(self) -> int:
        """How many there are: what is written goes behind them."""
        ...

    def open_kept(self) -> BinaryIO:
        """A reader of its own; the file grows by what is written."""
        ...

    def take_kept(self, is_stopped: Callable[[], bool]) -> None:
        """Hash them: the first thing to do, before `write`."""
        ...

    def keep(self) -> None:
        """Before leaving the context: leave what is there for a later try."""
        ...


class ContentStore(Protocol):
    """Thread-safe; all methods block on the disk."""

    def writer(self) -> ResumableWriter:
        """A blob from the beginning: nothing is kept, before or after."""
        ...

    def resume(self, expected: Digest, size_bytes: int) -> ResumableWriter:
        """Of a blob that comes from afar; with nothing kept if another writer is at it."""
        ...

    def put(self, data: bytes, expected: Digest | None = None) -> Info: ...

    def open(self, digest: Digest) -> BinaryIO:
        """Raises BlobNotFound."""
        ...

    def read(self, digest: Digest) -> bytes: ...

    def path(self, digest: Digest) -> Path: ...

    def has(self, digest: Digest) -> bool: ...

    def size(self, digest: Digest) -> int: ...

    def committed_ns(self, digest: Digest) -> int:
        """When it became visible (Unix time): gc spares what is younger than a lease."""
        ...

    def remove(self, digest: Digest) -> None:
        """Idempotent."""
        ...

    def list(self) -> Iterator[Digest]: ...

    def clean_ingest(self) -> None:
        """At start, before any writer: drop what a dead process left unfinished."""
        ...

    def clean_partial(self) -> None:
        """Drop what unfinished downloads left, if it is old or too much, and nobody's."""
        ...
