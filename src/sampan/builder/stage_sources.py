"""What FROM, COPY --from and RUN --mount=from= name: stages, named contexts, images, the context.

One of each build. Every image and every stage is one vertex, however often it is named.
"""

import asyncio
from collections.abc import Sequence

from sampan.builder.build_spec import BuildSpec
from sampan.builder.cache_keys import Key
from sampan.builder.dockerfile.stages import Stage
from sampan.builder.graph import Result, Vertex
from sampan.builder.lower.scope import GlobalScope
from sampan.builder.named import (
    FilesAsBase,
    KnownState,
    Named,
    NamedFiles,
    NamedImage,
    NamedSources,
)
from sampan.builder.ops.source import (
    BadFrom,
    BaseImages,
    Context,
    ContextSource,
    ImageSource,
    ScratchSource,
)
from sampan.builder.progress import Emit
from sampan.builder.results import State
from sampan.errors import InvalidArgument
from sampan.oci.platform import Platform, parse_platform

SCRATCH = "scratch"


class BlankBase(InvalidArgument):
    def __init__(self, text: str) -> None:
        super().__init__(f"base name ({text}) should not be blank")


class StageNameTaken(InvalidArgument):
    def __init__(self, name: str) -> None:
        super().__init__(f"{name} stage name already used")


class StageEnd:
    """What another stage comes to: an operation that waits. Cancelled when that stage fails, for
    its failure is told there."""

    def __init__(self) -> None:
        self.state: asyncio.Future[State] = asyncio.get_running_loop().create_future()

    async def key(self, inputs: Sequence[Result]) -> Key | None:
        return None

    async def run(self, inputs: Sequence[Result], emit: Emit) -> Result:
        return await asyncio.shield(self.state)


class StageSources:
    """`scope` has the global ARGs, declared before any of the methods is called."""

    def __init__(
        self, spec: BuildSpec, scope: GlobalScope, base_images: BaseImages, context: Context
    ) -> None:
        self._spec = spec
        self._file = spec.dockerfile
        self._scope = scope
        self._base_images = base_images
        self._context = Vertex(ContextSource(context, whole=False), shows_result=False)
        self._whole_context = Vertex(ContextSource(context, whole=True), shows_result=False)
        self._named = NamedSources(spec.named)
        self._images: dict[str, Vertex] = {}
        self.ends = [StageEnd() for _ in self._file.stages]
        self._ends = [Vertex(op, shows_result=False) for op in self.ends]

    def base_names(self) -> list[str]:
        """Of all stages, expanded; empty where that isn't possible."""
        names = []
        for stage in self._file.stages:
            try:
                names.append(self._scope.expand(stage.base.base))
            except InvalidArgument:
                names.append("")  # told when the stage turns out to be needed
        return names

    def check_name(self, stage: Stage) -> None:
        if stage.name and self._file.find_earlier(stage.name, stage.index) is not None:
            raise StageNameTaken(stage.name)

    def base(self, stage: Stage) -> Vertex:
        name = self._scope.expand(stage.base.base)
        if not name:
            raise BlankBase(stage.base.base)
        named = self._named.find(name)
        if isinstance(named, NamedFiles):
            raise FilesAsBase(name)
        if named is not None:
            return self._meant(named)
        earlier = self._file.find_earlier(name, stage.index)
        if earlier is not None:
            return self._ends[earlier.index]
        if name == SCRATCH:
            return Vertex(ScratchSource(), shows_result=False)
        platform = self._spec.platform
        if stage.base.platform:
            text = self._scope.expand(stage.base.platform)
            platform = parse_platform(text) if text else platform
        return self._image(name, platform)

    def _image(self, name: str, platform: Platform | None, *, flag: bool = False) -> Vertex:
        """One vertex for each image, however often it is named."""
        key = f"{name} {platform or ''} {flag}"
        if key not in self._images:
            source = ImageSource(
                self._base_images,
                name,
                platform=platform,
                pull=self._spec.pull,
                is_from_flag=flag,
            )
            self._images[key] = Vertex(source, shows_result=False)
        return self._images[key]

    def _meant(self, named: Named) -> Vertex:
        match named:
            case NamedImage():
                return self._image(named.reference, self._spec.platform)
            case NamedFiles():
                return Vertex(ContextSource(named.context, whole=True), shows_result=False)
            case _:
                return Vertex(KnownState(named.state), shows_result=False)

    def source(self, name: str, before: int, *, triggered: bool) -> Vertex:
        """What COPY --from and RUN --mount=from= name; the context when they name nothing."""
        if not name:
            return self._whole_context if triggered else self._context
        named = self._named.find(name)
        if named is not None:
            return self._meant(named)
        earlier = self._file.find_source(name, before)
        if earlier is not None:
            return self._ends[earlier.index]
        if name.isdecimal():
            raise BadFrom(name, "index out of bounds")
        return self._image(name, self._spec.platform, flag=True)
