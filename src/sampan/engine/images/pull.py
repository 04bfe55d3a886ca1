"""`docker pull`: from a name to an image of the store.

    resolve -> config -> layers (side by side, shared with other pulls) -> chain -> image -> names

Nothing is visible before the image's row; the names come last. Until then leases keep what was
stored from gc, and a pull that fails or whose client leaves drops its stages; blobs that arrived
whole stay until gc comes by, and parts of them for a day (fetch_layers.py), so that a second try
finds them. Two pulls of one manifest are one. Where a mirror fails the next one is tried.
"""

import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass

from sampan.engine.images.concurrently import concurrently
from sampan.engine.images.events import ImageEvents
from sampan.engine.images.fetch_layers import FetchedLayer, LayerFetcher, LayerState, Phase
from sampan.engine.images.layers import LayersHere
from sampan.engine.images.progress import heading, status
from sampan.engine.images.reporting import Bars, Report, StorageFailed, reported
from sampan.errors import DataLoss, Denied, Unsupported
from sampan.lib.ids import short
from sampan.lib.workers import Workers
from sampan.oci import image_config
from sampan.oci.descriptor import Descriptor, Platform
from sampan.oci.digest import Digest, InvalidDigest, parse_digest
from sampan.oci.image_config import ImageSpec
from sampan.oci.reference import Reference, parse_reference
from sampan.registry.keychain import Credentials
from sampan.registry.resolver import MIRROR_FAILURES, Resolved, Resolver, fetch_small
from sampan.registry.transfers import Transfers
from sampan.store.content import ContentStore
from sampan.store.images import Image, ImageStore, NoSuchImage
from sampan.store.ingest import IngestedLayer
from sampan.store.leases import Lease, Leases
from sampan.store.snapshots import Snapshotter
from sampan.store.unpack import Unpacker
from sampan.wire.progress import Progress

SCRATCH = "scratch"
ATTEMPTS = 3


class ReservedName(Denied):
    def __init__(self, name: str) -> None:
        super().__init__(f"'{name}' is a reserved name")


class LayersMismatch(DataLoss):
    def __init__(self) -> None:
        super().__init__("layers from manifest don't match image configuration")


@dataclass(frozen=True, slots=True)
class Pulled:
    """`is_new`: the name pointed to another image before, or to none."""

    image: Image
    is_new: bool


