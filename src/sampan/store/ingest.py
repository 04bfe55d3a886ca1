"""A layer arrives once: stored as a blob, decompressed, hashed and extracted at the same time.

    with LayerIngest(content, snapshotter, lease) as ingest:
        ingest.write(chunk) ...                 # bytes as they come, compressed or not
        layer = ingest.finish(expected=digest)  # the blob is committed; the stage is the caller's

Two threads work behind bounded pipes: one writes and hashes the blob, one decompresses, hashes and
extracts; both consume the same chunks. `write` waits while either is behind. Code on an event loop
uses `try_write` first and hands over to a worker thread only when that says no.

With `resume` the blob may begin with `kept_bytes` of an earlier try; the caller writes what follows
them. Leaving the context without `finish` (or after its failure) drops the stage and the unfinished
blob; `suspend` keeps the blob's bytes for the next try. A blob that was committed although the
extraction failed is garbage for gc.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Self

from sampan.errors import Cancelled, DataLoss
from sampan.lib.tarstream import CHUNK, Bytes, Readable
from sampan.oci.digest import Digest
from sampan.store.apply import Unpacked, unpack
from sampan.store.content import ContentStore, Info
from sampan.store.decompress import Compression
from sampan.store.leases import Lease
from sampan.store.snapshots import Snapshotter, Stage, Usage

_CAPACITY_BYTES = 4 << 20


class WrongDiffId(DataLoss):
    def __init__(self, *, expected: Digest, found: Digest) -> None:
        super().__init__(f"layer has diff id {found}, expected {expected}")


@dataclass(frozen=True, slots=True)
class IngestedLayer:
    """The blob is in the content store; the stage waits for `commit_stage` or `drop_stage`."""

    digest: Digest
    size_bytes: int
    diff_id: Digest
    compression: Compression
    stage: Stage
    usage: Usage


class _Pipe:
    """Chunks from one thread to another, at most a few MiB at a time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._chunks: deque[Bytes] = deque()
        self._waiting_bytes = 0
        self._ended = False
        self._aborted = False
        self._deaf = False

    @property
    def full(self) -> bool:
        return self._waiting_bytes >= _CAPACITY_BYTES and not self._deaf

    def write(self, chunk: Bytes) -> None:
        with self._changed:
            while self.full:
                self._changed.wait()
            if not self._deaf:
                self._chunks.append(chunk)
                self._waiting_bytes += len(chunk)
                self._changed.notify_all()

    def read(self, size: int, /) -> Bytes:
        with self._changed:
            while not (self._chunks or self._ended or self._aborted):
                self._changed.wait()
            if self._aborted:
                raise Cancelled("the transfer was aborted")
            if not self._chunks:
                return b""
            chunk = self._chunks.popleft()
            if len(chunk) > size:
                self._chunks.appendleft(chunk[size:])
                chunk = chunk[:size]
            self._waiting_bytes -= len(chunk)
            self._changed.notify_all()
            return chunk

    @property
    def aborted(self) -> bool:
        return self._aborted

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def abort(self) -> None:
        with self._changed:
            self._aborted = True
            self._changed.notify_all()

    def close(self) -> None:
        """The reader is gone: what is written from now on is thrown away."""
        with self._changed:
            self._deaf = True
            self._chunks.clear()
            self._waiting_bytes = 0
            self._changed.notify_all()


class _Joined:
    """The bytes kept of an earlier try, then what comes through the pipe."""

    def __init__(self, kept: BinaryIO, kept_bytes: int, pipe: _Pipe) -> None:
        self._kept = kept
        self._left_bytes = kept_bytes
        self._pipe = pipe

    def read(self, size: int, /) -> Bytes:
        if not self._left_bytes:
            return self._pipe.read(size)
        if self._pipe.aborted:
            raise Cancelled("the transfer was aborted")
        piece = self._kept.read(min(size, self._left_bytes))
        if not piece:
            raise DataLoss("a partial download has lost bytes")
        self._left_bytes -= len(piece)
        return piece


