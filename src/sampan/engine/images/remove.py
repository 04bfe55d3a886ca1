"""`docker rmi`: taking names away, and images that nothing needs any more.

By name, the name goes; with the image's last name the image goes too, and then its nameless
parents that only it needed (unless `no_prune`). By id, all its names go. In the way stand:

    hard   images built on it; a running container           not even by force
    soft   several repositories; a stopped container         unless forced

A conflict after a name was removed is no error: the name is gone, the image stays. One removal at a
time: the rules look at all images and names.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sampan.engine.images.events import ImageEvents
from sampan.engine.images.layers import chains_of, layer_size
from sampan.engine.images.users import ImageUser, ImageUsers
from sampan.errors import Conflict, InvalidArgument
from sampan.lib.ids import short
from sampan.lib.workers import Workers
from sampan.oci.digest import ChainId, Digest
from sampan.oci.reference import (
    IdentifierAsName,
    InvalidReference,
    Reference,
    parse_reference,
)
from sampan.store.images import Image, ImageStore
from sampan.store.snapshots import Snapshotter
from sampan.wire.images import DeleteItem


class Garbage(Protocol):
    """Asked after removals to free what nothing refers to; blocking."""

    def collect(self) -> object: ...


class ReferenceInUse(Conflict):
    def __init__(self, *, name: str, container_id: str, image: Digest) -> None:
        super().__init__(
            f'conflict: unable to remove repository reference "{name}" (must force) - container '
            f"{short(container_id)} is using its referenced image {short(image)}"
        )


class ImageInUse(Conflict):
    """`hard`: force doesn't help."""

    def __init__(self, *, image: Digest, hard: bool, reason: str) -> None:
        how = "cannot be forced" if hard else "must be forced"
        super().__init__(f"conflict: unable to delete {short(image)} ({how}) - {reason}")


@dataclass(slots=True)
class Removal:
    """What one request took away, in order."""

    records: list[DeleteItem] = field(default_factory=list)
    freed_bytes: int = 0


