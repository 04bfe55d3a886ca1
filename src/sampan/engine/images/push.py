"""`docker push`: layers and config first, the manifest last.

The manifest goes byte for byte as it was pulled if the registry has the very blobs it names;
else a new one is written in Docker's schema 2 (OCI, if a layer is zstd). What was in the registry
before stays untouched when a push fails: only the manifest makes the rest visible.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from sampan.engine.images.concurrently import concurrently
from sampan.engine.images.events import ImageEvents
from sampan.engine.images.progress import aux, status
from sampan.engine.images.push_layers import LayerPusher
from sampan.engine.images.pushed_blobs import PushedBlobs
from sampan.engine.images.reporting import Bars, Report, StorageFailed, reported
from sampan.errors import InvalidArgument, NotFound
from sampan.lib.ids import short
from sampan.lib.workers import Workers
from sampan.oci import manifest as manifests
from sampan.oci import mediatypes
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import sha256_of
from sampan.oci.manifest import Manifest
from sampan.oci.reference import Reference, parse_reference
from sampan.registry.client import PUSH, Registries
from sampan.registry.keychain import Credentials
from sampan.registry.pusher import BlobPusher
from sampan.store.content import ContentStore
from sampan.store.image_records import LocalLayer
from sampan.store.images import Image, ImageStore
from sampan.store.leases import Lease, Leases
from sampan.wire.progress import Progress


class PushOfDigest(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("cannot push a digest reference")


class NothingToPush(NotFound):
    def __init__(self, reference: Reference) -> None:
        super().__init__(f"An image does not exist locally with the tag: {reference.familiar_name}")


class NoSuchTag(NotFound):
    def __init__(self, reference: Reference) -> None:
        super().__init__(f"tag does not exist: {reference.familiar}")


class Pusher:
    def __init__(
        self,
        *,
        images: ImageStore,
        content: ContentStore,
        leases: Leases,
        registries: Registries,
        pushed: PushedBlobs,
        events: ImageEvents,
        workers: Workers,
    ) -> None:
        self._images = images
        self._content = content
        self._leases = leases
        self._registries = registries
        self._pushed = pushed
        self._events = events
        self._workers = workers

    async def push(
        self, name: str, *, tag: str = "", credentials: Credentials
    ) -> AsyncIterator[Progress]:
        """One tag, or all tags of the repository when none is named."""
        reference = parse_reference(name)
        if reference.digest is not None:
            raise PushOfDigest
        if tag:
            reference = reference.with_tag(tag)

        async def work(report: Report) -> None:
            report(status(f"The push refers to repository [{reference.name}]"))
            try:
                await self._push_all(reference, credentials, report)
            except OSError as error:
                raise StorageFailed(what="failed to push image", error=error) from error

        async with aclosing(reported(work)) as items:
            async for item in items:
                yield item

    async def _push_all(
        self, reference: Reference, credentials: Credentials, report: Report
    ) -> None:
        tagged = await self._workers.run(self._find, reference)
        repository = await self._registries.repository(reference, credentials, actions=PUSH)
        for one, image in tagged:
            with self._leases.hold() as lease:
                pushing = _Push(
                    reference=one,
                    image=image,
                    pusher=BlobPusher(repository, self._workers),
                    content=self._content,
                    pushed=self._pushed,
                    lease=lease,
                    workers=self._workers,
                    limit=asyncio.Semaphore(self._registries.settings.max_uploads),
                    report=report,
                )
                manifest = await pushing.run()
            await self._workers.run(self._images.record_digest, one.name, manifest.digest, image.id)
            report(status(f"{one.tag}: digest: {manifest.digest} size: {manifest.size}"))
            report(aux({"Tag": one.tag, "Digest": manifest.digest, "Size": manifest.size}))
            self._events.transferred("push", one, image)

    def _find(self, reference: Reference) -> list[tuple[Reference, Image]]:
        """Raises NothingToPush, NoSuchTag."""
        found = [
            (other, image)
            for image in self._images.list()
            for other in self._images.references(image.id)
            if other.name == reference.name
        ]
        if not found:
            raise NothingToPush(reference)
        wanted = [pair for pair in found if reference.tag in {None, pair[0].tag}]
        if not wanted:
            raise NoSuchTag(reference)
        return sorted(wanted, key=lambda pair: str(pair[0]))


class _Push:
    """One image to one name."""

    def __init__(
        self,
        *,
        reference: Reference,
        image: Image,
        pusher: BlobPusher,
        content: ContentStore,
        pushed: PushedBlobs,
        lease: Lease,
        workers: Workers,
        limit: asyncio.Semaphore,
        report: Report,
    ) -> None:
        self._reference = reference
        self._image = image
        self._pusher = pusher
        self._content = content
        self._pushed = pushed
        self._lease = lease
        self._workers = workers
        self._limit = limit
        self._report = report
        self._bars = Bars(report)
        self._layers = LayerPusher(
            reference=reference,
            pusher=pusher,
            content=content,
            pushed=pushed,
            lease=lease,
            workers=workers,
        )

    async def run(self) -> Descriptor:
        """The manifest that is now under the name."""
        image = self._image
        for digest in (image.id, *(layer.digest for layer in image.layers)):
            self._lease.add_content(digest)
        local = [
            LocalLayer(diff_id, blob)
            for diff_id, blob in zip(image.spec.rootfs.diff_ids, image.layers, strict=True)
        ]
        for layer in reversed(local):
            self._report(status("Preparing", short(layer.diff_id)))
        sent = await self._push_layers(local)
        config = await self._push_config()
        media_type, data = await self._workers.run(self._manifest, config, sent)
        await self._pusher.put_manifest(self._reference.tag or "latest", data, media_type)
        pairs = [(layer.diff_id, blob) for layer, blob in zip(local, sent, strict=True)]
        await self._workers.run(self._pushed.remember, pairs, self._reference.name)
        return Descriptor(mediaType=media_type, digest=sha256_of(data), size=len(data))

    async def _push_layers(self, layers: list[LocalLayer]) -> list[Descriptor]:
        """Each layer once, even if it is in the image several times."""
        distinct = list({layer.diff_id: layer for layer in reversed(layers)}.values())
        sent: dict[str, Descriptor] = {}

        async def push(index: int) -> None:
            layer = distinct[index]
            row = short(layer.diff_id)
            if self._limit.locked():
                self._report(status("Waiting", row))
            async with self._limit:
                sent[layer.diff_id] = await self._layers.push(
                    layer,
                    lambda text: self._report(status(text, row)),
                    lambda done, total: self._bars.show("Pushing", row, done, total),
                )

        await concurrently(range(len(distinct)), push)
        return [sent[layer.diff_id] for layer in layers]

    async def _push_config(self) -> Descriptor:
        digest = self._image.id
        size = await self._workers.run(self._content.size, digest)
        if not await self._pusher.has_blob(digest):
            await self._pusher.upload(
                digest, size, lambda: self._content.open(digest), lambda _: None
            )
        return Descriptor(mediaType=mediatypes.DOCKER_CONFIG, digest=digest, size=size)

    def _manifest(self, config: Descriptor, layers: list[Descriptor]) -> tuple[str, bytes]:
        """Media type and bytes."""
        original = self._image.manifest
        if original is not None and self._content.has(original.digest):
            data = self._content.read(original.digest)
            known = manifests.parse_manifest(data, original.mediaType)
            if isinstance(known, Manifest) and _same(known, config, layers):
                return original.mediaType, data
        is_oci = any(layer.mediaType.startswith("application/vnd.oci.") for layer in layers)
        if is_oci:
            config = Descriptor(
                mediaType=mediatypes.OCI_CONFIG, digest=config.digest, size=config.size
            )
        media_type = mediatypes.OCI_MANIFEST if is_oci else mediatypes.DOCKER_MANIFEST
        document = Manifest(
            mediaType=media_type,
            config=config,
            layers=tuple(_as_oci(layer) if is_oci else layer for layer in layers),
        )
        return media_type, manifests.encode(document)


def _same(manifest: Manifest, config: Descriptor, layers: list[Descriptor]) -> bool:
    return manifest.config.digest == config.digest and [
        layer.digest for layer in manifest.layers
    ] == [layer.digest for layer in layers]


def _as_oci(layer: Descriptor) -> Descriptor:
    """The two families have names of their own for the same gzip bytes."""
    if layer.mediaType != mediatypes.DOCKER_LAYER_GZIP:
        return layer
    return Descriptor(mediaType=mediatypes.OCI_LAYER_GZIP, digest=layer.digest, size=layer.size)
