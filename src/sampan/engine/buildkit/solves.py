"""Builds in progress, by the reference that their client made up.

A client may name a frontend with its request, or drive the build itself:

    Solve(ref)              -> a build is there and waits
    Frontend(ref, options)  -> the frontend builds; its result gets an id
    Return(ref, result id)  -> Solve goes on: exports that result and answers
    Status(ref)             -> progress, from before to after all of that

Solve's end is the build's end: when its caller goes away, the frontends are cancelled and awaited.
Ended builds are remembered for a while, for watchers that come late.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping

from sampan.engine.build_caches import CacheOption, check_targets
from sampan.engine.buildkit.exporting import BuildResult, ResultExporter, exporters_of
from sampan.engine.buildkit.frontend import BuildCall, DockerfileFrontend, FrontendResult
from sampan.engine.buildkit.named import definition_of
from sampan.engine.buildkit.status_log import StatusLog
from sampan.engine.buildkit.vertices import Vertices
from sampan.errors import InvalidArgument, NotFound, Unsupported
from sampan.lib.ids import random_id
from sampan.oci import image_config
from sampan.oci.reference import parse_reference
from sampan.rpc.calls import CallFailed, failure
from sampan.wire.buildkit.common import Code, Definition
from sampan.wire.buildkit.control import CacheOptions, SolveRequest, StatusResponse
from sampan.wire.buildkit.gateway import FrontendRequest, Ref, Result, ReturnRequest

WAIT_S = 10.0
REMEMBERED = 16  # ended builds


class NoBuild(NotFound):
    def __init__(self, reference: str) -> None:
        super().__init__(f"no such build {reference}")


class _Build:
    """One client's build. `returned` is what the client wants exported, None for nothing."""

    def __init__(self, request: SolveRequest) -> None:
        self.session = request.Session
        self.entitlements = frozenset(request.Entitlements)
        self.name = _name_of(request)
        caches = request.Cache or CacheOptions()
        self.imports = tuple(CacheOption(one.Type, one.Attrs) for one in caches.Imports)
        self.exports = tuple(CacheOption(one.Type, one.Attrs) for one in caches.Exports)
        self.log = StatusLog()
        self.vertices = Vertices(self.log, request.Ref)
        self.results: dict[str, FrontendResult] = {}
        self.returned: asyncio.Future[FrontendResult | None] = (
            asyncio.get_running_loop().create_future()
        )
        self.frontends: set[asyncio.Task[FrontendResult]] = set()
        self.ended = False

    async def end(self) -> None:
        self.ended = True
        tasks = list(self.frontends)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self.returned.cancel()
        self.results.clear()
        self.log.end()


