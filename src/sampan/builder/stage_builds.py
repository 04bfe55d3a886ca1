"""The stages of one build, side by side.

    stage 0  FROM golang ---- RUN go build -----------+
    stage 1  FROM node ------ RUN npm build ---+      |
    stage 2  FROM alpine - RUN apk add --- COPY --from=1 -- COPY --from=0

Every needed stage has a task of its own. It waits for its base stage when it begins, and for a
stage that it copies from when it comes to that step. The first failure cancels the other tasks, and
is the build's. Steps are numbered in the order of the file before any of them begins.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sampan.builder import progress
from sampan.builder.build_spec import BuildSpec
from sampan.builder.cache_keys import Step
from sampan.builder.dockerfile import instructions as kinds
from sampan.builder.dockerfile.lint import (
    LintFailed,
    LintWarning,
    checks_of,
    lint,
    warning,
)
from sampan.builder.dockerfile.rules import Rule
from sampan.builder.dockerfile.source import SourceRange
from sampan.builder.dockerfile.stages import Stage, parse_trigger
from sampan.builder.graph import StepLabel, Vertex
from sampan.builder.lower.dispatch import lower
from sampan.builder.lower.scope import GlobalScope, StageScope, platform_arguments
from sampan.builder.lower.stage import Lowering, Parts
from sampan.builder.ops.source import BaseImages, Context
from sampan.builder.ops.states import state_of
from sampan.builder.places import Places
from sampan.builder.progress import BuildEmit, Emit
from sampan.builder.results import State
from sampan.builder.solver import Solver
from sampan.builder.stage_sources import StageSources
from sampan.errors import InvalidArgument, SampanError
from sampan.oci.platform import host_platform

_OWN_SYNTAX = re.compile(r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?:[:@]|$)")


class NothingBuilt(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("No image was generated. Is your Dockerfile empty?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """`base` is the state on which the target's FROM put it."""

    state: State
    base: State


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """What the stages of a build have in common. `begin` solves an input early."""

    spec: BuildSpec
    bases: Sequence[str]
    scope: GlobalScope
    sources: StageSources
    places: Places
    parts: Parts
    solver: Solver
    total: int
    begin: Callable[[Vertex], object]

    def label(self, number: int, step: kinds.Instruction, stage: Stage | None = None) -> StepLabel:
        place = self.places.of(step, stage) if stage is not None else ""
        where = step.where if step.where.first_line else None
        return StepLabel(number, self.total, step.text, place, where)


def lint_found(found: LintWarning) -> progress.LintFound:
    rule = found.rule
    return progress.LintFound(rule.name, found.message, rule.description, found.where)


class StageBuilds:
    """One build's. `emit` gets what is told outside of stages."""

    def __init__(
        self,
        *,
        spec: BuildSpec,
        target: int,
        parts: Parts,
        solver: Solver,
        base_images: BaseImages,
        context: Context,
        emit: BuildEmit,
    ) -> None:
        self._spec = spec
        self._file = spec.dockerfile
        self._target = target
        self._parts = parts
        self._solver = solver
        self._emit = emit
        self._scope = GlobalScope(
            given=spec.build_args,
            values=platform_arguments(parts.platform, host_platform(), spec.target),
            escape=self._file.escape,
        )
        self._sources = StageSources(spec, self._scope, base_images, context)
        self._group = asyncio.TaskGroup()
        self._failure: Exception | None = None

    async def build(self) -> Built:
        """The target's image. Raises what went wrong first."""
        self._lint()
        builds = self._plan()
        try:
            async with self._group as group:
                for build in builds:
                    group.create_task(self._one(build))
        except BaseExceptionGroup:
            if self._failure is None:
                raise
        if self._failure is not None:
            raise self._failure
        target = builds[-1]
        return Built(state=self._sources.ends[self._target].state.result(), base=target.base)

    def _lint(self) -> None:
        spec = self._spec
        syntax = self._file.directives.get("syntax", "")
        if syntax and not _OWN_SYNTAX.match(syntax):
            text = f"[Warning] the syntax {syntax} is not used: the built-in one is"
            self._emit(progress.Notice(text, is_warning=True))
        linted = lint(self._file, spec.build_args, excluded=spec.excluded)
        for one in linted.warnings:
            self._emit(lint_found(one))
        if linted.warnings and linted.is_error:
            raise LintFailed(linted)

    def _plan(self) -> list["_StageBuild"]:
        """In the order of the file; the target is last."""
        # Which stages are needed depends on base names, and these on the global ARGs.
        for arg in self._file.global_args:
            self._scope.declare(arg)
        bases = self._sources.base_names()
        stages = self._file.needed(self._target, bases)
        labels = self._request_labels()
        sizes = [1 + len(stage.instructions) for stage in stages]
        number = len(self._file.global_args)
        shared = _Shared(
            spec=self._spec,
            bases=bases,
            scope=self._scope,
            sources=self._sources,
            places=Places(self._file, bases),
            parts=self._parts,
            solver=self._solver,
            total=number + sum(sizes) + len(labels),
            begin=self._begin,
        )
        for place, arg in enumerate(self._file.global_args, 1):
            self._emit(shared.label(place, arg).started())
        builds = []
        for stage, size in zip(stages, sizes, strict=True):
            own = labels if stage.index == self._target else ()
            emit = self._emit.stage(stage.index)
            builds.append(_StageBuild(shared, stage, emit, number=number, labels=own))
            number += size
        return builds

    def _begin(self, vertex: Vertex) -> None:
        self._group.create_task(self._solver.begin(vertex))

    async def _one(self, build: "_StageBuild") -> None:
        end = self._sources.ends[build.stage.index].state
        try:
            state = await build.run()
        except asyncio.CancelledError:
            end.cancel()
            build.emit(progress.StepFailed("CANCELED", cancelled=True))
            raise
        except Exception as error:
            end.cancel()
            self._failure = self._failure or error
            message = error.message if isinstance(error, SampanError) else str(error)
            build.emit(progress.StepFailed(message))
            raise
        build.emit(progress.StageFinished(state.identity))
        end.set_result(state)

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


