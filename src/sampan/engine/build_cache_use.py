"""What the build cache takes, and giving it back: `system df`, `builder prune`, the bound on size.

A record is a finished step (regular), or the directory of a cache mount (exec.cachemount):

    in use   by a build that is running: never removed
    shared   its image is the user's as well (named, in a container, a build's result), or below
             such an image: removing the record frees nothing, and only `all` asks for it
    private  the rest: its layer goes away with it

Least recently used ones go first, later steps before the steps that they continue. Images that were
made on the way only (no name, no container, nothing built on them) go with the last record.
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sampan.builder.cache import BuildCache, Entry
from sampan.builder.cache_mounts import CacheMountInfo, CacheMounts
from sampan.engine.events import EventLog
from sampan.engine.images.layers import chains_of
from sampan.engine.images.remove import Garbage
from sampan.engine.images.users import ImageUsers
from sampan.errors import NotFound
from sampan.lib import gotime
from sampan.lib.workers import Workers
from sampan.oci.digest import Digest
from sampan.store.content import ContentStore
from sampan.store.disk import allocated_bytes
from sampan.store.images import Image, ImageStore
from sampan.store.snapshots import Snapshotter
from sampan.wire.filters import Filters

REGULAR, CACHE_MOUNT = "regular", "exec.cachemount"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRecord:
    id: str
    kind: str
    description: str
    parents: tuple[str, ...] = ()
    in_use: bool
    shared: bool
    size_bytes: int
    created_ns: int
    used_ns: int
    uses: int

    @property
    def freed_bytes(self) -> int:
        """What its removal gives back."""
        return 0 if self.shared else self.size_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneWish:
    """Sizes as BuildKit has them: never below `reserved_bytes`; down to `max_used_bytes`, or until
    `min_free_bytes` of the disk are free. All 0: everything that matches goes."""

    everything: bool = False  # shared records too
    filters: Filters = field(default_factory=Filters)
    unused_for_ns: int = 0
    reserved_bytes: int = 0
    max_used_bytes: int = 0
    min_free_bytes: int = 0

    def kept_bytes(self, total_bytes: int, free_bytes: int) -> int:
        if not (self.reserved_bytes or self.max_used_bytes or self.min_free_bytes):
            return 0
        kept = self.max_used_bytes
        missing = self.min_free_bytes - free_bytes
        if missing > 0:
            kept = total_bytes - missing if kept == 0 else min(kept, total_bytes - missing)
        return max(kept, self.reserved_bytes)


@dataclass(frozen=True, slots=True)
class Pruned:
    records: tuple[CacheRecord, ...] = ()

    @property
    def freed_bytes(self) -> int:
        return sum(record.freed_bytes for record in self.records)


class BuildCacheUse:
    """Facade for the server, BuildKit's control service and the collection in the background."""

    def __init__(
        self,
        *,
        cache: BuildCache,
        mounts: CacheMounts,
        images: ImageStore,
        content: ContentStore,
        snapshots: Snapshotter,
        users: ImageUsers,
        garbage: Garbage,
        events: EventLog,
        workers: Workers,
        root: Path,
    ) -> None:
        self._cache = cache
        self._mounts = mounts
        self._images = images
        self._content = content
        self._snapshots = snapshots
        self._users = users
        self._garbage = garbage
        self._events = events
        self._workers = workers
        self._root = root
        self._layers: dict[str, int] = {}  # by chain id; layers never change

    async def records(self) -> list[CacheRecord]:
        """Newest use first."""
        contained = self._in_containers(await self._workers.run(self._images.list))
        steps = await self._workers.run(self._steps, contained)
        found = [*steps, *map(_of_mount, await self._mounts.list())]
        return sorted(found, key=lambda record: (-record.used_ns, record.id))

    async def prune(self, wish: PruneWish) -> Pruned:
        """Raises InvalidFilter."""
        _check(wish.filters)
        records = await self.records()
        free_bytes = shutil.disk_usage(self._root).free
        chosen = choose(records, wish, now_ns=gotime.now_ns(), free_bytes=free_bytes)
        removed = await self._remove(chosen)
        await self._workers.run(self._cache.tidy)
        if any(record.freed_bytes for record in removed):
            await self._workers.run(self._garbage.collect)
        pruned = Pruned(tuple(removed))
        self._events.publish("builder", "prune", "", {"reclaimed": str(pruned.freed_bytes)})
        return pruned

    async def collect(self, *, kept_bytes: int) -> Pruned:
        """Keep the private records within a bound; in the background after builds."""
        if sum(record.freed_bytes for record in await self.records()) <= kept_bytes:
            return Pruned()
        return await self.prune(PruneWish(max_used_bytes=kept_bytes))

    async def _remove(self, chosen: Sequence[CacheRecord]) -> list[CacheRecord]:
        contained = self._in_containers(await self._workers.run(self._images.list))
        steps = [record for record in chosen if record.kind == REGULAR]
        removed = await self._workers.run(self._forget, steps, contained)
        for record in chosen:
            if record.kind == CACHE_MOUNT and await self._mounts.remove([record.id]):
                removed.append(record)
        return removed

    def _in_containers(self, images: Iterable[Image]) -> frozenset[str]:
        """Asked on the event loop."""
        return frozenset(image.id for image in images if self._users.users_of(image.id))

    # --- in a worker ------------------------------------------------------------------------

    def _steps(self, contained: frozenset[str]) -> list[CacheRecord]:
        entries = self._cache.entries()
        images = {image.id: image for image in self._images.list()}
        kept = self._kept(images, contained)
        shared = {chain for one in kept for chain in chains_of(images[one].spec)}
        makers = {entry.image: key for key, entry in entries.items()}
        chains = {image.chain_id for image in images.values()}
        self._layers = {chain: size for chain, size in self._layers.items() if chain in chains}
        found = []
        for key, entry in entries.items():
            image = images.get(entry.image)
            if image is None:
                continue
            parent = makers.get(image.parent) if image.parent is not None else None
            found.append(
                CacheRecord(
                    id=key,
                    kind=REGULAR,
                    description=entry.before.text or _command(image),
                    parents=(parent,) if parent is not None else (),
                    in_use=self._cache.in_use(entry),
                    shared=image.id in kept or image.chain_id in shared,
                    size_bytes=self._layer_bytes(image),
                    created_ns=entry.created_ns,
                    used_ns=entry.used_ns,
                    uses=entry.uses,
                )
            )
        return found

    def _kept(self, images: dict[Digest, Image], contained: frozenset[str]) -> frozenset[Digest]:
        """The user's images and all below them."""
        results = self._cache.results()
        kept: set[Digest] = set()
        for image in images.values():
            following: Image | None = image if self._is_users(image, results, contained) else None
            while following is not None and following.id not in kept:
                kept.add(following.id)
                parent = following.parent
                following = images.get(parent) if parent is not None else None
        return frozenset(kept)

    def _is_users(self, image: Image, results: frozenset[str], contained: frozenset[str]) -> bool:
        return (
            not image.built_here
            or image.id in results
            or image.id in contained
            or image.tagged_ns > 0
            or bool(self._images.references(image.id))
            or bool(self._images.digests(image.id))
        )

    def _layer_bytes(self, image: Image) -> int:
        """Of the layer that the step made, unpacked and as a blob."""
        history = image.spec.history
        if image.chain_id is None or not history or history[-1].empty_layer:
            return 0
        if image.chain_id not in self._layers:
            size_bytes = allocated_bytes(self._content.path(image.layers[-1].digest))
            with suppress(NotFound):
                size_bytes += allocated_bytes(self._snapshots.upper(image.chain_id).parent)
            self._layers[image.chain_id] = size_bytes
        return self._layers[image.chain_id]

    def _forget(self, steps: Sequence[CacheRecord], contained: frozenset[str]) -> list[CacheRecord]:
        makers = Counter(entry.image for entry in self._cache.entries().values())
        results = self._cache.results()

        def drop(entry: Entry) -> None:
            """The image, and those below it, as long as nobody needs them."""
            makers[entry.image] -= 1
            identifier: Digest | None = entry.image
            while identifier is not None and makers[identifier] <= 0:
                try:
                    image = self._images.get(identifier)
                except NotFound:
                    return
                if self._is_users(image, results, contained) or self._images.children(image.id):
                    return
                self._images.remove(image.id)
                identifier = image.parent

        return [record for record in steps if self._cache.forget_unused(record.id, drop)]


