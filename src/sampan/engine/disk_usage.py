"""GET /system/df: what takes the space, in the blocks that `du` counts.

    images        unpacked layers and stored blobs, each once however many images share it
    containers    their writable layers (images' sizes in `docker images` are apparent sizes)
    volumes       their content
    build cache   results of steps, which may be layers of images too (see build_cache_use.py), and
                  directories of cache mounts

Layers never change once they are committed: each is measured when it is first asked for.
"""

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from sampan.engine.build_cache_use import BuildCacheUse
from sampan.engine.containers.listing import Lister
from sampan.engine.images.layers import chains_of
from sampan.engine.images.listing import ImageListing
from sampan.engine.volumes import Volumes
from sampan.errors import NotFound
from sampan.lib import gotime
from sampan.lib.workers import Workers
from sampan.oci.digest import Digest
from sampan.store.content import ContentStore
from sampan.store.disk import allocated_bytes
from sampan.store.images import Image, ImageStore
from sampan.store.snapshots import Snapshotter
from sampan.wire.container_views import ContainerSummary
from sampan.wire.filters import Filters
from sampan.wire.images import ImageSummary
from sampan.wire.system import BuildCacheRecord, DiskUsage

Parts = dict[tuple[str, str], int]  # (layer or blob, its name): bytes


class DiskUsages:
    def __init__(
        self,
        *,
        containers: Lister,
        listing: ImageListing,
        volumes: Volumes,
        cache: BuildCacheUse,
        images: ImageStore,
        content: ContentStore,
        snapshots: Snapshotter,
        workers: Workers,
    ) -> None:
        self._containers = containers
        self._listing = listing
        self._volumes = volumes
        self._cache = cache
        self._images = images
        self._content = content
        self._snapshots = snapshots
        self._workers = workers
        self._layers: dict[str, int] = {}  # by chain id

    async def usage(self, kinds: frozenset[str]) -> DiskUsage:
        """Lists of kinds that weren't asked for stay None."""
        images = containers = volumes = cache = None
        size_bytes = 0
        if "image" in kinds:
            size_bytes = await self._workers.run(self._all_images)
            shown = await self._listing.list(containers=True)
            images = await self._workers.run(self._image_rows, shown)
        if "container" in kinds:
            found = await self._containers.list(Filters(), everything=True)
            containers = await self._workers.run(self._container_rows, found)
        if "volume" in kinds:
            volumes = list(await self._volumes.usage())
        if "build-cache" in kinds:
            cache = await self._cache_rows()
        return DiskUsage(
            LayersSize=size_bytes,
            Images=images,
            Containers=containers,
            Volumes=volumes,
            BuildCache=cache,
        )

    # --- images: blocks -------------------------------------------------------------------------

    def _all_images(self) -> int:
        """Of all layers and blobs, of those too that no image names (yet, or any more)."""
        committed = [found.key for found in self._snapshots.walk() if found.committed]
        self._layers = {key: size for key, size in self._layers.items() if key in set(committed)}
        return sum(map(self._layer, committed)) + sum(map(self._blob, self._content.list()))

    def _layer(self, chain: str) -> int:
        if chain not in self._layers:
            with suppress(NotFound):
                self._layers[chain] = allocated_bytes(self._snapshots.upper(chain).parent)
        return self._layers.get(chain, 0)

    def _blob(self, digest: Digest) -> int:
        return allocated_bytes(self._content.path(digest))

    def _parts(self, image: Image) -> Parts:
        """The layers and blobs of an image (one digest may be both), with their sizes."""
        blobs = {image.id, *(layer.digest for layer in image.layers)}
        if image.manifest is not None:
            blobs.add(image.manifest.digest)
        layers = {("layer", chain): self._layer(chain) for chain in chains_of(image.spec)}
        return layers | {("blob", digest): self._blob(digest) for digest in blobs}

    def _image_rows(self, shown: Iterable[ImageSummary]) -> list[ImageSummary]:
        """Shared is what another image that is shown has as well."""
        found: list[tuple[ImageSummary, Parts]] = []
        for row in shown:
            with suppress(NotFound):  # removed meanwhile
                found.append((row, self._parts(self._images.get(Digest(row.Id)))))
        users = Counter(part for _, parts in found for part in parts)
        return [
            msgspec.structs.replace(
                row,
                Size=sum(parts.values()),
                SharedSize=sum(size for part, size in parts.items() if users[part] > 1),
            )
            for row, parts in found
        ]

    # --- containers, build cache: block ---------------------------------------------------------

    def _container_rows(self, found: Iterable[ContainerSummary]) -> list[ContainerSummary]:
        rows = []
        for row in found:
            with suppress(NotFound):  # removed meanwhile
                own = allocated_bytes(self._snapshots.upper(row.Id), below_only=True)
                below = self._below(row.Id)
                rows.append(msgspec.structs.replace(row, SizeRw=own, SizeRootFs=own + below))
        return rows

    def _below(self, key: str) -> int:
        total = 0
        following = self._snapshots.parent(key)
        while following is not None:
            total += self._layer(following)
            following = self._snapshots.parent(following)
        return total

    async def _cache_rows(self) -> list[BuildCacheRecord]:
        return [
            BuildCacheRecord(
                ID=record.id,
                Parents=list(record.parents) or None,
                Type=record.kind,
                Description=record.description,
                InUse=record.in_use,
                Shared=record.shared,
                Size=record.size_bytes,
                CreatedAt=gotime.format_ns(record.created_ns),
                LastUsedAt=gotime.format_ns(record.used_ns),
                UsageCount=record.uses,
            )
            for record in await self._cache.records()
        ]
