"""One build, from a Dockerfile's text to an image.

    text -> stages -> (per needed stage) base image -> lowered vertices -> solver -> image

Base images must be known before their stage can be lowered, because ENV, WORKDIR, SHELL and ONBUILD
of the base decide what instructions mean. A stage's mistakes show before its first step runs.
Nothing is left of a failed or cancelled build but whole images of finished steps, which the cache
knows.
"""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from sampan.builder import progress
from sampan.builder.dockerfile import instructions as kinds
from sampan.builder.dockerfile.source import SourceRange
from sampan.builder.dockerfile.stages import Dockerfile, Stage, parse_trigger
from sampan.builder.executor import StepExecutor
from sampan.builder.exporters import ImageExporter
from sampan.builder.graph import StepLabel, Vertex
from sampan.builder.lower.dispatch import lower
from sampan.builder.lower.scope import GlobalScope, StageScope, platform_arguments
from sampan.builder.lower.stage import Lowering, Parts
from sampan.builder.named import (
    FilesAsBase,
    KnownState,
    Named,
    NamedFiles,
    NamedImage,
    NamedSources,
)
from sampan.builder.ops.file import Downloader
from sampan.builder.ops.source import (
    BadFrom,
    BaseImages,
    Context,
    ContextSource,
    ImageSource,
    ScratchSource,
)
from sampan.builder.ops.states import state_of
from sampan.builder.places import Places
from sampan.builder.progress import Emit
from sampan.builder.results import State
from sampan.builder.solver import Cache, Solver
from sampan.builder.workspace import Workspaces
from sampan.errors import InvalidArgument, SampanError
from sampan.lib.cleanup import shielded
from sampan.lib.workers import Workers
from sampan.oci.platform import Platform, host_platform, parse_platform
from sampan.store.content import ContentStore
from sampan.store.images import ImageStore
from sampan.store.leases import Leases
from sampan.store.snapshots import Snapshotter
from sampan.wire.containers import HostSettings

SCRATCH = "scratch"


class BlankBase(InvalidArgument):
    def __init__(self, text: str) -> None:
        super().__init__(f"base name ({text}) should not be blank")


class StageNameTaken(InvalidArgument):
    def __init__(self, name: str) -> None:
        super().__init__(f"{name} stage name already used")


