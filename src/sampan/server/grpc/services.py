"""The methods that BuildKit's clients call on /grpc: Control, and LLBBridge for one build each.

Messages in, messages out; what they mean is engine/buildkit's. A method that isn't in the table is
answered UNIMPLEMENTED, which is how clients find out what an engine has (the build history, say).
LLBBridge's calls name their build in a header.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from sampan.engine.build_cache_request import parse_terms
from sampan.engine.build_cache_use import CacheRecord, Pruned, PruneWish
from sampan.engine.buildkit.solves import Solves
from sampan.oci.platform import host_platform
from sampan.rpc.connection import Handler
from sampan.rpc.streams import Stream
from sampan.wire.buildkit.common import (
    BuildkitVersion,
    CapabilityRecord,
    Empty,
    PlatformMessage,
    WorkerRecord,
    timestamp,
)
from sampan.wire.buildkit.control import (
    DiskUsageResponse,
    InfoResponse,
    ListWorkersResponse,
    PruneRequest,
    SolveRequest,
    SolveResponse,
    StatusRequest,
    UsageRecord,
)
from sampan.wire.buildkit.gateway import (
    FrontendRequest,
    FrontendResponse,
    PongResponse,
    ReturnRequest,
)
from sampan.wire.buildkit.protobuf import Message, decode, encode
from sampan.wire.versions import ENGINE_VERSION

_CONTROL = "/moby.buildkit.v1.Control/"
_BRIDGE = "/moby.buildkit.v1.frontend.LLBBridge/"
_BUILD_HEADER = "buildkit-controlapi-buildid"

WORKER = "sampan"
# What LLBBridge can do; a client that misses one of these falls back to older ways or says so.
FRONTEND_CAPABILITIES = (
    "solve.base",
    "solve.inlinereturn",
    "return",
    "returnmap",
    "proto.refarray",
    "importcaches",
    "frontend.inputs",
)

Request = TypeVar("Request", bound=Message)


class CacheBackend(Protocol):
    async def records(self) -> list[CacheRecord]: ...

    async def prune(self, wish: PruneWish) -> Pruned: ...


class BuildServices:
    def __init__(self, *, solves: Solves, cache: CacheBackend) -> None:
        self._solves = solves
        self._cache = cache

    def methods(self) -> Mapping[str, Handler]:
        return {
            f"{_CONTROL}Solve": _unary(SolveRequest, self._solve),
            f"{_CONTROL}Status": self._status,
            f"{_CONTROL}ListWorkers": _unary(Empty, self._list_workers),
            f"{_CONTROL}Info": _unary(Empty, self._info),
            f"{_CONTROL}DiskUsage": _unary(Empty, self._disk_usage),
            f"{_CONTROL}Prune": self._prune,
            f"{_BRIDGE}Ping": _unary(Empty, self._ping),
            f"{_BRIDGE}Solve": self._run_frontend,
            f"{_BRIDGE}Return": self._return,
            f"{_BRIDGE}Warn": _unary(Empty, self._nothing),
        }

    async def _solve(self, request: SolveRequest) -> Message:
        return SolveResponse(dict(await self._solves.solve(request)))

    async def _status(self, stream: Stream) -> None:
        request = await _read(stream, StatusRequest)
        async for update in self._solves.watch(request.Ref):
            await stream.send(encode(update))

    async def _list_workers(self, _: Empty) -> Message:
        return ListWorkersResponse([_worker()])

    async def _info(self, _: Empty) -> Message:
        return InfoResponse(_version())

    async def _disk_usage(self, _: Empty) -> Message:
        return DiskUsageResponse([_usage(record) for record in await self._cache.records()])

    async def _prune(self, stream: Stream) -> None:
        request = await _read(stream, PruneRequest)
        wish = PruneWish(
            everything=request.all,
            filters=parse_terms(request.filter),
            unused_for_ns=request.keepDuration,
            reserved_bytes=request.reservedSpace,
            max_used_bytes=request.maxUsedSpace,
            min_free_bytes=request.minFreeSpace,
        )
        for record in (await self._cache.prune(wish)).records:
            await stream.send(encode(_usage(record)))

    async def _ping(self, _: Empty) -> Message:
        capabilities = [CapabilityRecord(name, Enabled=True) for name in FRONTEND_CAPABILITIES]
        return PongResponse(FrontendAPICaps=capabilities, Workers=[_worker()])

    async def _run_frontend(self, stream: Stream) -> None:
        request = await _read(stream, FrontendRequest)
        result = await self._solves.run_frontend(_build_of(stream), request)
        await stream.send(encode(FrontendResponse(result=result)))

    async def _return(self, stream: Stream) -> None:
        request = await _read(stream, ReturnRequest)
        await self._solves.finish(_build_of(stream), request)
        await stream.send(encode(Empty()))

    async def _nothing(self, _: Empty) -> Message:
        return Empty()


def _build_of(stream: Stream) -> str:
    return stream.headers.get(_BUILD_HEADER, "")


async def _read(stream: Stream, kind: type[Request]) -> Request:
    return decode(kind, await stream.receive() or b"")


def _unary(kind: type[Request], method: Callable[[Request], Awaitable[Message]]) -> Handler:
    async def handle(stream: Stream) -> None:
        reply = await method(await _read(stream, kind))
        await stream.send(encode(reply))

    return handle


def _version() -> BuildkitVersion:
    return BuildkitVersion(package="sampan", version=ENGINE_VERSION)


def _usage(record: CacheRecord) -> UsageRecord:
    return UsageRecord(
        ID=record.id,
        InUse=record.in_use,
        Size=record.size_bytes,
        CreatedAt=timestamp(record.created_ns),
        LastUsedAt=timestamp(record.used_ns),
        UsageCount=record.uses,
        Description=record.description,
        RecordType=record.kind,
        Shared=record.shared,
        Parents=list(record.parents),
    )


def _worker() -> WorkerRecord:
    host = host_platform()
    platform = PlatformMessage(host.architecture, host.os, host.variant)
    return WorkerRecord(ID=WORKER, platforms=[platform], buildkit=_version())
