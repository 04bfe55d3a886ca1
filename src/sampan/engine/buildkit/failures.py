"""Failures as gRPC statuses, with what BuildKit's clients know how to show.

A status may carry details, each with a type URL. Of BuildKit's own ones we send `errdefs.Source`:
the text of the Dockerfile and the lines that failed, which clients print with a marker. Its value
is JSON, in spite of the protobuf around it; that is BuildKit's own choice.
"""

import base64
from collections.abc import Sequence

import msgspec

from sampan.builder.dockerfile.source import BadInstruction
from sampan.builder.lower.process import NeedsBuildKit
from sampan.builder.ops.exec import CommandFailed
from sampan.errors import (
    AlreadyExists,
    Cancelled,
    Denied,
    InvalidArgument,
    NotFound,
    SampanError,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from sampan.wire.buildkit.common import AnyValue, Code, Status

_SOURCE_TYPE = "github.com/moby/buildkit/errdefs.Source+json"
_SHOWN_BYTES = 64 << 10  # details travel in a header: longer Dockerfiles aren't quoted

_CODES: dict[type[SampanError], Code] = {
    InvalidArgument: Code.INVALID_ARGUMENT,
    NotFound: Code.NOT_FOUND,
    AlreadyExists: Code.ALREADY_EXISTS,
    Denied: Code.PERMISSION_DENIED,
    Unauthenticated: Code.UNAUTHENTICATED,
    Unavailable: Code.UNAVAILABLE,
    Unsupported: Code.UNIMPLEMENTED,
    Cancelled: Code.CANCELLED,
}


class CallFailed(SampanError):
    """A call ended with this status: the other side's, or one that is to be sent as it is."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.message or f"gRPC status {status.code}")
        self.status = status


class SessionLost(Unavailable):
    def __init__(self) -> None:
        super().__init__("the client's session has ended")


def failure(code: Code, message: str, details: Sequence[AnyValue] = ()) -> CallFailed:
    return CallFailed(Status(code, message, list(details)))


def status_of(error: SampanError) -> Status:
    """Every failure of a build is UNKNOWN for BuildKit's clients but these kinds."""
    if isinstance(error, CallFailed):
        return error.status
    code = next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), Code.UNKNOWN)
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return Status(code, message)


def build_failure(error: SampanError, details: Sequence[AnyValue] = ()) -> CallFailed:
    """A failed build. Clients print any other code than UNKNOWN in front of the message."""
    if isinstance(error, CallFailed):
        return error
    code = Code.CANCELLED if isinstance(error, Cancelled) else Code.UNKNOWN
    return failure(code, build_text(error), details)


def build_text(error: SampanError) -> str:
    """In BuildKit's words, where these differ from the classic builder's."""
    match error:
        case CommandFailed():
            command = " ".join(error.argv)
            return f'process "{command}" did not complete successfully: exit code: {error.code}'
        case BadInstruction():
            return f"dockerfile parse error on line {error.where.first_line}: {error.reason}"
        case NeedsBuildKit():
            return f"the --{error.flag} option is not supported by this engine's builder"
        case _:
            return f"{error.message} ({error.hint})" if error.hint else error.message


def source_detail(filename: str, text: str, first_line: int, last_line: int) -> AnyValue | None:
    """The lines of a Dockerfile that failed; None when the file is too long to be sent."""
    body = text.encode("utf-8", "surrogateescape")
    if len(body) > _SHOWN_BYTES:
        return None
    info = {
        "filename": filename,
        "data": base64.b64encode(body).decode(),
        "language": "Dockerfile",
    }
    span = {"start": {"line": first_line}, "end": {"line": last_line}}
    return AnyValue(_SOURCE_TYPE, msgspec.json.encode({"info": info, "ranges": [span]}))
