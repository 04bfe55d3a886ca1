"""Progress objects as Docker's clients parse and print them.

A stream is a sequence of plain dicts, one JSON object each: `status` with or without an `id` (the
row of the client's display), `progressDetail` and the ready-made bar in `progress`; `stream` for
plain lines; `aux` for programs. Failures are exceptions: the server puts them into the stream.
"""

from typing import Any

from sampan.lib.units import human_size
from sampan.wire.progress import Progress

_WIDTH = 50


def status(text: str, row: str | None = None) -> Progress:
    """A line, or with `row` the state of one row."""
    if row is None:
        return {"status": text}
    return {"status": text, "progressDetail": {}, "id": row}


def heading(text: str, row: str) -> Progress:
    """`v1: Pulling from ns/app`: a row that never changes."""
    return {"status": text, "id": row}


def bar(text: str, row: str, current: int, total: int) -> Progress:
    detail = {"current": current, "total": total} if total > 0 else {"current": current}
    return {
        "status": text,
        "progressDetail": detail,
        "progress": render(current, total),
        "id": row,
    }


def stream(text: str) -> Progress:
    return {"stream": text}


def aux(value: Any) -> Progress:
    return {"progressDetail": {}, "aux": value}


def render(current: int, total: int) -> str:
    """`[=====>     ]  36.35kB/1.982MB`, as pkg/jsonmessage does without a terminal."""
    if total <= 0:
        return f"{human_size(current):>8}"
    filled = min(current * 100 // total // 2, _WIDTH)
    box = f"[{'=' * filled}>{' ' * (_WIDTH - filled)}]"
    numbers = f"{human_size(current):>8}"
    return f"{box} {numbers}" if current > total else f"{box} {numbers}/{human_size(total)}"
