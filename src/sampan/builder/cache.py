"""The build cache: operation keys -> images, in the Documents kind "buildcache".

A key is the sha256 over everything that went into a step: the operation's definition (arguments,
environment, configuration, content hashes of copied files, platform) and the id of the image that
it continued. The value is the id of the image that came out. The images themselves are ordinary
images: when one has been removed, its entry is dead and goes away when it is met, or by `prune`.
"""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from sampan.builder.graph import Result
from sampan.builder.results import State
from sampan.errors import InvalidArgument, NotFound
from sampan.lib.workers import Workers
from sampan.oci.digest import Digest
from sampan.store.images import ImageStore
from sampan.store.metadata import Documents


def cache_key(kind: str, *parts: object) -> str:
    """Parts are plain JSON data; msgspec writes maps with sorted keys."""
    encoded = msgspec.json.encode([kind, *parts], order="deterministic")
    return hashlib.sha256(encoded).hexdigest()


class BuildCache:
    """See solver.Cache. `documents` is of kind "buildcache"."""

    def __init__(self, documents: Documents, images: ImageStore, workers: Workers) -> None:
        self._documents = documents
        self._images = images
        self._workers = workers

    async def find(self, key: str) -> Result | None:
        return await self._workers.run(self._find, key)

    async def record(self, results: Mapping[str, Result]) -> None:
        bodies = {
            key: result.identity.encode()
            for key, result in results.items()
            if isinstance(result, State) and result.image is not None
        }
        await self._workers.run(self._documents.put_many, bodies)

    def entries(self) -> list[tuple[str, str]]:
        """(key, image id) of all that is remembered; some images may be gone. Blocks."""
        return [(key, body.decode()) for key, body in self._documents.all()]

    async def prune(self) -> int:
        """Drop the entries whose images are gone; returns how many."""
        return await self._workers.run(self._prune)

    def _find(self, key: str) -> State | None:
        try:
            identifier = self._documents.get(key).decode()
        except NotFound:
            return None
        try:
            return State(self._images.get(Digest(identifier)))
        except NotFound:
            self._documents.remove(key)
            return None

    def _prune(self) -> int:
        alive = {image.id for image in self._images.list()}
        dead = [key for key, body in self._documents.all() if body.decode() not in alive]
        for key in dead:
            self._documents.remove(key)
        return len(dead)


class CacheFrom:
    """The cache as `--cache-from` narrows it: only steps of the images named, or of their parents.

    Images that are named but not here are passed over; if none is left, nothing is found.
    """

    def __init__(
        self, cache: BuildCache, names: Sequence[str], images: ImageStore, workers: Workers
    ) -> None:
        self._cache = cache
        self._names = names
        self._images = images
        self._workers = workers
        self._allowed: frozenset[str] | None = None

    async def find(self, key: str) -> Result | None:
        if self._allowed is None:
            self._allowed = await self._workers.run(self._chains)
        found = await self._cache.find(key)
        return found if found is not None and found.identity in self._allowed else None

    async def record(self, results: Mapping[str, Result]) -> None:
        await self._cache.record(results)

    def _chains(self) -> frozenset[str]:
        found: set[str] = set()
        for name in self._names:
            try:
                image = self._images.resolve(name)
                found.add(image.id)
                while image.parent is not None:
                    image = self._images.get(image.parent)
                    found.add(image.id)
            except (NotFound, InvalidArgument):
                continue
        return frozenset(found)
