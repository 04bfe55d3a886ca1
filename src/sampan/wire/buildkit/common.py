"""Messages that several services share: google.protobuf and google.rpc, pb of BuildKit's solver.

Field numbers are those of google/protobuf/timestamp.proto, google/rpc/status.proto and BuildKit's
solver/pb/ops.proto and api/types/worker.proto. Members that nobody here reads aren't declared.
"""

from dataclasses import dataclass
from enum import IntEnum

from sampan.wire.buildkit.protobuf import (
    Message,
    boolean,
    data,
    datas,
    integer,
    message,
    messages,
    text,
    text_map,
)


class Code(IntEnum):
    """gRPC's status codes."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    FAILED_PRECONDITION = 9
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(slots=True)
class Empty(Message):
    """Any message without fields that matter."""


@dataclass(slots=True)
class Timestamp(Message):
    seconds: int = integer(1)
    nanos: int = integer(2)


def timestamp(time_ns: int) -> Timestamp:
    seconds, nanos = divmod(time_ns, 1_000_000_000)
    return Timestamp(seconds, nanos)


@dataclass(slots=True)
class AnyValue(Message):
    """google.protobuf.Any: `value` is of the type that `type_url` names."""

    type_url: str = text(1)
    value: bytes = data(2)


@dataclass(slots=True)
class Status(Message):
    code: int = integer(1)
    message: str = text(2)
    details: list[AnyValue] = messages(3, AnyValue)


@dataclass(slots=True)
class BytesMessage(Message):
    data: bytes = data(1)


@dataclass(slots=True)
class PlatformMessage(Message):
    Architecture: str = text(1)
    OS: str = text(2)
    Variant: str = text(3)


@dataclass(slots=True)
class BuildkitVersion(Message):
    package: str = text(1)
    version: str = text(2)
    revision: str = text(3)


@dataclass(slots=True)
class WorkerRecord(Message):
    ID: str = text(1)
    Labels: dict[str, str] = text_map(2)
    platforms: list[PlatformMessage] = messages(3, PlatformMessage)
    buildkit: BuildkitVersion | None = message(5, BuildkitVersion)


@dataclass(slots=True)
class Position(Message):
    line: int = integer(1)
    character: int = integer(2)


@dataclass(slots=True)
class Range(Message):
    start: Position | None = message(1, Position)
    end: Position | None = message(2, Position)


@dataclass(slots=True)
class SourceInfo(Message):
    filename: str = text(1)
    data: bytes = data(2)
    language: str = text(4)


@dataclass(slots=True)
class OpInput(Message):
    digest: str = text(1)
    index: int = integer(2)


@dataclass(slots=True)
class SourceOp(Message):
    identifier: str = text(1)
    attrs: dict[str, str] = text_map(2)


@dataclass(slots=True)
class Op(Message):
    """The one kind that is ever made or read here: a source, and the end that names it."""

    inputs: list[OpInput] = messages(1, OpInput)
    source: SourceOp | None = message(3, SourceOp)
    platform: PlatformMessage | None = message(10, PlatformMessage)


@dataclass(slots=True)
class Definition(Message):
    """`ops` are encoded Ops, the last of which names the result."""

    ops: list[bytes] = datas(1)


@dataclass(slots=True)
class CapabilityRecord(Message):
    """moby.buildkit.v1.apicaps.APICap."""

    ID: str = text(1)
    Enabled: bool = boolean(2)


@dataclass(slots=True)
class HealthReply(Message):
    """grpc.health.v1.HealthCheckResponse; 1 is SERVING."""

    status: int = integer(1)


@dataclass(slots=True)
class HealthRequest(Message):
    service: str = text(1)
