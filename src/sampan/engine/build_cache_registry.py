"""Build caches in registries: pushed like an image, fetched step by step.

    manifest   config: the document of the steps (our media type)     layers: what the steps made

Layers go first and the manifest last, so a name never has half a cache. On the way back the
document comes first; a layer is fetched when a step is found in it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from sampan.builder.cache_document import (
    CONFIG_TYPE,
    MAX_BYTES,
    CacheDocument,
    decode,
    inline_document,
)
from sampan.builder.cache_import import Imported
from sampan.engine.images.fetch_layers import LayerFetcher
from sampan.engine.images.layers import LayersHere
from sampan.engine.images.push_layers import LayerPusher
from sampan.engine.images.pushed_blobs import PushedBlobs
from sampan.lib.workers import Workers
from sampan.oci import manifest as manifests
from sampan.oci import mediatypes
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, sha256_of
from sampan.oci.image_config import ImageSpec
from sampan.oci.manifest import Index, Manifest, parse_manifest
from sampan.oci.platform import host_platform, select
from sampan.oci.reference import Reference
from sampan.registry.client import PUSH, Registries, Repository
from sampan.registry.keychain import Credentials
from sampan.registry.pusher import BlobPusher
from sampan.registry.resolver import Resolver, fetch_manifest, fetch_small
from sampan.store.content import ContentStore
from sampan.store.image_records import LocalLayer
from sampan.store.leases import Lease

Encoded = Callable[[Mapping[str, Descriptor]], bytes]


class RegistryCaches:
    def __init__(
        self,
        *,
        registries: Registries,
        fetcher: LayerFetcher,
        pushed: PushedBlobs,
        content: ContentStore,
        workers: Workers,
    ) -> None:
        self._registries = registries
        self._resolver = Resolver(registries)
        self._fetcher = fetcher
        self._pushed = pushed
        self._content = content
        self._workers = workers

    async def push(
        self,
        reference: Reference,
        layers: Sequence[LocalLayer],
        document: Encoded,
        credentials: Credentials,
        lease: Lease,
    ) -> None:
        """`document` is asked for when the layers' blobs in the registry are known, by diff id."""
        repository = await self._registries.repository(reference, credentials, actions=PUSH)
        pusher = BlobPusher(repository, self._workers)
        layer_pusher = LayerPusher(
            reference=reference,
            pusher=pusher,
            content=self._content,
            pushed=self._pushed,
            lease=lease,
            workers=self._workers,
        )
        sent: dict[str, Descriptor] = {}
        limit = asyncio.Semaphore(self._registries.settings.max_uploads)

        async def send(layer: LocalLayer) -> None:
            async with limit:
                sent[layer.diff_id] = await layer_pusher.push(layer, _silent, _silent)

        async with asyncio.TaskGroup() as group:
            for layer in layers:
                group.create_task(send(layer))
        data = await self._workers.run(document, sent)
        lease.add_content(sha256_of(data))
        config = await self._workers.run(self._content.put, data)
        if not await pusher.has_blob(config.digest):
            await pusher.upload(
                config.digest, len(data), lambda: self._content.open(config.digest), _silent
            )
        manifest = _manifest(config.digest, data, list(dict.fromkeys(sent.values())))
        target = reference.tag or "latest"
        await pusher.put_manifest(target, manifest, mediatypes.OCI_MANIFEST)

    async def fetch(
        self, reference: Reference, here: LayersHere, credentials: Credentials
    ) -> Imported | None:
        """None: an image without a cache. Raises what the registry says, BadCacheDocument."""
        repository, blob = await self._resolver.top(reference, credentials=credentials)
        found = parse_manifest(blob.data, blob.descriptor.mediaType)
        if isinstance(found, Index):
            entry = select(found, host_platform())
            blob = await fetch_manifest(repository, entry.digest, expected=entry)
            found = parse_manifest(blob.data, blob.descriptor.mediaType)
        if not isinstance(found, Manifest):
            return None
        config = await fetch_small(repository, found.config, limit=MAX_BYTES)
        document: CacheDocument | None
        if found.config.mediaType == CONFIG_TYPE:
            document = decode(config)
        else:
            document = inline_document(config, found.layers)
        if document is None:
            return None
        return Imported(document, _RegistryLayers(repository, self._fetcher, here, self._workers))


class _RegistryLayers:
    """See cache_import.LayerBlobs."""

    def __init__(
        self, repository: Repository, fetcher: LayerFetcher, here: LayersHere, workers: Workers
    ) -> None:
        self._repository = repository
        self._fetcher = fetcher
        self._here = here
        self._workers = workers

    async def fetch(
        self, spec: ImageSpec, layers: Sequence[Descriptor], lease: Lease
    ) -> tuple[Descriptor, ...]:
        present = await self._workers.run(self._here.find, spec, layers, lease)
        found = []
        async with AsyncExitStack() as stack:
            for one, layer in zip(present, layers, strict=True):
                if one is None:
                    await self._fetcher.fetch(stack, self._repository, layer, _silent)
                found.append(one or layer)
        return tuple(found)


def _manifest(config: Digest, data: bytes, layers: Sequence[Descriptor]) -> bytes:
    described = Descriptor(mediaType=CONFIG_TYPE, digest=config, size=len(data))
    return manifests.encode(
        Manifest(mediaType=mediatypes.OCI_MANIFEST, config=described, layers=tuple(layers))
    )


def _silent(*_: object) -> None:
    """Nobody watches."""
