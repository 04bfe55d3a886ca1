"""One build, from a Dockerfile's text to an image.

    text -> stages -> (per needed stage) base image -> lowered vertices -> solver -> image

Base images must be known before their stage can be lowered, because ENV, WORKDIR, SHELL and ONBUILD
of the base decide what instructions mean. A stage's mistakes show before its first step runs.
Stages run side by side (stage_builds.py).
Nothing is left of a failed or cancelled build but whole images of finished steps, which the cache
knows.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from sampan.builder.build_spec import BuildSpec
from sampan.builder.cache import Cache, Made
from sampan.builder.cache_document import inlined, on_the_way_to
from sampan.builder.cache_mounts import CacheMounts
from sampan.builder.epoch import epoch_of
from sampan.builder.executor import StepExecutor
from sampan.builder.exporters import ImageExporter
from sampan.builder.fetched import Downloader
from sampan.builder.lower.stage import Parts
from sampan.builder.ops.source import BaseImages, Context
from sampan.builder.progress import BuildEmit
from sampan.builder.results import State
from sampan.builder.solver import Solver
from sampan.builder.squash import Squasher
from sampan.builder.stage_builds import StageBuilds
from sampan.builder.step_mounts import StepMounts
from sampan.builder.workspace import Workspaces
from sampan.lib.cleanup import shielded
from sampan.lib.workers import Workers
from sampan.oci.platform import host_platform
from sampan.store.content import ContentStore
from sampan.store.images import ImageStore
from sampan.store.leases import Leases
from sampan.store.snapshots import Snapshotter
from sampan.store.unpack import Unpacker

INLINE_ARGUMENT = "BUILDKIT_INLINE_CACHE"


class Builder:
    """The builder of one daemon; `build` may run many times at once."""

    def __init__(
        self,
        *,
        images: ImageStore,
        content: ContentStore,
        snapshots: Snapshotter,
        unpacker: Unpacker,
        leases: Leases,
        cache: Cache,
        base_images: BaseImages,
        executor: StepExecutor,
        cache_mounts: CacheMounts,
        workers: Workers,
    ) -> None:
        self._images = images
        self._content = content
        self._snapshots = snapshots
        self._unpacker = unpacker
        self._leases = leases
        self._cache = cache
        self._base_images = base_images
        self._executor = executor
        self._cache_mounts = cache_mounts
        self._workers = workers

    async def build(
        self,
        spec: BuildSpec,
        context: Context,
        *,
        downloader: Downloader,
        scratch: Path,
        emit: BuildEmit,
        steps: list[Made] | None = None,
    ) -> State:
        """The image of the target stage. `scratch` is an empty directory of this build's own;
        `steps` gets all steps that a cache may be made of."""
        target = spec.dockerfile.up_to(spec.target)
        async with AsyncExitStack() as stack:
            lease = stack.enter_context(self._leases.hold())
            stack.enter_context(self._cache.running())
            session = await stack.enter_async_context(self._executor.session(spec.host))
            workspaces = Workspaces(
                snapshots=self._snapshots,
                content=self._content,
                unpacker=self._unpacker,
                lease=lease,
                workers=self._workers,
                scratch=scratch,
                epoch_ns=epoch_of(spec.build_args),
            )
            parts = Parts(
                session=session,
                workspaces=workspaces,
                exporter=ImageExporter(self._images),
                downloader=downloader,
                workers=self._workers,
                platform=spec.platform or host_platform(),
                network_mode=spec.host.NetworkMode,
                step_mounts=self._step_mounts(spec, workspaces),
                entitlements=spec.entitlements,
            )
            solver = Solver(self._cache, use_cache=spec.use_cache)
            builds = StageBuilds(
                spec=spec,
                target=target,
                parts=parts,
                solver=solver,
                base_images=self._base_images,
                context=context,
                emit=emit,
            )
            try:
                built = await builds.build()
            finally:
                await shielded(solver.save, what="build cache")
            if steps is not None:
                steps += solver.steps
            if spec.squash:
                squasher = Squasher(workspaces, self._images)
                return await squasher.squash(built.state, onto=built.base)
            if spec.inline_cache or spec.build_args.get(INLINE_ARGUMENT) in {"1", "true"}:
                return await self._workers.run(self._with_inline, built.state, solver.steps)
            return built.state

    def _step_mounts(self, spec: BuildSpec, workspaces: Workspaces) -> StepMounts:
        namespace = spec.build_args.get("BUILDKIT_CACHE_MOUNT_NS") or ""
        return StepMounts(workspaces, self._cache_mounts, namespace=namespace, lent=spec.lent)

    def _with_inline(self, state: State, steps: Sequence[Made]) -> State:
        """Another image: the same, with its own steps in its config."""
        image = state.image
        if image is None:
            return state
        config = inlined(image, on_the_way_to(state, steps), self._content.read)
        return State(
            self._images.add(
                config,
                image.layers,
                size_bytes=image.size_bytes,
                parent=image.id,
                built_here=True,
            )
        )
