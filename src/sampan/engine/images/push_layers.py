"""One layer on its way to a registry: found there, mounted there, or sent.

A layer is pushed as it came from a registry when its blob is compressed; else it is compressed
once, in the content store, under a lease (gc takes it when the push is over).
"""

from collections.abc import Callable

from isal import isal_zlib

from sampan.engine.images.pushed_blobs import PushedBlobs
from sampan.lib.tarstream import CHUNK
from sampan.lib.workers import Workers
from sampan.oci import mediatypes
from sampan.oci.descriptor import Descriptor
from sampan.oci.reference import Reference
from sampan.registry.pusher import BlobPusher
from sampan.store.content import ContentStore
from sampan.store.decompress import MAGIC_BYTES, Compression, decompressed, detect
from sampan.store.image_records import LocalLayer
from sampan.store.leases import Lease

LEVEL = 1  # of isal: near zlib's 3 in size, several times faster

Show = Callable[[str], None]  # a row's new state
ShowBytes = Callable[[int, int], None]  # sent, in all


class LayerPusher:
    """For one push to one repository."""

    def __init__(
        self,
        *,
        reference: Reference,
        pusher: BlobPusher,
        content: ContentStore,
        pushed: PushedBlobs,
        lease: Lease,
        workers: Workers,
    ) -> None:
        self._reference = reference
        self._pusher = pusher
        self._content = content
        self._pushed = pushed
        self._lease = lease
        self._workers = workers

    async def push(self, layer: LocalLayer, show: Show, show_bytes: ShowBytes) -> Descriptor:
        """The blob under which the layer is in the repository now."""
        if layer.blob.urls:
            show("Skipped foreign layer")
            return layer.blob
        own = await self._workers.run(self._compressed_form, layer.blob)
        known = await self._workers.run(self._pushed.known, layer.diff_id)
        for form in [*([own] if own else []), *(entry.blob for entry in known)]:
            if await self._pusher.has_blob(form.digest):
                show("Layer already exists")
                return form
        for entry in known:
            for source in entry.mountable(self._reference):
                if await self._pusher.mount(entry.blob.digest, source):
                    show(f"Mounted from {source}")
                    return entry.blob
        blob = own if own is not None else await self._workers.run(self._compress, layer.blob)
        await self._send(blob, show_bytes)
        show("Pushed")
        return blob

    async def _send(self, blob: Descriptor, show_bytes: ShowBytes) -> None:
        await self._pusher.upload(
            blob.digest,
            blob.size,
            lambda: self._content.open(blob.digest),
            lambda sent: show_bytes(sent, blob.size),
        )

    def _compressed_form(self, blob: Descriptor) -> Descriptor | None:
        """The blob itself if registries and their clients take it as it is."""
        with self._content.open(blob.digest) as file:
            compression = detect(file.read(MAGIC_BYTES))
        if compression is Compression.GZIP:
            media_type = mediatypes.DOCKER_LAYER_GZIP
        elif compression is Compression.ZSTD:
            media_type = mediatypes.OCI_LAYER_ZSTD
        else:
            return None
        if mediatypes.is_layer(blob.mediaType) and blob.mediaType not in mediatypes.PLAIN_LAYERS:
            media_type = blob.mediaType
        return Descriptor(mediaType=media_type, digest=blob.digest, size=blob.size)

    def _compress(self, blob: Descriptor) -> Descriptor:
        packer = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, 31)  # gzip, without a time
        with self._content.open(blob.digest) as file, self._content.writer() as writer:
            _, plain = decompressed(file)
            while piece := plain.read(CHUNK):
                writer.write(packer.compress(piece))
            writer.write(packer.flush())
            self._lease.add_content(writer.digest)
            info = writer.commit()
        return Descriptor(
            mediaType=mediatypes.DOCKER_LAYER_GZIP, digest=info.digest, size=info.size_bytes
        )
