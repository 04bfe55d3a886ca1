"""Layers on their way in: download, digest, gunzip, diff id and extraction in one pass.

A layer wanted by several pulls at once is downloaded once (`Transfers`, by digest). Its bytes go
into the content store and, at the same time, into a stage of the snapshotter. The stage belongs to
the first pull that claims it; who needs the files elsewhere unpacks the blob again. What nobody
claimed is dropped when the last pull has left. When all are cancelled, the connection breaks or the
daemon is killed, the blob's bytes stay as a partial download; the next pull reads them again, for
the digest and the tree, and fetches what is missing. If they turn out bad it begins anew, once.
"""

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import StrEnum

from sampan.engine.images.ingesting import layer_ingest
from sampan.engine.images.reporting import StorageFailed
from sampan.errors import DataLoss, InvalidArgument, SampanError
from sampan.lib.workers import Workers
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import PREFIX, Digest
from sampan.registry.client import Repository
from sampan.registry.failures import BlobCorrupt
from sampan.registry.fetcher import stream_blob
from sampan.registry.transfers import Transfer, Transfers
from sampan.store.content import ContentStore, WrongDigest, WrongSize
from sampan.store.ingest import IngestedLayer
from sampan.store.leases import Lease, Leases
from sampan.store.snapshots import Snapshotter


class Phase(StrEnum):
    """In Docker's words, as the rows show them."""

    WAITING = "Waiting"
    DOWNLOADING = "Downloading"
    VERIFYING = "Verifying Checksum"
    COMPLETE = "Download complete"


@dataclass(frozen=True, slots=True)
class LayerState:
    phase: Phase
    done_bytes: int = 0


@dataclass(slots=True)
class FetchedLayer:
    """The blob is here. `stage` is the extracted layer, until somebody has claimed it."""

    ingested: IngestedLayer | None

    def claim(self, diff_id: Digest) -> IngestedLayer | None:
        """The extracted layer for the one who asks first, None for others."""
        found = self.ingested
        if found is None or found.diff_id != diff_id:
            return None
        self.ingested = None
        return found


LayerTransfer = Transfer[LayerState, FetchedLayer]


class LayerFetcher:
    """One per daemon; at most `limit` downloads at once."""

    def __init__(
        self,
        *,
        content: ContentStore,
        snapshots: Snapshotter,
        leases: Leases,
        workers: Workers,
        limit: int,
    ) -> None:
        self._content = content
        self._snapshots = snapshots
        self._leases = leases
        self._workers = workers
        self._slots = asyncio.Semaphore(limit)
        self._transfers: Transfers[LayerState, FetchedLayer] = Transfers()

    async def fetch(
        self,
        stack: AsyncExitStack,
        repository: Repository,
        layer: Descriptor,
        watch: Callable[[LayerState], None],
    ) -> FetchedLayer:
        """The layer's blob; what it holds is held until `stack` is closed.

        Raises ErrorAnswer, Unreachable, BlobCorrupt, StorageFailed, or what makes the archive bad.
        """

        async def work(publish: Callable[[LayerState], None], held: AsyncExitStack) -> FetchedLayer:
            return await self._work(repository, layer, publish, held)

        transfer = await stack.enter_async_context(self._transfers.join(layer.digest, work, watch))
        return await transfer.result()

    async def _work(
        self,
        repository: Repository,
        layer: Descriptor,
        publish: Callable[[LayerState], None],
        held: AsyncExitStack,
    ) -> FetchedLayer:
        lease = held.enter_context(self._leases.hold())
        lease.add_content(layer.digest)
        if self._slots.locked():
            publish(LayerState(Phase.WAITING))
        async with self._slots:
            if await self._workers.run(self._content.has, layer.digest):
                publish(LayerState(Phase.COMPLETE, layer.size))
                return FetchedLayer(None)
            fetched = FetchedLayer(await self._download(repository, layer, publish, lease))
        held.push_async_callback(self._drop_unclaimed, fetched)
        publish(LayerState(Phase.COMPLETE, layer.size))
        return fetched

    async def _download(
        self,
        repository: Repository,
        layer: Descriptor,
        publish: Callable[[LayerState], None],
        lease: Lease,
    ) -> IngestedLayer:
        resumed: list[int] = []
        try:
            return await self._ingest(repository, layer, publish, lease, resumed)
        except (DataLoss, InvalidArgument):
            if not any(resumed):
                raise
        return await self._ingest(repository, layer, publish, lease, [])  # nothing is kept now

    async def _ingest(
        self,
        repository: Repository,
        layer: Descriptor,
        publish: Callable[[LayerState], None],
        lease: Lease,
        resumed: list[int],
    ) -> IngestedLayer:
        """`resumed` gets the size of what was here already."""
        try:
            return await self._write(repository, layer, publish, lease, resumed)
        except (WrongDigest, WrongSize) as error:
            raise BlobCorrupt(digest=layer.digest) from error
        except OSError as error:
            raise StorageFailed(what="failed to register layer", error=error) from error
        except BlobCorrupt:
            raise
        except (InvalidArgument, DataLoss) as error:  # the extraction was first to stumble
            if not any(resumed):
                await verify(repository, layer)
            raise BadLayer(error=error) from error

    async def _write(
        self,
        repository: Repository,
        layer: Descriptor,
        publish: Callable[[LayerState], None],
        lease: Lease,
        resumed: list[int],
    ) -> IngestedLayer:
        async with layer_ingest(
            self._workers,
            self._content,
            self._snapshots,
            lease,
            resume=(layer.digest, layer.size),
        ) as ingest:
            done_bytes = ingest.kept_bytes
            resumed.append(done_bytes)
            async for chunk in stream_blob(repository, layer, start=done_bytes):
                if not ingest.try_write(chunk):
                    await self._workers.run(ingest.write, chunk)
                done_bytes += len(chunk)
                publish(LayerState(Phase.DOWNLOADING, done_bytes))
            publish(LayerState(Phase.VERIFYING, done_bytes))
            return await self._workers.run(ingest.finish, layer.digest, layer.size)

    async def _drop_unclaimed(self, fetched: FetchedLayer) -> None:
        if fetched.ingested is not None:
            await self._workers.run(self._snapshots.drop_stage, fetched.ingested.stage)


class BadLayer(InvalidArgument):
    """The blob is what it should be, but it isn't a layer."""

    def __init__(self, *, error: SampanError) -> None:
        super().__init__(f"failed to register layer: {error.message}")


async def verify(repository: Repository, layer: Descriptor) -> None:
    """Read the blob once more to tell damage on the way from a bad archive. Raises BlobCorrupt."""
    found = hashlib.sha256()
    async for chunk in stream_blob(repository, layer):
        found.update(chunk)
    if f"{PREFIX}{found.hexdigest()}" != layer.digest:
        raise BlobCorrupt(digest=layer.digest)
