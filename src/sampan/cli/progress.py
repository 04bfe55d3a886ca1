"""The progress of pulls, pushes, loads and builds: bars on a terminal, lines elsewhere.

The engine sends JSON objects: `stream` (text as it is), `status` with an `id` (one line per
layer, redrawn in place on a terminal) and `progressDetail`, `error`, `aux`.
"""

from __future__ import annotations

import sys
import time

from sampan.cli.command import Exit
from sampan.lib.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TextIO

BAR_WIDTH = 50
NARROW = 110


def progress_text(detail: dict[str, Any], columns: int, now_s: float) -> str:
    """ "[====>    ]  1.2MB/3.4MB", or "1.2MB" while the total is unknown."""
    current, total = detail.get("current") or 0, detail.get("total") or 0
    if current <= 0 and total <= 0:
        return ""
    if detail.get("units"):
        return f"{current}/{total} {detail['units']}" if total > 0 else f"{current} units"
    size = human_size(current)
    if total <= 0:
        return f"{size:>8}"
    bar = ""
    if columns > NARROW:
        done = min(int(current * BAR_WIDTH / total), BAR_WIDTH)
        head = "=" * done + ">"
        bar = f"[{head}{' ' * max(BAR_WIDTH - done, 0)}] "
    counts = "" if detail.get("hidecounts") else f"{size:>8}/{human_size(total)}"
    if current > total:
        counts = f"{size:>8}"
    left = ""
    if columns > 50 and current > 0 and detail.get("start") and current < total:
        passed = now_s - detail["start"]
        left = f" {int(passed / current * (total - current))}s"
    return f"{bar}{counts}{left}"


class Screen:
    """Lines by id, redrawn in place: the cursor rests below the last line."""

    def __init__(self, out: TextIO, columns: int) -> None:
        self._out = out
        self._columns = columns
        self._rows: dict[str, int] = {}

    def show(self, message: dict[str, Any]) -> None:
        identity = message.get("id") or ""
        detail = message.get("progressDetail") or {}
        if not identity:
            self._rows.clear()
            self._out.write(self._line(message, detail) + "\n")
            return
        if identity not in self._rows:
            self._rows[identity] = len(self._rows)
            self._out.write("\n")
        above = len(self._rows) - self._rows[identity]
        text = self._line(message, detail)
        self._out.write(f"\033[{above}A\r\033[2K{text}\r\033[{above}B")

    def _line(self, message: dict[str, Any], detail: dict[str, Any]) -> str:
        identity = message.get("id") or ""
        prefix = f"{identity}: " if identity else ""
        text = f"{prefix}{message.get('status', '')}"
        bar = progress_text(detail, self._columns, time.time())
        return f"{text} {bar}".rstrip() if bar else text


def _plain(message: dict[str, Any]) -> str:
    """The line for a log, "" for the ticks between two states."""
    detail = message.get("progressDetail") or {}
    if (detail.get("current") or detail.get("total")) and not detail.get("units"):
        return ""
    identity = message.get("id") or ""
    return f"{identity}: {message['status']}\n" if identity else f"{message['status']}\n"


def show_progress(
    messages: Iterable[dict[str, Any]],
    out: TextIO | None,
    *,
    on_aux: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Shows all messages on `out` (None: nowhere). Raises Exit with an error's code and text."""
    screen = None
    if out is not None and out.isatty():
        from sampan.cli.terminal import size

        screen = Screen(out, size(out.fileno())[1] or 80)
    for message in messages:
        if "error" in message or "errorDetail" in message:
            _fail(message)
        if message.get("aux") is not None:
            if on_aux is not None:
                on_aux(message["aux"])
            continue
        if out is not None:
            _show(message, out, screen)
            out.flush()


def _show(message: dict[str, Any], out: TextIO, screen: Screen | None) -> None:
    if message.get("stream"):
        out.write(message["stream"])
    elif "status" in message:
        if screen is not None:
            screen.show(message)
        else:
            out.write(_plain(message))


def _fail(message: dict[str, Any]) -> None:
    detail = message.get("errorDetail") or {}
    text = detail.get("message") or message.get("error") or ""
    sys.stdout.flush()
    raise Exit(int(detail.get("code") or 0) or 1, str(text))
