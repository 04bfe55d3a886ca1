"""Garbage collection: what no image, no user of a snapshot and no lease refers to goes away.

Roots are the images (their config, manifest, layer blobs and chains), the active snapshots that
the callers of `collect` name, what `keep` adds, and all leases. Mark reads the roots once; sweep
checks each candidate against the leases under their lock and removes it there, so an operation
that has added something to its lease and then finds it present can rely on it. Partial downloads
have bounds of their own, which the content store knows.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sampan.errors import Conflict
from sampan.oci.digest import Digest, chain_ids
from sampan.store.content import BlobNotFound, ContentStore
from sampan.store.images import ImageStore
from sampan.store.leases import Leases
from sampan.store.removal import remove_tree
from sampan.store.snapshots import Snapshot, Snapshotter


@dataclass(frozen=True, slots=True)
class Collected:
    blobs: int
    snapshots: int
    freed_bytes: int


class Collector:
    """Thread-safe: collections wait for each other.

    `active` names the active snapshots in use (containers, build steps); `keep` may name more
    committed snapshots (the build cache's).
    """

    def __init__(
        self,
        *,
        content: ContentStore,
        snapshotter: Snapshotter,
        images: ImageStore,
        leases: Leases,
        active: Callable[[], Iterable[str]],
        keep: Callable[[], Iterable[str]] = lambda: (),
        keep_content: Callable[[], Iterable[str]] = lambda: (),
    ) -> None:
        self._content = content
        self._snapshotter = snapshotter
        self._images = images
        self._leases = leases
        self._active = active
        self._keep = keep
        self._keep_content = keep_content
        self._running = threading.Lock()

    def collect(self) -> Collected:
        """Mark and sweep once."""
        with self._running, self._leases.collecting():
            # candidates first: what is made while the roots are being read is none
            everything: dict[str, Snapshot] = {one.key: one for one in self._snapshotter.walk()}
            digests = list(self._content.list())
            snapshots, content = self._mark()
            removed, snapshot_bytes = self._sweep_snapshots(everything, snapshots)
            blobs, blob_bytes = self._sweep_content(digests, content)
            self._content.clean_partial()
        return Collected(blobs, removed, snapshot_bytes + blob_bytes)

    def _mark(self) -> tuple[set[str], set[str]]:
        """(snapshot keys, digests) that are referred to."""
        snapshots: set[str] = {*self._active(), *self._keep()}
        content: set[str] = set(self._keep_content())
        for image in self._images.list():
            content.add(image.id)
            content.update(layer.digest for layer in image.layers)
            if image.manifest is not None:
                content.add(image.manifest.digest)
            snapshots.update(chain_ids(image.spec.rootfs.diff_ids))
        return snapshots, content

    def _sweep_snapshots(
        self, everything: Mapping[str, Snapshot], marked: set[str]
    ) -> tuple[int, int]:
        kept: set[str] = set()
        for key, snapshot in everything.items():
            if key in marked or self._is_leased(snapshot):
                kept.update(_lineage(snapshot, everything))
        doomed = [snapshot for key, snapshot in everything.items() if key not in kept]
        doomed.sort(key=lambda snapshot: len(_lineage(snapshot, everything)), reverse=True)
        removed = freed = 0
        for snapshot in doomed:
            path = self._unlink(snapshot)
            if path is not None:
                with suppress(OSError):  # the rest goes at the next start
                    remove_tree(path)
                removed += 1
                freed += snapshot.usage.size_bytes
        return removed, freed

    def _is_leased(self, snapshot: Snapshot) -> bool:
        return self._leases.covers_snapshot(snapshot.key, snapshot.created_ns)

    def _unlink(self, snapshot: Snapshot) -> Path | None:
        with self._leases.lock:
            if self._is_leased(snapshot):
                return None
            with suppress(Conflict):  # somebody put a snapshot on top meanwhile
                return self._snapshotter.unlink(snapshot.key)
            return None

    def _sweep_content(self, digests: Iterable[Digest], marked: set[str]) -> tuple[int, int]:
        removed = freed = 0
        for digest in digests:
            if digest not in marked:
                size = self._remove_blob(digest)
                removed += size is not None
                freed += size or 0
        return removed, freed

    def _remove_blob(self, digest: Digest) -> int | None:
        with self._leases.lock, suppress(BlobNotFound):
            if self._leases.covers_content(digest, self._content.committed_ns(digest)):
                return None
            size = self._content.size(digest)
            self._content.remove(digest)
            return size
        return None


def _lineage(snapshot: Snapshot, everything: Mapping[str, Snapshot]) -> list[str]:
    """The keys of a snapshot and of all below it."""
    found: list[str] = []
    following: Snapshot | None = snapshot
    while following is not None:
        found.append(following.key)
        parent = following.parent
        following = None if parent is None else everything.get(parent)
    return found