class NothingBuilt(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("No image was generated. Is your Dockerfile empty?")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSpec:
    """What to build. `host` has limits, network mode, extra hosts and shm size of RUN steps."""

    dockerfile: Dockerfile
    target: str = ""
    build_args: Mapping[str, str | None]
    labels: Mapping[str, str]
    use_cache: bool = True
    pull: bool = False
    platform: Platform | None = None
    host: HostSettings
    named: Mapping[str, Named] = field(default_factory=dict)


class Builder:
    """The builder of one daemon; `build` may run many times at once."""

    def __init__(
        self,
        *,
        images: ImageStore,
        content: ContentStore,
        snapshots: Snapshotter,
        leases: Leases,
        cache: Cache,
        base_images: BaseImages,
        executor: StepExecutor,
        workers: Workers,
    ) -> None:
        self._images = images
        self._content = content
        self._snapshots = snapshots
        self._leases = leases
        self._cache = cache
        self._base_images = base_images
        self._executor = executor
        self._workers = workers

    async def build(
        self,
        spec: BuildSpec,
        context: Context,
        *,
        downloader: Downloader,
        scratch: Path,
        emit: Emit,
    ) -> State:
        """The image of the target stage. `scratch` is an empty directory of this build's own."""
        target = spec.dockerfile.up_to(spec.target)
        async with AsyncExitStack() as stack:
            lease = stack.enter_context(self._leases.hold())
            session = await stack.enter_async_context(self._executor.session(spec.host))
            workspaces = Workspaces(
                snapshots=self._snapshots,
                content=self._content,
                lease=lease,
                workers=self._workers,
                scratch=scratch,
            )
            parts = Parts(
                session=session,
                workspaces=workspaces,
                exporter=ImageExporter(self._images),
                downloader=downloader,
                workers=self._workers,
                platform=spec.platform or host_platform(),
                network_mode=spec.host.NetworkMode,
            )
            solver = Solver(self._cache, emit, use_cache=spec.use_cache)
            run = _Run(
                spec=spec,
                target=target,
                parts=parts,
                solver=solver,
                base_images=self._base_images,
                context=context,
                emit=emit,
            )
            try:
                return await run.all_stages()
            finally:
                await shielded(solver.save, what="build cache")


class _Run:
    """The stages of one build, one after the other."""

    def __init__(
        self,
        *,
        spec: BuildSpec,
        target: int,
        parts: Parts,
        solver: Solver,
        base_images: BaseImages,
        context: Context,
        emit: Emit,
    ) -> None:
        self._spec = spec
        self._file = spec.dockerfile
        self._target = target
        self._parts = parts
        self._solver = solver
        self._base_images = base_images
        self._emit = emit
        self._context = Vertex(ContextSource(context, whole=False), shows_result=False)
        self._whole_context = Vertex(ContextSource(context, whole=True), shows_result=False)
        self._named = NamedSources(spec.named)
        self._images: dict[str, Vertex] = {}
        self._ends: dict[int, Vertex] = {}
        build = host_platform()
        self._globals = GlobalScope(
            given=spec.build_args,
            values=platform_arguments(parts.platform, build, spec.target),
            escape=self._file.escape,
        )
        self._places = Places(self._file, ())
        self._number = 0
        self._total = 0

    async def all_stages(self) -> State:
        for warning in self._file.warnings:
            self._emit(progress.Notice(warning, is_warning=True))
        labels = self._request_labels()
        # Which stages are needed depends on base names, and these on the global ARGs.
        for arg in self._file.global_args:
            self._globals.declare(arg)
        bases = self._base_names()
        stages = self._file.needed(self._target, bases)
        self._places = Places(self._file, bases)
        self._total = (
            len(self._file.global_args)
            + sum(1 + len(stage.instructions) for stage in stages)
            + len(labels)
        )
        for arg in self._file.global_args:
            self._emit(self._next_label(arg).started())
        result = State()
        for stage in stages:
            own = labels if stage.index == self._target else ()
            result = await self._stage(stage, own)
            self._emit(progress.StageFinished(result.identity))
        return result

    def _request_labels(self) -> tuple[kinds.Label, ...]:
        """--label: one more LABEL each, at the end of the target."""
        return tuple(
            kinds.Label(
                text=f"LABEL {name}={value}",
                where=SourceRange(0, 0),
                pairs=((name, value),),
                literal=True,
            )
            for name, value in sorted(self._spec.labels.items())
        )

    def _base_names(self) -> list[str]:
        names = []
        for stage in self._file.stages:
            try:
                names.append(self._globals.expand(stage.base.base))
            except InvalidArgument:
                names.append("")  # told when the stage turns out to be needed
        return names

    def _next_label(self, step: kinds.Instruction, stage: Stage | None = None) -> StepLabel:
        self._number += 1
        place = self._places.of(step, stage) if stage is not None else ""
        where = step.where if step.where.first_line else None
        return StepLabel(self._number, self._total, step.text, place, where)

    async def _stage(self, stage: Stage, labels: tuple[kinds.Label, ...]) -> State:
        self._check_name(stage)
        self._emit(self._next_label(stage.base, stage).started())
        base = self._base(stage)
        state = state_of(await self._solver.solve(base))
        lowering = Lowering(
            base,
            state.config,
            author=state.author,
            scope=StageScope(self._globals),
            parts=self._parts,
            escape=self._file.escape,
        )
        triggers = state.config.OnBuild or ()
        if triggers:
            self._emit(progress.Triggers(len(triggers)))
            self._triggers(stage, lowering, triggers)
        else:
            self._emit(progress.StepResult(state.identity))
        for instruction in (*stage.instructions, *labels):
            lowering.label = self._next_label(instruction, stage)
            self._lower(lowering, instruction, stage)
        for vertex in lowering.chain:
            state = state_of(await self._solver.solve(vertex))
        if state.image is None:
            raise NothingBuilt
        self._ends[stage.index] = lowering.last
        return state

    def _lower(
        self,
        lowering: Lowering,
        instruction: kinds.Instruction,
        stage: Stage,
        *,
        triggered: bool = False,
    ) -> None:
        context = self._whole_context if triggered else self._context
        try:
            lower(lowering, instruction, lambda copy: self._copy_source(copy, stage.index, context))
        except SampanError:
            if lowering.label is not None:  # say which step it is, though it was never started
                self._emit(lowering.label.started())
            raise

    def _triggers(self, stage: Stage, lowering: Lowering, triggers: Sequence[str]) -> None:
        """ONBUILD of the base: no step lines, and one result for all of them."""
        instructions = [parse_trigger(trigger) for trigger in triggers]
        for number, instruction in enumerate(instructions, 1):
            lowering.label = None
            lowering.shows_result = number == len(instructions)
            self._lower(lowering, instruction, stage, triggered=True)
        lowering.shows_result = True

    def _check_name(self, stage: Stage) -> None:
        if stage.name and self._file.find_earlier(stage.name, stage.index) is not None:
            raise StageNameTaken(stage.name)

    def _base(self, stage: Stage) -> Vertex:
        name = self._globals.expand(stage.base.base)
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
            text = self._globals.expand(stage.base.platform)
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

    def _copy_source(self, copy: kinds.Copy, before: int, context: Vertex) -> Vertex:
        name = copy.from_stage
        if not name:
            return context
        named = self._named.find(name)
        if named is not None:
            return self._meant(named)
        earlier = self._file.find_source(name, before)
        if earlier is not None:
            return self._ends[earlier.index]
        if name.isdecimal():
            raise BadFrom(name, "index out of bounds")
        return self._image(name, self._spec.platform, flag=True)
