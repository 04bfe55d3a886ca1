"""GET /images/json: which images are shown, under which names, how large.

Shown are images with a name or digest, and nameless ones that nothing was built on (`all` shows
those too). A `reference` filter also narrows the names shown. Newest first.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sampan.engine.images import pattern
from sampan.engine.images.layers import chains_of, layer_size
from sampan.engine.images.users import ImageUsers
from sampan.errors import InvalidArgument
from sampan.lib import gotime
from sampan.lib.workers import Workers
from sampan.oci.digest import ChainId, Digest
from sampan.oci.reference import parse_reference
from sampan.store.images import Image, ImageStore
from sampan.store.snapshots import Snapshotter
from sampan.wire.filters import Filters
from sampan.wire.images import ImageSummary

Summaries = list[ImageSummary]  # the facade has a method named list
Shown = list["Named"]

FILTERS = ("before", "dangling", "label", "label!", "reference", "since", "until")


@dataclass(frozen=True, slots=True)
class Named:
    """An image with the names to show, familiar."""

    image: Image
    tags: list[str]
    digests: list[str]


class ImageListing:
    def __init__(
        self, *, images: ImageStore, snapshots: Snapshotter, users: ImageUsers, workers: Workers
    ) -> None:
        self._images = images
        self._snapshots = snapshots
        self._users = users
        self._workers = workers

    async def list(
        self,
        *,
        all_: bool = False,
        filters: Filters | None = None,
        shared_size: bool = False,
        containers: bool = False,
    ) -> Summaries:
        """Raises InvalidFilter, NoSuchImage (for before and since)."""
        filters = filters or Filters()
        filters.check_keys(FILTERS)
        summaries, named = await self._workers.run(self._list, all_, filters)
        if shared_size:
            shared = await self._workers.run(self._shared_sizes, [item.image for item in named])
            summaries = [
                _replace(summary, SharedSize=shared[item.image.id])
                for summary, item in zip(summaries, named, strict=True)
            ]
        if containers:
            summaries = [
                _replace(summary, Containers=len(self._users.users_of(item.image.id)))
                for summary, item in zip(summaries, named, strict=True)
            ]
        return summaries

    def _list(self, all_: bool, filters: Filters) -> tuple[Summaries, Shown]:
        keep = self._predicate(filters)
        everything = self._images.list()
        parents = {image.parent for image in everything if image.parent}
        named = [
            shown
            for image in everything
            if keep(image)
            and (shown := self._named(image, filters)) is not None
            and (all_ or shown.tags or shown.digests or image.id not in parents)
        ]
        return [summarise(item) for item in named], named

    def _named(self, image: Image, filters: Filters) -> Named | None:
        """None when the filters on names leave the image out."""
        patterns = filters.get("reference")
        references = self._images.references(image.id)
        digests = [parse_reference(text) for text in self._images.digests(image.id)]
        if patterns:
            references = [r for r in references if any(pattern.matches(p, r) for p in patterns)]
            digests = [r for r in digests if any(pattern.matches(p, r) for p in patterns)]
            if not references and not digests:
                return None
        if "dangling" in filters:
            dangling = filters.boolean("dangling")
            if (dangling and references) or not (dangling or references or digests):
                return None
        return Named(image, [r.familiar for r in references], [r.familiar for r in digests])

    def _predicate(self, filters: Filters) -> Callable[[Image], bool]:
        older = [self._images.resolve(text).created_ns for text in filters.get("before")]
        newer = [self._images.resolve(text).created_ns for text in filters.get("since")]
        older += [parse_until(text) for text in filters.get("until")]

        def keep(image: Image) -> bool:
            labels = image.spec.config.Labels or {}
            return (
                all(image.created_ns < limit for limit in older)
                and all(image.created_ns > limit for limit in newer)
                and filters.match_labels(labels)
                and filters.match_no_labels(labels)
            )

        return keep

    def _shared_sizes(self, images: Iterable[Image]) -> dict[Digest, int]:
        """For each image the bytes of its layers that other images have too."""
        users: Counter[ChainId] = Counter()
        for image in self._images.list():
            users.update(set(chains_of(image.spec)))
        sizes = {chain: layer_size(self._snapshots, chain) for chain, n in users.items() if n > 1}
        return {
            image.id: sum(sizes.get(chain, 0) for chain in set(chains_of(image.spec)))
            for image in images
        }


def summarise(item: Named) -> ImageSummary:
    image = item.image
    return ImageSummary(
        Created=image.created_ns // gotime.NANOS,
        Id=image.id,
        Labels=image.spec.config.Labels,
        ParentId=image.parent or "",
        RepoDigests=item.digests,
        RepoTags=item.tags,
        Size=image.size_bytes,
    )


def parse_until(text: str) -> int:
    """A moment of the `until` filter in ns. Raises InvalidArgument."""
    try:
        return gotime.parse_moment_ns(text)
    except ValueError as error:
        raise InvalidArgument(f'failed to parse value as time or duration: "{text}"') from error


def _replace(summary: ImageSummary, **changes: int) -> ImageSummary:
    plain = {name: getattr(summary, name) for name in summary.__struct_fields__}
    return ImageSummary(**(plain | changes))
