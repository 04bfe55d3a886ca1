"""moby.buildkit.v1.frontend.LLBBridge: how a client that drives the build itself has frontends run.

Field numbers are those of BuildKit's frontend/gateway/pb/gateway.proto.
"""

from dataclasses import dataclass

from sampan.wire.buildkit.common import CapabilityRecord, Definition, Status, WorkerRecord
from sampan.wire.buildkit.control import CacheEntry
from sampan.wire.buildkit.protobuf import (
    Message,
    boolean,
    data_map,
    message,
    message_map,
    messages,
    text,
    text_map,
)


@dataclass(slots=True)
class Ref(Message):
    id: str = text(1)
    definition: Definition | None = message(2, Definition)


@dataclass(slots=True)
class RefMap(Message):
    refs: dict[str, Ref] = message_map(1, Ref)


@dataclass(slots=True)
class Result(Message):
    """One `ref`, or several by platform."""

    refDeprecated: str = text(1)
    ref: Ref | None = message(3, Ref)
    refs: RefMap | None = message(4, RefMap)
    metadata: dict[str, bytes] = data_map(10)


@dataclass(slots=True)
class FrontendRequest(Message):
    """LLBBridge's SolveRequest."""

    definition: Definition | None = message(1, Definition)
    Frontend: str = text(2)
    FrontendOpt: dict[str, str] = text_map(3)
    CacheImports: list[CacheEntry] = messages(12, CacheEntry)
    FrontendInputs: dict[str, Definition] = message_map(13, Definition)
    Evaluate: bool = boolean(14)


@dataclass(slots=True)
class FrontendResponse(Message):
    """LLBBridge's SolveResponse."""

    ref: str = text(1)
    result: Result | None = message(3, Result)


@dataclass(slots=True)
class ReturnRequest(Message):
    result: Result | None = message(1, Result)
    error: Status | None = message(2, Status)


@dataclass(slots=True)
class PongResponse(Message):
    FrontendAPICaps: list[CapabilityRecord] = messages(1, CapabilityRecord)
    LLBCaps: list[CapabilityRecord] = messages(2, CapabilityRecord)
    Workers: list[WorkerRecord] = messages(3, WorkerRecord)
