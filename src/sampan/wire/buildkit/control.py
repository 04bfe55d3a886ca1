"""moby.buildkit.v1.Control: builds, their progress, workers and the cache.

Field numbers are those of BuildKit's api/services/control/control.proto (v0.25).
"""

from dataclasses import dataclass

from sampan.wire.buildkit.common import (
    BuildkitVersion,
    Definition,
    Range,
    SourceInfo,
    Timestamp,
    WorkerRecord,
)
from sampan.wire.buildkit.protobuf import (
    Message,
    boolean,
    data,
    datas,
    integer,
    message,
    message_map,
    messages,
    text,
    text_map,
    texts,
)


@dataclass(slots=True)
class CacheEntry(Message):
    Type: str = text(1)
    Attrs: dict[str, str] = text_map(2)


@dataclass(slots=True)
class CacheOptions(Message):
    Exports: list[CacheEntry] = messages(4, CacheEntry)
    Imports: list[CacheEntry] = messages(5, CacheEntry)


@dataclass(slots=True)
class Exporter(Message):
    Type: str = text(1)
    Attrs: dict[str, str] = text_map(2)


@dataclass(slots=True)
class SolveRequest(Message):
    """Without a Frontend the client drives the build itself, through LLBBridge."""

    Ref: str = text(1)
    definition: Definition | None = message(2, Definition)
    ExporterDeprecated: str = text(3)
    ExporterAttrsDeprecated: dict[str, str] = text_map(4)
    Session: str = text(5)
    Frontend: str = text(6)
    FrontendAttrs: dict[str, str] = text_map(7)
    Cache: CacheOptions | None = message(8, CacheOptions)
    Entitlements: list[str] = texts(9)
    FrontendInputs: dict[str, Definition] = message_map(10, Definition)
    Exporters: list[Exporter] = messages(13, Exporter)


@dataclass(slots=True)
class SolveResponse(Message):
    ExporterResponse: dict[str, str] = text_map(1)


@dataclass(slots=True)
class StatusRequest(Message):
    Ref: str = text(1)


@dataclass(slots=True)
class VertexRecord(Message):
    digest: str = text(1)
    inputs: list[str] = texts(2)
    name: str = text(3)
    cached: bool = boolean(4)
    started: Timestamp | None = message(5, Timestamp)
    completed: Timestamp | None = message(6, Timestamp)
    error: str = text(7)


@dataclass(slots=True)
class VertexStatus(Message):
    ID: str = text(1)
    vertex: str = text(2)
    name: str = text(3)
    current: int = integer(4)
    total: int = integer(5)
    timestamp: Timestamp | None = message(6, Timestamp)
    started: Timestamp | None = message(7, Timestamp)
    completed: Timestamp | None = message(8, Timestamp)


@dataclass(slots=True)
class VertexLog(Message):
    """`stream` is 1 for standard output, 2 for standard error."""

    vertex: str = text(1)
    timestamp: Timestamp | None = message(2, Timestamp)
    stream: int = integer(3)
    msg: bytes = data(4)


@dataclass(slots=True)
class VertexWarning(Message):
    vertex: str = text(1)
    level: int = integer(2)
    short: bytes = data(3)
    detail: list[bytes] = datas(4)
    url: str = text(5)
    info: SourceInfo | None = message(6, SourceInfo)
    ranges: list[Range] = messages(7, Range)


@dataclass(slots=True)
class StatusResponse(Message):
    vertexes: list[VertexRecord] = messages(1, VertexRecord)
    statuses: list[VertexStatus] = messages(2, VertexStatus)
    logs: list[VertexLog] = messages(3, VertexLog)
    warnings: list[VertexWarning] = messages(4, VertexWarning)


@dataclass(slots=True)
class ListWorkersResponse(Message):
    record: list[WorkerRecord] = messages(1, WorkerRecord)


@dataclass(slots=True)
class InfoResponse(Message):
    buildkitVersion: BuildkitVersion | None = message(1, BuildkitVersion)


@dataclass(slots=True)
class UsageRecord(Message):
    ID: str = text(1)
    Mutable: bool = boolean(2)
    InUse: bool = boolean(3)
    Size: int = integer(4)
    CreatedAt: Timestamp | None = message(6, Timestamp)
    LastUsedAt: Timestamp | None = message(7, Timestamp)
    UsageCount: int = integer(8)
    Description: str = text(9)
    RecordType: str = text(10)
    Shared: bool = boolean(11)
    Parents: list[str] = texts(12)


@dataclass(slots=True)
class PruneRequest(Message):
    filter: list[str] = texts(1)
    all: bool = boolean(2)
    keepDuration: int = integer(3)
    reservedSpace: int = integer(4)
    maxUsedSpace: int = integer(5)
    minFreeSpace: int = integer(6)


@dataclass(slots=True)
class DiskUsageResponse(Message):
    record: list[UsageRecord] = messages(1, UsageRecord)
