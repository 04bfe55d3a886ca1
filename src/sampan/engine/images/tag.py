"""POST /images/{name}/tag: one more name for an image."""

from sampan.engine.images.events import ImageEvents
from sampan.errors import InvalidArgument
from sampan.lib.workers import Workers
from sampan.oci.reference import Reference, parse_reference
from sampan.store.images import Image, ImageStore


class AmbiguousName(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("refusing to create an ambiguous tag using digest algorithm as name")


class DigestAsTag(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("refusing to create a tag with a digest reference")


class Tagger:
    def __init__(self, *, images: ImageStore, events: ImageEvents, workers: Workers) -> None:
        self._images = images
        self._events = events
        self._workers = workers

    async def tag(self, source: str, repo: str, tag: str = "") -> None:
        """Raises NoSuchImage, InvalidReference; a name that is taken moves to this image."""
        image = await self._workers.run(self._images.resolve, source)
        await self.give_name(image, new_name(repo, tag))

    async def give_name(self, image: Image, reference: Reference) -> Image | None:
        """Point `reference` at an image; the image that had it before, if there was another."""
        previous = await self._workers.run(self._images.tag, reference, image.id)
        self._events.named("tag", image, reference.familiar)
        return None if previous is None else await self._workers.run(self._images.get, previous)


def new_name(repo: str, tag: str = "") -> Reference:
    """A name to give, with its tag (`latest` unless given). Raises InvalidArgument kinds."""
    reference = parse_reference(repo)
    if reference.digest is not None:
        raise DigestAsTag
    if tag:
        reference = reference.with_tag(tag)
    if reference.familiar_name == "sha256":
        raise AmbiguousName
    return reference.with_default_tag()
