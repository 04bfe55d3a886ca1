"""POST /images/prune: nameless images that nothing uses, or all that no container uses."""

from collections.abc import Callable

from sampan.engine.images.events import ImageEvents
from sampan.engine.images.listing import parse_until
from sampan.engine.images.remove import ImageRemover, Removal
from sampan.engine.images.users import ImageUsers
from sampan.errors import Conflict, NotFound
from sampan.lib.workers import Workers
from sampan.oci.reference import parse_reference
from sampan.store.images import Image, ImageStore
from sampan.wire.filters import Filters
from sampan.wire.images import ImagesPruned

FILTERS = ("dangling", "label", "label!", "until")


class ImagePruner:
    def __init__(
        self,
        *,
        images: ImageStore,
        remover: ImageRemover,
        users: ImageUsers,
        events: ImageEvents,
        workers: Workers,
    ) -> None:
        self._images = images
        self._remover = remover
        self._users = users
        self._events = events
        self._workers = workers

    async def prune(self, filters: Filters | None = None) -> ImagesPruned:
        """Images that are in the way of nothing but themselves; conflicts are passed over."""
        filters = filters or Filters()
        filters.check_keys(FILTERS)
        dangling = filters.boolean("dangling", default=True)
        keep = _predicate(filters)
        total = Removal()
        for image in await self._workers.run(self._images.list):
            if keep(image) and not self._users.users_of(image.id):
                for name in await self._workers.run(self._names_to_remove, image, dangling):
                    await self._remove(name, total)
        await self._remover.collect()
        self._events.pruned(total.freed_bytes)
        return ImagesPruned(ImagesDeleted=total.records or None, SpaceReclaimed=total.freed_bytes)

    def _names_to_remove(self, image: Image, dangling: bool) -> list[str]:
        digests = [parse_reference(text) for text in self._images.digests(image.id)]
        references = [*self._images.references(image.id), *digests]
        if dangling and any(reference.tag is not None for reference in references):
            return []
        if not references:
            return [] if self._images.children(image.id) else [image.id]
        return [str(reference) for reference in sorted(references, key=str)]

    async def _remove(self, name: str, total: Removal) -> None:
        try:
            removal = await self._remover.remove_quietly(name, force=False, no_prune=False)
        except (Conflict, NotFound):  # used meanwhile, or gone with an earlier one
            return
        total.records += removal.records
        total.freed_bytes += removal.freed_bytes


def _predicate(filters: Filters) -> Callable[[Image], bool]:
    limits = [parse_until(text) for text in filters.get("until")]

    def keep(image: Image) -> bool:
        labels = image.spec.config.Labels or {}
        return (
            all(image.created_ns < limit for limit in limits)
            and filters.match_labels(labels)
            and filters.match_no_labels(labels)
        )

    return keep
