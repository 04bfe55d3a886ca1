"""FROM: an image of the store, pulled if need be; the empty state; the build context."""

from collections.abc import Sequence
from typing import Protocol

from sampan.builder.cache_keys import Key
from sampan.builder.graph import Result
from sampan.builder.progress import Emit
from sampan.builder.results import Files, State
from sampan.builder.trees import Tree
from sampan.errors import InvalidArgument, SampanError
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


class BadFrom(InvalidArgument):
    def __init__(self, value: str, reason: str) -> None:
        super().__init__(f"invalid from flag value {value}: {reason}")


class ImageSource:
    """`reference` is expanded; None for `platform` is whatever is there."""

    def __init__(
        self,
        images: BaseImages,
        reference: str,
        *,
        platform: Platform | None,
        pull: bool,
        is_from_flag: bool = False,
    ) -> None:
        self._images = images
        self._reference = reference
        self._platform = platform
        self._pull = pull
        self._is_from_flag = is_from_flag

    async def key(self, inputs: Sequence[Result]) -> Key | None:
        return None

    async def run(self, inputs: Sequence[Result], emit: Emit) -> Result:
        try:
            image = await self._images.resolve(
                self._reference, platform=self._platform, pull=self._pull, emit=emit
            )
        except SampanError as error:
            if self._is_from_flag:
                raise BadFrom(self._reference, error.message) from error
            raise
        return State(image)


class ScratchSource:
    """FROM scratch: nothing."""

    async def key(self, inputs: Sequence[Result]) -> Key | None:
        return None

    async def run(self, inputs: Sequence[Result], emit: Emit) -> Result:
        return State()


class Context(Protocol):
    """The build context, which may have to be fetched when a step first needs it."""

    async def tree(self, *, whole: bool) -> Tree:
        """`whole`: also what no instruction of the Dockerfile names; triggers of bases do."""
        ...


class GivenContext:
    """A context that is here already."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    async def tree(self, *, whole: bool) -> Tree:
        return self._tree


class ContextSource:
    def __init__(self, context: Context, *, whole: bool) -> None:
        self._context = context
        self._whole = whole

    async def key(self, inputs: Sequence[Result]) -> Key | None:
        return None

    async def run(self, inputs: Sequence[Result], emit: Emit) -> Result:
        return Files(await self._context.tree(whole=self._whole))
