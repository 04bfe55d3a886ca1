"""Progress on standard error: lines, a picture redrawn in place, JSON, or nothing.

plain                          on a terminal
 Container x-db-1  Creating    [+] Running 1/2
 Container x-db-1  Created      ✔ Container x-db-1   Created  0.1s
                                ⠋ Container x-web-1  Starting  0.0s
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from threading import Event as Flag
from threading import Lock, Thread

from sampan.cli.command import Exit
from sampan.compose.progress import Event, Phase
from sampan.lib.jsontext import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Protocol, Self, TextIO

    class Display(Protocol):
        """Gets events from any thread, between enter and exit; `suspended` lets others print."""

        def report(self, event: Event) -> None: ...
        def suspended(self) -> AbstractContextManager[None]: ...
        def __enter__(self) -> Self: ...
        def __exit__(
            self,
            kind: type[BaseException] | None,
            error: BaseException | None,
            traceback: TracebackType | None,
        ) -> None: ...


REDRAW_S = 0.1
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
GREEN, RED, YELLOW, BLUE, RESET = "\033[32m", "\033[31m", "\033[33m", "\033[34m", "\033[0m"
MARKS = {Phase.DONE: ("✔", GREEN), Phase.WARNING: ("!", YELLOW), Phase.ERROR: ("✘", RED)}


def said(event: Event) -> str:
    """The word and its detail; engines' messages begin with "Error" themselves."""
    if event.detail.startswith(event.text):
        return event.detail
    return f"{event.text} {event.detail}".rstrip()


class _Scoped:
    """Nothing to begin or end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the display."""

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Others may print in between."""
        yield


class Plain(_Scoped):
    """One line an event."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = Lock()

    def report(self, event: Event) -> None:
        words = f" {event.subject}  {said(event)}"
        with self._lock:
            self._out.write(words + "\n")
            self._out.flush()


class Json(Plain):
    """One JSON object an event."""

    def report(self, event: Event) -> None:
        found: dict[str, object] = {"id": event.subject, "status": event.text}
        if event.detail:
            found["text"] = event.detail
        if event.phase is Phase.ERROR:
            found["error"] = True
        with self._lock:
            self._out.write(encode(found) + "\n")
            self._out.flush()


class Quiet(_Scoped):
    """Nothing at all."""

    def report(self, event: Event) -> None:
        """Not shown."""


class _Row:
    __slots__ = ("began_s", "ended_s", "event")

    def __init__(self, event: Event, now_s: float) -> None:
        self.event = event
        self.began_s = now_s
        self.ended_s = 0.0


class Terminal(_Scoped):
    """Rows by subject, drawn again ten times a second by a thread of its own."""

    def __init__(self, out: TextIO, title: str, *, columns: int, rows: int) -> None:
        self._out = out
        self._title = title
        self._columns = columns
        self._most = max(rows - 2, 3)
        self._rows: dict[str, _Row] = {}
        self._lock = Lock()
        self._drawn = 0
        self._paused = False
        self._frame = 0
        self._ended = Flag()
        self._thread = Thread(target=self._draw_on, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def report(self, event: Event) -> None:
        now_s = time.monotonic()
        with self._lock:
            row = self._rows.setdefault(event.subject, _Row(event, now_s))
            row.event = event
            row.ended_s = 0.0 if event.phase is Phase.WORKING else now_s

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._draw()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """What was drawn stays where it is; drawing goes on below what others print."""
        self._draw()
        with self._lock:
            self._paused = True
        try:
            yield
        finally:
            with self._lock:
                self._paused = False
                self._drawn = 0

    def _draw_on(self) -> None:
        while not self._ended.wait(REDRAW_S):
            self._draw()

    def _draw(self) -> None:
        with self._lock:
            if self._paused or not self._rows:
                return
            lines = self._lines()
            up = f"\033[{self._drawn}A" if self._drawn else ""
            body = "".join(f"\033[2K{line}\n" for line in lines)
            self._out.write(f"{up}\r\033[?25l{body}\033[J\033[?25h")
            self._out.flush()
            self._drawn = len(lines)
            self._frame += 1

    def _lines(self) -> list[str]:
        done = sum(row.event.phase is not Phase.WORKING for row in self._rows.values())
        head = f"[+] {self._title} {done}/{len(self._rows)}"
        if done == len(self._rows):
            head = f"{BLUE}{head}{RESET}"
        width = max(len(subject) for subject in self._rows)
        shown = list(self._rows.items())
        if len(shown) > self._most:
            busy = [item for item in shown if item[1].event.phase is Phase.WORKING]
            rest = [item for item in shown if item[1].event.phase is not Phase.WORKING]
            shown = (busy + rest[::-1])[: self._most]
        return [head, *(self._line(subject, row, width) for subject, row in shown)]

    def _line(self, subject: str, row: _Row, width: int) -> str:
        event = row.event
        mark, colour = MARKS.get(event.phase, (SPINNER[self._frame % len(SPINNER)], YELLOW))
        passed_s = (row.ended_s or time.monotonic()) - row.began_s
        text = f" {said(event)}"
        time_text = f" {passed_s:.1f}s "
        room = max(self._columns - width - len(time_text) - 5, 8)
        if len(text) > room:
            text = text[: room - 3] + "..."
        shade = colour if event.phase is not Phase.WORKING else GREEN
        return (
            f" {colour}{mark}{RESET} {subject.ljust(width)} {shade}{text}{RESET}"
            f" {BLUE}{time_text}{RESET}"
        )


def choose(kind: str, title: str, *, terminal: bool, coloured: bool) -> Display:
    """Raises Exit for a kind that there isn't."""
    out = sys.stderr
    if kind in {"auto", ""}:
        kind = "tty" if terminal and out.isatty() else "plain"
    if kind == "tty" and coloured:
        from sampan.cli.terminal import size

        rows, columns = size(out.fileno())
        return Terminal(out, title, columns=columns or 80, rows=rows or 25)
    if kind in {"plain", "tty"}:
        return Plain(out)
    if kind in {"json", "rawjson"}:
        return Json(out)
    if kind == "quiet":
        return Quiet()
    raise Exit(1, f'unsupported --progress value "{kind}"')
