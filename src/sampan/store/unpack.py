"""From layer blobs to committed snapshots.

A layer is extracted into a stage of its own, whatever is below it; so missing layers are extracted
side by side, and one commit at the end makes the whole chain visible. Diff ids are checked against
the config: an image can't get layers that its id doesn't vouch for.
"""

import threading
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from sampan.errors import InvalidArgument
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import ChainId, Digest, chain_ids
from sampan.store.apply import extract
from sampan.store.content import ContentStore
from sampan.store.ingest import IngestedLayer, WrongDiffId
from sampan.store.leases import Lease
from sampan.store.snapshots import Snapshotter, StagedLayer, Usage

PARALLEL = 2  # decompression is bound by processors, writing by the disk

LayerProgress = Callable[[Descriptor, int], None]


class LayersMismatch(InvalidArgument):
    def __init__(self, *, diff_ids: int, layers: int) -> None:
        super().__init__(
            f"layers from manifest don't match image configuration: expected {diff_ids},"
            f" got {layers}"
        )


class Unpacker:
    """Thread-safe. Two callers that want the same chain wait for each other."""

    def __init__(self, content: ContentStore, snapshotter: Snapshotter) -> None:
        self._content = content
        self._snapshotter = snapshotter
        self._locks: dict[ChainId, tuple[threading.Lock, int]] = {}
        self._locks_lock = threading.Lock()

    def ensure_unpacked(
        self,
        diff_ids: Sequence[Digest],
        layers: Sequence[Descriptor],
        *,
        lease: Lease,
        staged: MutableMapping[Digest, IngestedLayer] | None = None,
        on_progress: LayerProgress | None = None,
    ) -> Usage:
        """Make sure that every layer of the stack is a committed snapshot; its total usage.

        `staged` has layers that were extracted on arrival, by diff id. Those used are taken out
        of it; the others stay the caller's to drop.
        """
        if len(diff_ids) != len(layers):
            raise LayersMismatch(diff_ids=len(diff_ids), layers=len(layers))
        if not diff_ids:
            return Usage(0, 0)
        chain = chain_ids(diff_ids)
        for name in chain:
            lease.add_snapshot(name)
        first = self._first_missing(chain)
        if first < len(chain):
            with self._locked(chain[first]):
                self._unpack_missing(
                    diff_ids, layers, {} if staged is None else staged, on_progress
                )
        return self._snapshotter.chain_usage(chain[-1])

    def _first_missing(self, chain: Sequence[ChainId]) -> int:
        """Parents exist as long as their children do, so what is missing is the upper part."""
        for index in range(len(chain), 0, -1):
            if self._snapshotter.exists(chain[index - 1]):
                return index
        return 0

    def _unpack_missing(
        self,
        diff_ids: Sequence[Digest],
        layers: Sequence[Descriptor],
        staged: MutableMapping[Digest, IngestedLayer],
        on_progress: LayerProgress | None,
    ) -> None:
        chain = chain_ids(diff_ids)
        first = self._first_missing(chain)
        ready: dict[int, StagedLayer] = {}
        own: list[StagedLayer] = []

        def place(index: int) -> None:
            parent = chain[index - 1] if index else None
            there = staged.pop(diff_ids[index], None)  # a diff id may occur twice in a stack
            if there is not None:
                found = StagedLayer(there.stage, chain[index], parent, there.usage)
            else:
                found = self._stage(
                    layers[index], diff_ids[index], chain[index], parent, on_progress
                )
            own.append(found)
            ready[index] = found

        try:
            with ThreadPoolExecutor(PARALLEL, thread_name_prefix="unpack") as pool:
                for done in [pool.submit(place, index) for index in range(first, len(chain))]:
                    done.result()
            self._snapshotter.commit_stages([ready[index] for index in sorted(ready)])
        except BaseException:
            for layer in own:
                self._snapshotter.drop_stage(layer.stage)
            raise

    def _stage(
        self,
        layer: Descriptor,
        diff_id: Digest,
        name: ChainId,
        parent: ChainId | None,
        on_progress: LayerProgress | None,
    ) -> StagedLayer:
        def report(done: int) -> None:
            if on_progress is not None:
                on_progress(layer, done)

        stage = self._snapshotter.stage()
        try:
            with self._content.open(layer.digest) as blob:
                found = extract(blob, stage.path, on_progress=report)
            _check(expected=diff_id, found=found.diff_id)
        except BaseException:
            self._snapshotter.drop_stage(stage)
            raise
        return StagedLayer(stage, name, parent, Usage(found.size_bytes, found.inodes))

    @contextmanager
    def _locked(self, name: ChainId) -> Iterator[None]:
        with self._locks_lock:
            lock, users = self._locks.get(name, (threading.Lock(), 0))
            self._locks[name] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._locks_lock:
                lock, users = self._locks[name]
                if users == 1:
                    del self._locks[name]
                else:
                    self._locks[name] = (lock, users - 1)


def _check(*, expected: Digest, found: Digest) -> None:
    if found != expected:
        raise WrongDiffId(expected=expected, found=found)
