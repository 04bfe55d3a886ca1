"""FROM: an image of the store, pulled if need be; the empty state; the build context."""

from collections.abc import Sequence
from typing import Protocol

from sampan.builder.graph import Result
from sampan.builder.progress import Emit
from sampan.builder.results import Files, State
from sampan.builder.trees import Tree
from sampan.oci.platform import Platform
from sampan.store.image_records import Image


class BaseImages(Protocol):
    """Where base images come from."""

    async def resolve(
        self, reference: str, *, platform: Platform | None, pull: bool, emit: Emit
    ) -> Image:
        """The image, from the store or (missing, or with `pull`) from its registry.

        Raises InvalidReference, NotFound, or what the registry said.
        """
        ...


class ImageSource:
    """`reference` is expanded; None for `platform` is whatever is there."""

    def __init__(
        self, images: BaseImages, reference: str, *, platform: Platform | None, pull: bool
    ) -> None:
        self._images = images
        self._reference = reference
        self._platform = platform
        self._pull = pull

    async def key(self, inputs: Sequence[Result]) -> str | None:
        return None

    async def run(self, inputs: Sequence[Result], emit: Emit) -> Result:
        image = await self._images.resolve(
            self._reference, platform=self._platform, pull=self._pull, emit=emit
        )
        return State(image)


class Known:
    """A result that is there already: a finished stage, FROM scratch."""

    def __init__(self, result: Result) -> None:
        self._result = result

    async def key(self, inputs: Sequence[Result]) -> str | None:
        return None

    async def run(self, inputs: Sequence[Result], emit: Emit) -> Result:
        return self._result


class ContextSource:
    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    async def key(self, inputs: Sequence[Result]) -> str | None:
        return None

    async def run(self, inputs: Sequence[Result], emit: Emit) -> Result:
        return Files(self._tree)