class ImageRemover:
    def __init__(
        self,
        *,
        images: ImageStore,
        snapshots: Snapshotter,
        users: ImageUsers,
        events: ImageEvents,
        garbage: Garbage,
        workers: Workers,
    ) -> None:
        self._images = images
        self._snapshots = snapshots
        self._users = users
        self._events = events
        self._garbage = garbage
        self._workers = workers
        self._lock = asyncio.Lock()

    async def remove(
        self, name: str, *, force: bool = False, no_prune: bool = False
    ) -> list[DeleteItem]:
        """Raises NoSuchImage, ReferenceInUse, ImageInUse."""
        removal = await self.remove_quietly(name, force=force, no_prune=no_prune)
        await self.collect()
        return removal.records

    async def remove_quietly(self, name: str, *, force: bool, no_prune: bool) -> Removal:
        """As `remove`, leaving the freeing of space to a later `collect`."""
        if not name:
            raise InvalidArgument("image name cannot be blank")
        async with self._lock:
            return await self._remove(name, force=force, no_prune=no_prune)

    async def collect(self) -> None:
        await self._workers.run(self._garbage.collect)

    async def _remove(self, name: str, *, force: bool, no_prune: bool) -> Removal:
        image = await self._workers.run(self._images.resolve, name)
        removal = Removal()
        by_name = await self._workers.run(self._is_name, name)
        names = await self._names(image)
        if by_name:
            if not force and _one_repository(names):
                self._check_reference(name, image)
            reference = parse_reference(name).with_default_tag()
            await self._untag_with_digests(image, reference, removal)
            if await self._names(image):
                return removal
        elif _one_repository(names):
            await self._check_children(image)
            self._check_containers(image.id, hard_only=force)
            for reference in names:
                await self._untag(image, reference, removal)
        await self._delete(image, removal, force=force, no_prune=no_prune, quiet=by_name)
        return removal

    async def _delete(
        self, image: Image, removal: Removal, *, force: bool, no_prune: bool, quiet: bool
    ) -> None:
        """Delete the image, then its parents. `quiet`: what is in the way isn't an error."""
        names = await self._names(image)
        try:
            await self._check(image, names, force=force)
        except ImageInUse:
            if quiet:
                return
            raise
        for reference in names:
            await self._untag(image, reference, removal)
        await self._forget(image, removal)
        parent = await self._workers.run(self._parent, image)
        if parent is not None and not no_prune and not await self._names(parent):
            await self._delete(parent, removal, force=False, no_prune=False, quiet=True)

    async def _check(self, image: Image, names: list[Reference], *, force: bool) -> None:
        await self._check_children(image)
        self._check_containers(image.id, hard_only=True)
        if names and not force:
            raise ImageInUse(
                image=image.id,
                hard=False,
                reason="image is referenced in multiple repositories",
            )
        self._check_containers(image.id, hard_only=force)

    async def _forget(self, image: Image, removal: Removal) -> None:
        """The commit point; what only this image used is garbage from here on."""
        released, freed_bytes = await self._workers.run(self._forget_image, image)
        self._events.deleted(image.id)
        removal.records.append(DeleteItem(Deleted=image.id))
        removal.records += [DeleteItem(Deleted=chain) for chain in released]
        removal.freed_bytes += freed_bytes

    def _forget_image(self, image: Image) -> tuple[list[ChainId], int]:
        self._images.remove(image.id)
        kept = {chain for other in self._images.list() for chain in chains_of(other.spec)}
        released = [chain for chain in reversed(chains_of(image.spec)) if chain not in kept]
        return released, sum(layer_size(self._snapshots, chain) for chain in released)

    def _is_name(self, text: str) -> bool:
        """Names win over ids that begin like them."""
        try:
            return self._images.find(parse_reference(text)) is not None
        except (InvalidReference, IdentifierAsName):
            return False

    def _parent(self, image: Image) -> Image | None:
        if image.parent is None:
            return None
        return next((other for other in self._images.list() if other.id == image.parent), None)

    async def _untag_with_digests(
        self, image: Image, reference: Reference, removal: Removal
    ) -> None:
        """Remove a name; the digests of a repository go with its last tag."""
        await self._untag(image, reference, removal)
        left = [other for other in await self._names(image) if other.name == reference.name]
        if reference.digest is None and not any(other.tag is not None for other in left):
            for other in left:
                await self._untag(image, other, removal)

    async def _untag(self, image: Image, reference: Reference, removal: Removal) -> None:
        await self._workers.run(self._images.untag, reference)
        self._events.named("untag", image, image.id)
        removal.records.append(DeleteItem(Untagged=reference.familiar))

    async def _names(self, image: Image) -> list[Reference]:
        """Tags and digests, sorted."""
        return await self._workers.run(self._all_names, image.id)

    def _all_names(self, identifier: Digest) -> list[Reference]:
        digests = [parse_reference(text) for text in self._images.digests(identifier)]
        return sorted([*self._images.references(identifier), *digests], key=str)

    def _check_reference(self, name: str, image: Image) -> None:
        for user in self._users.users_of(image.id):
            raise ReferenceInUse(name=name, container_id=user.container_id, image=image.id)

    async def _check_children(self, image: Image) -> None:
        if await self._workers.run(self._images.children, image.id):
            raise ImageInUse(
                image=image.id,
                hard=True,
                reason="image has dependent child images",
            )

    def _check_containers(self, image: Digest, *, hard_only: bool) -> None:
        users = self._users.users_of(image)
        if user := _first(users, running=True):
            raise _used(image, user, hard=True)
        if not hard_only and (user := _first(users, running=False)):
            raise _used(image, user, hard=False)


def _one_repository(names: Sequence[Reference]) -> bool:
    """At most one tag, and no digest of another repository."""
    tags = [reference for reference in names if reference.tag is not None]
    return len(tags) <= 1 and len({reference.name for reference in names}) <= 1


def _first(users: Sequence[ImageUser], *, running: bool) -> ImageUser | None:
    return next((user for user in users if user.running == running), None)


def _used(image: Digest, user: ImageUser, *, hard: bool) -> ImageInUse:
    state = "running" if hard else "stopped"
    reason = f"image is being used by {state} container {short(user.container_id)}"
    return ImageInUse(image=image, hard=hard, reason=reason)