class LayerIngest:
    """One layer on its way in. `write`, `finish` and `abort` belong to one caller at a time.

    `resume`: digest and size of the blob, to go on with what an earlier try left of it.
    """

    def __init__(
        self,
        content: ContentStore,
        snapshotter: Snapshotter,
        lease: Lease,
        resume: tuple[Digest, int] | None = None,
    ) -> None:
        self._snapshotter = snapshotter
        self._lease = lease
        self._suspended = False
        self._to_blob, self._to_tree = _Pipe(), _Pipe()
        self._expected: tuple[Digest | None, int | None] = (None, None)
        self._info: Info | None = None
        self._unpacked: Unpacked | None = None
        self._failure: BaseException | None = None
        self._handed_over = False
        self._writer = content.resume(*resume) if resume else content.writer()
        self.kept_bytes = self._writer.kept_bytes
        self._kept = self._writer.open_kept()
        try:
            self._stage = snapshotter.stage()
        except BaseException:
            self._forget_writer()
            raise
        self._threads = [
            threading.Thread(target=self._guard, args=(work, pipe), name=f"layer-{name}")
            for name, work, pipe in (
                ("blob", self._store, self._to_blob),
                ("tree", self._extract, self._to_tree),
            )
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    def write(self, chunk: Bytes) -> None:
        """Waits while the threads are behind. Raises what made one of them fail."""
        self._check()
        self._to_blob.write(chunk)
        self._to_tree.write(chunk)

    def try_write(self, chunk: Bytes) -> bool:
        """As `write`, but never waits: False if it would have to (nothing was taken then)."""
        self._check()
        if self._to_blob.full or self._to_tree.full:
            return False
        self._to_blob.write(chunk)
        self._to_tree.write(chunk)
        return True

    def finish(
        self,
        expected: Digest | None = None,
        expected_size: int | None = None,
        expected_diff_id: Digest | None = None,
    ) -> IngestedLayer:
        """All bytes were written: commit the blob and hand the filled stage over.

        Raises WrongDigest, WrongSize, WrongDiffId, or what made the archive unreadable.
        """
        self._check()
        self._expected = (expected, expected_size)
        self._to_blob.end()
        self._to_tree.end()
        self._join()
        self._check()
        assert self._info is not None
        assert self._unpacked is not None
        diff_id = self._unpacked.diff_id or self._info.digest
        if expected_diff_id not in {None, diff_id}:
            assert expected_diff_id is not None
            raise WrongDiffId(expected=expected_diff_id, found=diff_id)
        self._handed_over = True
        return IngestedLayer(
            self._info.digest,
            self._info.size_bytes,
            diff_id,
            self._unpacked.compression,
            self._stage,
            Usage(self._unpacked.size_bytes, self._unpacked.inodes),
        )

    def abort(self) -> None:
        """Stop and leave nothing; after `finish` it does nothing. Waits for the threads."""
        self._to_blob.abort()
        self._to_tree.abort()
        self._join()
        if not self._handed_over:
            self._snapshotter.drop_stage(self._stage)

    def suspend(self) -> None:
        """As `discard`, but what came of the blob is kept: it can be gone on with."""
        self._suspended = True
        self._to_blob.end()
        self._threads[0].join()
        self.discard()

    def discard(self) -> None:
        """As `abort`, and a stage that was handed over goes too: nobody got it."""
        self._handed_over = False
        self.abort()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _guard(self, work: Callable[[], None], pipe: _Pipe) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again by the caller's next call
            if self._failure is None:
                self._failure = error
            self._to_blob.abort()
            self._to_tree.abort()
        finally:
            pipe.close()

    def _store(self) -> None:
        with self._writer as writer:
            writer.take_kept(lambda: self._to_blob.aborted or self._suspended)
            while chunk := self._to_blob.read(CHUNK):
                writer.write(chunk)
            if self._suspended:
                writer.keep()
                return
            self._lease.add_content(writer.digest)
            self._info = writer.commit(*self._expected)

    def _extract(self) -> None:
        # the blob's thread hashes the same bytes if they aren't compressed
        with self._kept:
            source = _Joined(self._kept, self.kept_bytes, self._to_tree)
            self._unpacked = unpack(source, self._stage.path, hash_uncompressed=False)

    def _forget_writer(self) -> None:
        self._kept.close()
        with self._writer:
            pass  # leaving it uncommitted is its end


def ingest_layer(
    source: Readable, content: ContentStore, snapshotter: Snapshotter, lease: Lease
) -> IngestedLayer:
    """Take in a whole stream."""
    with LayerIngest(content, snapshotter, lease) as ingest:
        while chunk := source.read(CHUNK):
            ingest.write(chunk)
        return ingest.finish()
