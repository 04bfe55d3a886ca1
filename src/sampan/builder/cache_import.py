"""Steps that another builder made, found by key in a document that the user named.

    key found -> config and layers checked -> missing layers fetched -> an image of ours

What is taken must fit what it says it continues: the image below is here, its layers and its
history are the beginning of the new image's, and there is at most one layer more, whose content has
the diff id that the config promises. Nothing is taken for what an image's history says. An import
that can't be fetched is no hit; the step is done.
"""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import msgspec

from sampan.builder.cache import Cache, Made
from sampan.builder.cache_document import BadCacheDocument, CacheDocument, ExportedStep
from sampan.builder.cache_keys import Key, Step
from sampan.builder.graph import Result
from sampan.builder.progress import Reason
from sampan.builder.results import State
from sampan.errors import SampanError
from sampan.lib.workers import Workers
from sampan.oci import image_config
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.image_config import ImageSpec, RootFS
from sampan.store.image_records import LocalLayer
from sampan.store.images import Image, ImageStore
from sampan.store.leases import Lease, Leases
from sampan.store.unpack import Unpacker

log = logging.getLogger(__name__)


class LayerBlobs(Protocol):
    """Where an imported step's layers come from."""

    async def fetch(
        self, spec: ImageSpec, layers: Sequence[Descriptor], lease: Lease
    ) -> tuple[Descriptor, ...]:
        """All of them are in the content store then, under `lease`; perhaps as other blobs."""
        ...


@dataclass(frozen=True, slots=True)
class Imported:
    """One document, and where its layers are."""

    document: CacheDocument
    blobs: LayerBlobs

    def find(self, key: Key) -> ExportedStep | None:
        return next((step for step in self.document.steps if step.key == key.digest), None)

    def find_apart(self, apart: str) -> ExportedStep | None:
        return next((step for step in self.document.steps if step.apart == apart), None)


class CacheWithImports:
    """See cache.Cache: `cache`, and behind it what was imported."""

    def __init__(
        self,
        cache: Cache,
        imports: Sequence[Imported],
        *,
        images: ImageStore,
        unpacker: Unpacker,
        leases: Leases,
        workers: Workers,
    ) -> None:
        self._cache = cache
        self._imports = imports
        self._images = images
        self._unpacker = unpacker
        self._leases = leases
        self._workers = workers

    async def find(self, key: Key, step: Step) -> Result | None:
        found = await self._cache.find(key, step)
        if found is not None:
            return found
        for one in self._imports:
            wanted = one.find(key)
            if wanted is None:
                continue
            try:
                state = await self._take(one, wanted, key)
            except SampanError as error:
                log.warning("an imported build step is not used: %s", error)
                continue
            await self._cache.record([Made(key, step, state)])
            return state
        return None

    async def find_layer(self, apart: str) -> LocalLayer | None:
        found = await self._cache.find_layer(apart)
        if found is not None:
            return found
        for one in self._imports:
            wanted = one.find_apart(apart)
            if wanted is None or wanted.layer is None:
                continue
            try:
                return await self._take_layer(one, wanted.config, wanted.layer)
            except SampanError as error:
                log.warning("an imported layer is not used: %s", error)
        return None

    async def why(self, key: Key, step: Step) -> tuple[Reason, ...]:
        return await self._cache.why(key, step)

    async def record(self, made: Sequence[Made]) -> None:
        await self._cache.record(made)

    def running(self) -> AbstractContextManager[None]:
        return self._cache.running()

    async def _take(self, source: Imported, step: ExportedStep, key: Key) -> State:
        """Raises what is wrong with it, or with where it comes from."""
        base = await self._workers.run(self._base, step, key)
        config = step.config.encode()
        spec = image_config.decode(config)
        layers = list(base.layers) if base is not None else []
        if step.layer is not None:
            layers.append(source.document.layers[step.layer])
        check(spec, layers, base)
        with self._leases.hold() as lease:
            here = await source.blobs.fetch(spec, layers, lease)
            return await self._workers.run(self._add, config, spec, here, base, lease)

    async def _take_layer(self, source: Imported, config: str, number: int) -> LocalLayer:
        """The layer alone: the image below may be unknown here. It's younger than the build, so
        that the build's own lease covers it."""
        blob = source.document.layers[number]
        spec = image_config.decode(config.encode())
        if not spec.rootfs.diff_ids:
            raise BadCacheDocument("a step's layer is not in its configuration")
        rootfs = RootFS(diff_ids=spec.rootfs.diff_ids[-1:])
        with self._leases.hold() as lease:
            alone = msgspec.structs.replace(spec, rootfs=rootfs)
            (here,) = await source.blobs.fetch(alone, [blob], lease)
        return LocalLayer(rootfs.diff_ids[0], here)

    def _base(self, step: ExportedStep, key: Key) -> Image | None:
        if step.base != key.parts.base:
            raise BadCacheDocument("a step continues another image")
        return self._images.get(Digest(step.base)) if step.base else None

    def _add(
        self,
        config: bytes,
        spec: ImageSpec,
        layers: Sequence[Descriptor],
        base: Image | None,
        lease: Lease,
    ) -> State:
        usage = self._unpacker.ensure_unpacked(spec.rootfs.diff_ids, layers, lease=lease)
        image = self._images.add(
            config,
            layers,
            size_bytes=usage.size_bytes,
            parent=base.id if base is not None else None,
            built_here=True,
        )
        return State(image)


def check(spec: ImageSpec, layers: Sequence[Descriptor], base: Image | None) -> None:
    """Raises BadCacheDocument. Pure."""
    diff_ids = spec.rootfs.diff_ids
    below = base.spec.rootfs.diff_ids if base is not None else ()
    if len(layers) != len(diff_ids):
        raise BadCacheDocument("a step's layers don't match its configuration")
    if diff_ids[: len(below)] != below or len(diff_ids) > len(below) + 1:
        raise BadCacheDocument("a step's layers don't continue those of the image below")
    history = base.spec.history if base is not None else ()
    if spec.history[:-1] != history:
        raise BadCacheDocument("a step's history doesn't continue that of the image below")
