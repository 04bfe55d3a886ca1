"""Failures as gRPC statuses, with what BuildKit's clients know how to show.

A status may carry details, each with a type URL. Of BuildKit's own ones we send `errdefs.Source`:
the text of the Dockerfile and the lines that failed, which clients print with a marker. Its value
is JSON, in spite of the protobuf around it; that is BuildKit's own choice.
"""

import base64
from collections.abc import Sequence

import msgspec

from sampan.builder.dockerfile.source import BadInstruction
from sampan.builder.ops.exec import CommandFailed
from sampan.errors import Cancelled, SampanError
from sampan.rpc.calls import CallFailed, failure
from sampan.wire.buildkit.common import AnyValue, Code

_SOURCE_TYPE = "github.com/moby/buildkit/errdefs.Source+json"
_SHOWN_BYTES = 64 << 10  # details travel in a header: longer Dockerfiles aren't quoted


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