class _StageBuild:
    """One stage. `number` counts the steps before it."""

    def __init__(
        self,
        shared: _Shared,
        stage: Stage,
        emit: Emit,
        *,
        number: int,
        labels: tuple[kinds.Label, ...],
    ) -> None:
        self.stage = stage
        self.emit = emit
        self.base = State()
        self._shared = shared
        self._number = number
        self._instructions = (*stage.instructions, *labels)
        self._steps: list[Step] = []  # of the chain's vertices

    async def run(self) -> State:
        shared, stage = self._shared, self.stage
        shared.sources.check_name(stage)
        self.emit(self._label(stage.base).started())
        base = shared.sources.base(stage)
        self.base = state = state_of(await shared.solver.solve(base, self.emit))
        self._check_platform(stage, state)
        lowering = Lowering(
            base,
            state.config,
            author=state.author,
            scope=StageScope(shared.scope),
            parts=shared.parts,
            escape=shared.spec.dockerfile.escape,
        )
        if not self._lower_triggers(lowering, state.config.OnBuild or ()):
            self.emit(progress.StepResult(state.identity))
        for instruction in self._instructions:
            lowering.label = self._label(instruction)
            self._lower(lowering, instruction)
        for other in {other: None for vertex in lowering.chain for other in vertex.inputs[1:]}:
            shared.begin(other)
        for vertex, step in zip(lowering.chain, self._steps, strict=True):
            result = await shared.solver.solve(
                vertex, self.emit, step, use_cache=self._uses_cache()
            )
            state = state_of(result)
        if state.image is None:
            raise NothingBuilt
        return state

    def _warn(self, rule: Rule, where: SourceRange, *facts: object) -> None:
        """A rule that only the build can judge."""
        checks = checks_of(self._shared.spec.dockerfile, self._shared.spec.build_args)
        if checks.wants(rule):
            self.emit(lint_found(warning(rule, where, *facts)))

    def _check_platform(self, stage: Stage, state: State) -> None:
        """Only where nothing but the build's own platform was asked for."""
        image = state.image
        if image is None or stage.base.platform or not image.spec.architecture:
            return
        found, expected = image.spec.platform, self._shared.parts.platform
        if (found.os, found.architecture) != (expected.os, expected.architecture):
            name = self._shared.bases[stage.index]
            rule = Rule.InvalidBaseImagePlatform
            self._warn(rule, stage.base.where, name, found, expected)

    def _uses_cache(self) -> bool:
        names = {self.stage.name, str(self.stage.index)}
        return not names & self._shared.spec.no_cache_stages

    def _label(self, instruction: kinds.Instruction) -> StepLabel:
        self._number += 1
        return self._shared.label(self._number, instruction, self.stage)

    def _lower(
        self, lowering: Lowering, instruction: kinds.Instruction, *, triggered: bool = False
    ) -> None:
        index, shared = self.stage.index, self._shared
        try:
            lower(
                lowering,
                instruction,
                lambda name: shared.sources.source(name, index, triggered=triggered),
            )
        except SampanError:
            if lowering.label is not None:  # say which step it is, though it was never started
                self.emit(lowering.label.started())
            raise
        for name in lowering.take_undefined():
            if instruction.where.first_line:
                self._warn(Rule.UndefinedVar, instruction.where, name)
        step = Step(
            build=f"{shared.spec.name}\0{shared.spec.filename}",
            stage=self.stage.name or str(index),
            index=len(self._steps),
            text=instruction.text,
            base=shared.bases[index],
            arguments=dict(lowering.scope.values),
        )
        self._steps += [step] * (len(lowering.chain) - len(self._steps))

    def _lower_triggers(self, lowering: Lowering, triggers: Sequence[str]) -> bool:
        """ONBUILD of the base: no step lines, and one result for all of them."""
        if triggers:
            self.emit(progress.Triggers(len(triggers)))
        for number, trigger in enumerate(triggers, 1):
            lowering.label = None
            lowering.shows_result = number == len(triggers)
            self._lower(lowering, parse_trigger(trigger), triggered=True)
        lowering.shows_result = True
        return bool(triggers)