class Solves:
    """In memory only: a build doesn't outlive the daemon."""

    def __init__(self, *, frontend: DockerfileFrontend, exporter: ResultExporter) -> None:
        self._frontend = frontend
        self._exporter = exporter
        self._builds: OrderedDict[str, _Build] = OrderedDict()
        self._changed = asyncio.Condition()

    async def solve(self, request: SolveRequest) -> Mapping[str, str]:
        """Raises CallFailed with what the client or the frontend said, Unsupported."""
        build = await self._begin(request)
        try:
            exporters = exporters_of(request)  # before anything is built for nothing
            check_targets(build.exports)
            wanted: FrontendResult | None
            if request.Frontend:
                wanted = await self._run(
                    build, request.Frontend, request.FrontendAttrs, request.FrontendInputs
                )
            elif _has_ops(request.definition):
                raise Unsupported("LLB definitions are not supported: use the Dockerfile frontend")
            else:
                wanted = await build.returned
            if wanted is None:
                return {}
            if wanted.state.image is None:
                return {name: value.decode() for name, value in wanted.metadata.items()}
            result = BuildResult(wanted.state.image, wanted.epoch_ns)
            return await self._exporter.export(
                result, exporters, session=build.session, vertices=build.vertices
            )
        finally:
            await build.end()

    async def run_frontend(self, reference: str, request: FrontendRequest) -> Result:
        """Raises NoBuild, Unsupported, CallFailed."""
        build = await self._get(reference)
        if not request.Frontend:
            if _has_ops(request.definition):
                raise Unsupported("LLB definitions are not supported: use the Dockerfile frontend")
            return Result(ref=Ref())
        result = await self._run(
            build, request.Frontend, request.FrontendOpt, request.FrontendInputs
        )
        identifier = random_id()[:24]
        build.results[identifier] = result
        state, metadata = result.state, dict(result.metadata)
        if state.image is not None:
            metadata["containerimage.config"] = image_config.encode(state.image.spec)
        return Result(ref=Ref(identifier, definition_of(state)), metadata=metadata)

    async def finish(self, reference: str, request: ReturnRequest) -> None:
        """Raises NoBuild, InvalidArgument."""
        build = await self._get(reference)
        if build.returned.done():
            raise InvalidArgument(f"build {reference} has a result already")
        if request.error is not None and request.error.code != Code.OK:
            build.returned.set_exception(CallFailed(request.error))
            build.returned.exception()  # Solve tells it; it may have gone
            return
        build.returned.set_result(_chosen(build, request.result))

    async def watch(self, reference: str) -> AsyncIterator[StatusResponse]:
        """Raises NoBuild."""
        build = await self._get(reference)
        async for update in build.log.watch():
            yield update

    async def _run(
        self,
        build: _Build,
        frontend: str,
        attributes: Mapping[str, str],
        inputs: Mapping[str, Definition],
    ) -> FrontendResult:
        if build.ended:
            raise failure(Code.CANCELLED, "the build has ended")
        call = BuildCall(
            session=build.session,
            vertices=build.vertices,
            inputs=inputs,
            entitlements=build.entitlements,
            name=build.name,
            imports=build.imports,
            exports=build.exports,
        )
        task = asyncio.ensure_future(self._frontend.build(frontend, attributes, call))
        build.frontends.add(task)
        task.add_done_callback(build.frontends.discard)
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and not current.cancelling():
                raise failure(Code.CANCELLED, "the build has ended") from None
            task.cancel()
            await asyncio.wait([task])
            raise

    async def _begin(self, request: SolveRequest) -> _Build:
        known = self._builds.get(request.Ref)
        if not request.Ref or (known is not None and not known.ended):
            raise InvalidArgument(f"build {request.Ref!r} exists already or has no name")
        build = _Build(request)
        async with self._changed:
            self._builds[request.Ref] = build
            self._builds.move_to_end(request.Ref)
            ended = [reference for reference, one in self._builds.items() if one.ended]
            for reference in ended[: max(0, len(ended) - REMEMBERED)]:
                del self._builds[reference]
            self._changed.notify_all()
        return build

    async def _get(self, reference: str) -> _Build:
        try:
            async with asyncio.timeout(WAIT_S), self._changed:
                await self._changed.wait_for(lambda: reference in self._builds)
        except TimeoutError:
            raise NoBuild(reference) from None
        return self._builds[reference]


def _name_of(request: SolveRequest) -> str:
    """What the image will be called first of all, without its tag; "" for none."""
    names = (one.Attrs.get("name", "").split(",")[0] for one in request.Exporters)
    text = next(filter(None, names), "")
    try:
        return parse_reference(text).name if text else ""
    except InvalidArgument:  # refused when the image is to be named
        return text


def _has_ops(definition: Definition | None) -> bool:
    return definition is not None and bool(definition.ops)


def _chosen(build: _Build, result: Result | None) -> FrontendResult | None:
    if result is None:
        return None
    identifier = result.ref.id if result.ref is not None else result.refDeprecated
    if result.refs is not None and result.refs.refs:
        if len(result.refs.refs) > 1:
            raise Unsupported("results for several platforms are not supported by this engine")
        identifier = next(iter(result.refs.refs.values())).id
    return build.results.get(identifier)
