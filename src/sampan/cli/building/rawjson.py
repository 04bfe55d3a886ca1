"""`--progress rawjson`: one JSON object for each update, with BuildKit's own member names."""

from __future__ import annotations

import base64
import json
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from sampan.cli.building.trace import Line
    from sampan.wire.buildkit.common import Position, Timestamp
    from sampan.wire.buildkit.control import StatusResponse, VertexWarning


class RawJson:
    """See run.Display."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def update(self, update: StatusResponse, lines: list[tuple[str, Line]]) -> None:
        found = {
            "vertexes": [
                {
                    "digest": one.digest,
                    "inputs": one.inputs,
                    "name": one.name,
                    "started": _time(one.started),
                    "completed": _time(one.completed),
                    "cached": one.cached,
                    "error": one.error,
                }
                for one in update.vertexes
            ],
            "statuses": [
                {
                    "id": one.ID,
                    "vertex": one.vertex,
                    "name": one.name,
                    "total": one.total,
                    "current": one.current,
                    "timestamp": _time(one.timestamp),
                    "started": _time(one.started),
                    "completed": _time(one.completed),
                }
                for one in update.statuses
            ],
            "logs": [
                {
                    "vertex": one.vertex,
                    "stream": one.stream,
                    "data": _bytes(one.msg),
                    "timestamp": _time(one.timestamp),
                }
                for one in update.logs
            ],
            "warnings": [_warning(one) for one in update.warnings],
        }
        told = {key: [_given(one) for one in ones] for key, ones in found.items() if ones}
        self._out.write(json.dumps(told, separators=(",", ":")) + "\n")
        self._out.flush()

    def tick(self) -> None:
        return

    def finish(self) -> None:
        return


def _given(record: dict[str, Any]) -> dict[str, Any]:
    """Empty members aren't written; a position or a count of 0 is no such thing."""
    kept = {"current", "stream", "level"}
    return {key: value for key, value in record.items() if value or key in kept}


def _warning(one: VertexWarning) -> dict[str, Any]:
    info = one.info
    return {
        "vertex": one.vertex,
        "level": one.level,
        "short": _bytes(one.short),
        "detail": [_bytes(line) for line in one.detail],
        "url": one.url,
        "sourceInfo": info and {"filename": info.filename, "data": _bytes(info.data)},
        "range": [{"start": _place(span.start), "end": _place(span.end)} for span in one.ranges],
    }


def _place(position: Position | None) -> dict[str, int]:
    return {"line": position.line if position is not None else 0}


def _bytes(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _time(moment: Timestamp | None) -> str:
    if moment is None:
        return ""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment.seconds))
    return f"{whole}.{moment.nanos:09d}Z"