def choose(
    records: Sequence[CacheRecord], wish: PruneWish, *, now_ns: int, free_bytes: int
) -> list[CacheRecord]:
    """What `wish` takes, in the order of removal. Pure."""
    total = sum(record.freed_bytes for record in records)
    kept = wish.kept_bytes(total, free_bytes)
    chosen = []
    for record in sorted(records, key=lambda one: (one.used_ns, -one.created_ns, one.id)):
        if kept and total <= kept:
            break
        if record.in_use or (record.shared and not wish.everything):
            continue
        if not _matches(record, wish, now_ns):
            continue
        chosen.append(record)
        total -= record.freed_bytes
    return chosen


_FILTERS = (
    *("until", "unused-for", "id", "type", "description", "inuse", "shared", "private"),
    *("label", "label!"),  # `system prune --filter label=x` asks for them; records have none
)


def _check(filters: Filters) -> None:
    filters.check_keys(_FILTERS)


def _matches(record: CacheRecord, wish: PruneWish, now_ns: int) -> bool:
    filters = wish.filters
    if wish.unused_for_ns and record.used_ns > now_ns - wish.unused_for_ns:
        return False
    switches = {"inuse": record.in_use, "shared": record.shared, "private": not record.shared}
    for name, value in switches.items():
        if name in filters and filters.boolean(name, default=True) != value:
            return False
    return (
        filters.match_labels({})
        and filters.match_no_labels({})
        and _begins(filters.get("id"), record.id)
        and filters.match_exact("type", record.kind)
        and _contains(filters.get("description"), record.description)
    )


def _begins(wanted: Sequence[str], text: str) -> bool:
    return not wanted or any(text.startswith(one) for one in wanted)


def _contains(wanted: Sequence[str], text: str) -> bool:
    return not wanted or any(one in text for one in wanted)


def _command(image: Image) -> str:
    return image.spec.history[-1].created_by if image.spec.history else ""


def _of_mount(info: CacheMountInfo) -> CacheRecord:
    return CacheRecord(
        id=info.key,
        kind=CACHE_MOUNT,
        description=f"cached mount {info.id}",
        in_use=info.in_use,
        shared=False,
        size_bytes=info.size_bytes,
        created_ns=info.created_ns,
        used_ns=info.last_used_ns,
        uses=0,
    )