class Puller:
    def __init__(
        self,
        *,
        images: ImageStore,
        content: ContentStore,
        snapshots: Snapshotter,
        unpacker: Unpacker,
        leases: Leases,
        resolver: Resolver,
        events: ImageEvents,
        workers: Workers,
        max_downloads: int = 3,
    ) -> None:
        self._images = images
        self._content = content
        self._snapshots = snapshots
        self._unpacker = unpacker
        self._leases = leases
        self._resolver = resolver
        self._events = events
        self._workers = workers
        self._here = LayersHere(images, content, snapshots)
        self._layers = LayerFetcher(
            content=content,
            snapshots=snapshots,
            leases=leases,
            workers=workers,
            limit=max_downloads,
        )
        self._pulls: Transfers[Progress, Image] = Transfers()

    async def pull(
        self,
        name: str,
        *,
        tag: str = "",
        platform: Platform | None = None,
        credentials: Credentials,
    ) -> AsyncIterator[Progress]:
        """Without tag and digest all tags. Closing the iterator stops the pull.

        Raises InvalidReference, ManifestMissing and its kin, Unreachable, ErrorAnswer.
        """
        reference = wanted(name, tag)
        items = self.pull_reference(reference, platform=platform, credentials=credentials)
        async with aclosing(items):
            async for item in items:
                yield item

    async def pull_reference(
        self, reference: Reference, *, platform: Platform | None, credentials: Credentials
    ) -> AsyncGenerator[Progress, None]:
        """As `pull`, of a parsed name."""

        async def work(report: Report) -> None:
            pulled = [
                await self._pull_one(one, platform=platform, credentials=credentials, report=report)
                for one in await self._expand(reference, credentials)
            ]
            is_new = any(one.is_new for one in pulled)
            word = "Downloaded newer image" if is_new else "Image is up to date"
            report(status(f"Status: {word} for {reference.familiar}"))
            self._events.transferred("pull", reference, pulled[0].image if pulled else None)

        async with aclosing(reported(work)) as items:
            async for item in items:
                yield item

    async def _expand(self, reference: Reference, credentials: Credentials) -> list[Reference]:
        if reference.tag is not None or reference.digest is not None:
            return [reference]
        tags = await self._resolver.tags(reference, credentials=credentials)
        return [reference.with_tag(tag) for tag in tags]

    async def _pull_one(
        self,
        reference: Reference,
        *,
        platform: Platform | None,
        credentials: Credentials,
        report: Report,
    ) -> Pulled:
        failed: list[str] = []  # mirrors
        while True:
            resolved = await self._resolver.resolve(
                reference, credentials=credentials, platform=platform, without=failed
            )
            if not failed:
                row = reference.digest or reference.tag or ""
                report(heading(f"Pulling from {reference.path}", row))
            try:
                image, previous = await self._fetch_and_name(resolved, report)
                report(status(f"Digest: {resolved.top.descriptor.digest}"))
                return Pulled(image, previous is None or previous.id != image.id)
            except MIRROR_FAILURES:
                if not resolved.repository.endpoint.mirror:
                    raise
                failed.append(resolved.repository.endpoint.base)

    async def _fetch_and_name(
        self, resolved: Resolved, report: Report
    ) -> tuple[Image, Image | None]:
        """The image, and the one that had its name before."""
        for attempt in range(ATTEMPTS):
            async with AsyncExitStack() as stack:
                image = await self._image(resolved, report, stack)
                try:
                    return image, await self._workers.run(self._name, resolved, image)
                except NoSuchImage:  # it was here and nameless, and somebody has just removed it
                    if attempt == ATTEMPTS - 1:
                        raise
        raise AssertionError("no attempt was made")

    def _name(self, resolved: Resolved, image: Image) -> Image | None:
        """Give the image its names; what the reference meant before."""
        reference = resolved.reference
        previous = self._images.find(reference)
        self._images.record_digest(reference.name, resolved.top.descriptor.digest, image.id)
        if reference.digest is None:
            self._images.tag(reference, image.id)
        return previous

    async def _image(self, resolved: Resolved, report: Report, stack: AsyncExitStack) -> Image:
        """The image itself, which `stack` keeps in place until it has a name."""
        try:
            return await self._workers.run(self._images.get, resolved.manifest.config.digest)
        except NoSuchImage:
            pass

        async def work(publish: Report, held: AsyncExitStack) -> Image:
            return await self._fetch_image(
                resolved, publish, held.enter_context(self._leases.hold())
            )

        transfer = await stack.enter_async_context(
            self._pulls.join(resolved.manifest_blob.descriptor.digest, work, report)
        )
        return await transfer.result()

    async def _fetch_image(self, resolved: Resolved, report: Report, lease: Lease) -> Image:
        config = await fetch_small(resolved.repository, resolved.manifest.config)
        spec = image_config.decode(config)
        check(spec, resolved.manifest.layers)
        try:
            return await self._store(resolved, config, spec, report, lease)
        except (OSError, sqlite3.Error) as error:
            raise StorageFailed(what="failed to store image", error=error) from error

    async def _store(
        self,
        resolved: Resolved,
        config: bytes,
        spec: ImageSpec,
        report: Report,
        lease: Lease,
    ) -> Image:
        wanted = resolved.manifest.layers
        diff_ids = spec.rootfs.diff_ids
        present = await self._workers.run(self._here.find, spec, wanted, lease)
        layers = tuple(here or layer for here, layer in zip(present, wanted, strict=True))
        async with AsyncExitStack() as stack:
            fetched = await self._fetch_layers(resolved, present, report, stack)
            staged = {
                diff_id: claimed
                for diff_id, layer in zip(diff_ids, fetched, strict=True)
                if layer is not None and (claimed := layer.claim(diff_id)) is not None
            }
            stack.push_async_callback(self._drop, staged)  # what is left in it then
            usage = await self._workers.run(
                self._unpacker.ensure_unpacked, diff_ids, layers, lease=lease, staged=staged
            )
            for layer, descriptor in zip(fetched, layers, strict=True):
                if layer is not None:
                    report(status("Pull complete", short(descriptor.digest)))
            return await self._workers.run(
                self._commit, resolved, config, layers, usage.size_bytes, lease
            )

    async def _drop(self, staged: dict[Digest, IngestedLayer]) -> None:
        for layer in staged.values():
            await self._workers.run(self._snapshots.drop_stage, layer.stage)

    def _commit(
        self,
        resolved: Resolved,
        config: bytes,
        layers: Sequence[Descriptor],
        size_bytes: int,
        lease: Lease,
    ) -> Image:
        """The commit point: from here on the image is there."""
        manifest = resolved.manifest_blob
        lease.add_content(manifest.descriptor.digest)
        lease.add_content(resolved.manifest.config.digest)
        self._content.put(manifest.data, manifest.descriptor.digest)
        return self._images.add(config, layers, size_bytes=size_bytes, manifest=manifest.descriptor)

    async def _fetch_layers(
        self,
        resolved: Resolved,
        present: Sequence[Descriptor | None],
        report: Report,
        stack: AsyncExitStack,
    ) -> list[FetchedLayer | None]:
        """All at once, as far as the fetcher's limit goes. None: was here already."""
        layers = resolved.manifest.layers
        for layer, here in zip(layers, present, strict=True):
            report(status("Already exists" if here else "Pulling fs layer", short(layer.digest)))
        found: list[FetchedLayer | None] = [None] * len(layers)

        async def fetch(index: int) -> None:
            layer = layers[index]
            watch = watcher(layer, report)
            found[index] = await self._layers.fetch(stack, resolved.repository, layer, watch)

        await concurrently([index for index, here in enumerate(present) if not here], fetch)
        return found


