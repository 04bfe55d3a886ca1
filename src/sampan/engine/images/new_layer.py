"""One more layer on top of an image, from a tar that arrives or is written: import and commit."""

from collections.abc import AsyncIterator, Callable

import msgspec

from sampan.engine.images.ingesting import layer_ingest
from sampan.lib.tarstream import Bytes
from sampan.lib.workers import Workers
from sampan.oci import mediatypes
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import ChainId, chain_ids
from sampan.oci.image_config import History, ImageSpec, RootFS, encode
from sampan.store.content import ContentStore
from sampan.store.decompress import Compression
from sampan.store.images import Image, ImageStore
from sampan.store.ingest import IngestedLayer, LayerIngest
from sampan.store.leases import Lease, Leases
from sampan.store.snapshots import Snapshotter

_MEDIA_TYPES = {
    Compression.GZIP: mediatypes.DOCKER_LAYER_GZIP,
    Compression.ZSTD: mediatypes.OCI_LAYER_ZSTD,
}


class _Out:
    """A tar writer's end of an ingest; pieces may be views of a buffer that is used again."""

    def __init__(self, ingest: LayerIngest) -> None:
        self._ingest = ingest

    def write(self, data: Bytes, /) -> None:
        self._ingest.write(data if isinstance(data, bytes) else bytes(data))


class LayerAdder:
    """Nothing is visible, and what came is garbage, until the image's row is committed."""

    def __init__(
        self,
        *,
        images: ImageStore,
        content: ContentStore,
        snapshots: Snapshotter,
        leases: Leases,
        workers: Workers,
    ) -> None:
        self._images = images
        self._content = content
        self._snapshots = snapshots
        self._leases = leases
        self._workers = workers

    async def from_stream(
        self, chunks: AsyncIterator[bytes], spec: ImageSpec, entry: History
    ) -> Image:
        """An image of one layer: the archive in `chunks`, compressed or not.

        `spec` is completed by the layer and its history entry.
        """
        with self._leases.hold() as lease:
            begun = layer_ingest(self._workers, self._content, self._snapshots, lease)
            async with begun as ingest:
                async for chunk in chunks:
                    if not ingest.try_write(chunk):
                        await self._workers.run(ingest.write, chunk)
                layer = await self._workers.run(ingest.finish)
            return await self._workers.run(self._add, None, layer, spec, entry, lease)

    def from_writer(
        self,
        parent: Image,
        write: Callable[[_Out], object],
        spec: ImageSpec,
        entry: History,
    ) -> Image:
        """`parent` with one more layer, which `write` writes. Blocking."""
        with self._leases.hold() as lease:
            for chain in chain_ids(parent.spec.rootfs.diff_ids):
                lease.add_snapshot(chain)
            for blob in parent.layers:
                lease.add_content(blob.digest)
            with LayerIngest(self._content, self._snapshots, lease) as ingest:
                write(_Out(ingest))
                layer = ingest.finish()
            return self._add(parent, layer, spec, entry, lease)

    def _add(
        self,
        parent: Image | None,
        layer: IngestedLayer,
        spec: ImageSpec,
        entry: History,
        lease: Lease,
    ) -> Image:
        below = parent.spec.rootfs.diff_ids if parent is not None else ()
        diff_ids = (*below, layer.diff_id)
        chains = chain_ids(diff_ids)
        try:
            lease.add_snapshot(chains[-1])
            under: ChainId | None = chains[-2] if below else None
            self._snapshots.commit_stage(layer.stage, chains[-1], under, layer.usage)
        finally:
            self._snapshots.drop_stage(layer.stage)
        blob = Descriptor(
            mediaType=_MEDIA_TYPES.get(layer.compression, mediatypes.DOCKER_LAYER),
            digest=layer.digest,
            size=layer.size_bytes,
        )
        history = (*(parent.spec.history if parent is not None else ()), entry)
        complete = msgspec.structs.replace(spec, rootfs=RootFS(diff_ids=diff_ids), history=history)
        return self._images.add(
            encode(complete),
            (*(parent.layers if parent is not None else ()), blob),
            size_bytes=(parent.size_bytes if parent is not None else 0) + layer.usage.size_bytes,
            parent=parent.id if parent is not None else None,
            built_here=parent is not None,
        )
