"""What snapshots are: the layers of images (committed) and of containers and build steps (active).

    stage ---commit_stages---> committed (named by chain id, immutable, may have children)
    prepare -> active ---commit---> committed

A stage is an empty directory to extract a layer into; it has no parent yet, because a layer's
files don't depend on what lies below. Committed snapshots are named by their chain id, so equal
stacks are shared. An active snapshot is what a container writes to. `mounts` says how to mount
either one: read-write for an active, read-only for a committed snapshot.

Unreferenced committed snapshots are garbage (store/gc.py); active ones belong to who prepared them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NewType, Protocol

from sampan.errors import AlreadyExists, Conflict, NotFound
from sampan.linux.mounts import Mount
from sampan.oci.digest import ChainId

SnapshotKey = NewType("SnapshotKey", str)


@dataclass(frozen=True, slots=True)
class Usage:
    """Of the snapshot's own layer: apparent sizes of files, each inode once."""

    size_bytes: int
    inodes: int


@dataclass(frozen=True, slots=True)
class Stage:
    """A directory that nobody sees yet."""

    key: SnapshotKey
    path: Path


@dataclass(frozen=True, slots=True)
class StagedLayer:
    """A filled stage and the place it is to take. `usage` spares a walk if it is known."""

    stage: Stage
    name: ChainId
    parent: ChainId | None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    key: SnapshotKey
    parent: SnapshotKey | None
    committed: bool
    created_ns: int
    usage: Usage


class SnapshotNotFound(NotFound):
    def __init__(self, key: str) -> None:
        super().__init__(f"snapshot {key}: not found")


class SnapshotExists(AlreadyExists):
    def __init__(self, key: str) -> None:
        super().__init__(f"snapshot {key}: already exists")


class SnapshotHasChildren(Conflict):
    def __init__(self, key: str) -> None:
        super().__init__(f"snapshot {key} has dependent snapshots")


class Snapshotter(Protocol):
    """Thread-safe; methods block on the disk. Keys may be given as SnapshotKey or ChainId."""

    def stage(self) -> Stage: ...

    def drop_stage(self, stage: Stage) -> None:
        """Idempotent."""
        ...

    def commit_stage(
        self, stage: Stage, name: ChainId, parent: ChainId | None, usage: Usage | None = None
    ) -> None: ...

    def commit_stages(self, layers: Sequence[StagedLayer]) -> None:
        """All or none, durable on return; a layer that is there already drops its stage."""
        ...

    def prepare(self, key: SnapshotKey, parent: ChainId | None) -> None:
        """Raises SnapshotExists, or SnapshotNotFound for the parent."""
        ...

    def commit(self, key: SnapshotKey, name: ChainId) -> None:
        """Make an active snapshot a layer. If `name` is there already, the active one goes."""
        ...

    def mounts(self, key: str, *, volatile: bool = False) -> list[Mount]:
        """To be mounted next, and once. `volatile` is for what nobody wants after a power cut:
        syncing files of an active snapshot does nothing then, and neither does unmounting it.
        """
        ...

    def upper(self, key: str) -> Path:
        """The directory of the snapshot's own files."""
        ...

    def lowers(self, key: str) -> list[Path]:
        """The directories below it, uppermost first."""
        ...

    def remove(self, key: str) -> None:
        """Idempotent. Raises SnapshotHasChildren."""
        ...

    def unlink(self, key: str) -> Path | None:
        """As `remove`, but leaves the files: a directory for the caller to delete."""
        ...

    def exists(self, key: str) -> bool: ...

    def get(self, key: str) -> Snapshot: ...

    def parent(self, key: str) -> SnapshotKey | None: ...

    def usage(self, key: str) -> Usage: ...

    def chain_usage(self, key: str) -> Usage:
        """Of a committed snapshot with all below it."""
        ...

    def walk(self) -> Iterator[Snapshot]: ...