class BasePulls:
    """A puller as builds want it: of parsed references."""

    def __init__(self, puller: Puller) -> None:
        self._puller = puller

    def pull(
        self, reference: Reference, *, platform: Platform | None, credentials: Credentials
    ) -> AsyncIterator[Progress]:
        return self._puller.pull_reference(reference, platform=platform, credentials=credentials)


def watcher(layer: Descriptor, report: Report) -> Callable[[LayerState], None]:
    """Show a layer's states in its row."""
    bars, row = Bars(report), short(layer.digest)

    def watch(state: LayerState) -> None:
        if state.phase is Phase.DOWNLOADING:
            bars.show(state.phase, row, state.done_bytes, layer.size)
            return
        report(status(state.phase, row))
        if state.phase is Phase.COMPLETE:  # it was extracted as it came: the bar jumps to its end
            bars.show("Extracting", row, layer.size, layer.size)

    return watch


def wanted(name: str, tag: str) -> Reference:
    """What `fromImage` and `tag` (a tag or a digest) name; without either all tags are meant."""
    reference = parse_reference(name.removesuffix(":"))
    if tag:
        try:
            reference = reference.without_tag().with_digest(parse_digest(tag))
        except InvalidDigest:
            reference = reference.without_tag().with_tag(tag)
    if reference.familiar_name == SCRATCH:
        raise ReservedName(SCRATCH)
    return reference


def check(spec: ImageSpec, layers: Sequence[Descriptor]) -> None:
    if spec.os not in {"", "linux"}:
        raise Unsupported(f'image operating system "{spec.os}" cannot be used on this platform')
    if len(spec.rootfs.diff_ids) != len(layers):
        raise LayersMismatch
