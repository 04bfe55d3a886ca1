"""`--progress tty`: the steps as a block that is redrawn in place, with a timer each.

    [+] Building 3.2s (5/8)
     => [internal] load build context                                        0.0s
     => [2/3] RUN make                                                       2.1s
     => => # cc -c x.c

Running steps show their transfers and last lines of output; ended ones collapse to one line. When
there are more lines than the terminal has, the oldest ended steps go first.
"""

from __future__ import annotations

import os
import time
import unicodedata

from sampan.cli.building.trace import status_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from sampan.cli.building.trace import Line, Step, Trace
    from sampan.wire.buildkit.control import StatusResponse

LOG_LINES = 6
STATUS_LINES = 8
_BLUE, _RED, _FAINT, _PLAIN = "\x1b[34m", "\x1b[31m", "\x1b[2m", "\x1b[0m"
_NARROWEST = 40


class Live:
    """See run.Display."""

    def __init__(self, trace: Trace, out: TextIO, *, colours: bool = True) -> None:
        self._trace = trace
        self._out = out
        self._colours = colours
        self._drawn = 0
        self._began_s = time.time()

    def update(self, update: StatusResponse, lines: list[tuple[str, Line]]) -> None:
        """Drawn at the next tick."""

    def tick(self) -> None:
        self._draw(finished=False)

    def finish(self) -> None:
        self._draw(finished=True)

    def _draw(self, *, finished: bool) -> None:
        columns, rows = _size(self._out)
        block = self._block(columns, rows, finished=finished)
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        text = "".join(f"\x1b[2K{line}\n" for line in block)
        self._out.write(f"{up}\r{text}\x1b[J")
        self._out.flush()
        self._drawn = 0 if finished else len(block)

    def _block(self, columns: int, rows: int, *, finished: bool) -> list[str]:
        steps = list(self._trace.steps.values())
        now_s = time.time()
        ended = sum(step.ended for step in steps)
        title = f"[+] Building {now_s - self._began_s:.1f}s ({ended}/{len(steps)})"
        groups = [self._step(step, columns, now_s, finished=finished) for step in steps]
        if finished:
            return [f"{title} FINISHED", *(line for group in groups for line in group)]
        room = max(rows - 2, 1)
        for number, step in enumerate(steps):
            if sum(map(len, groups)) <= room:
                break
            if step.ended:
                groups[number] = []
        lines = [line for group in groups for line in group]
        return [title, *lines[-room:]]

    def _step(self, step: Step, columns: int, now_s: float, *, finished: bool) -> list[str]:
        mark = "CANCELED " if step.canceled else "ERROR " if step.error else ""
        mark = mark or ("CACHED " if step.cached else "")
        took = f"{step.took_s(now_s):.1f}s"
        lines = [self._row(f" => {mark}{step.name}", took, columns, _colour(step))]
        if step.ended or finished:
            return lines
        statuses = list(step.statuses.values())[-STATUS_LINES:]
        return [
            *lines,
            *(self._row(f" => => {status_text(one)}", "", columns, "") for one in statuses),
            *(
                self._row(f" => => # {one.text}", "", columns, _FAINT)
                for one in step.lines[-LOG_LINES:]
            ),
        ]

    def _row(self, text: str, right: str, columns: int, colour: str) -> str:
        room = columns - len(right) - (1 if right else 0)
        row = fitted(text, room) + (f" {right}" if right else "")
        return f"{colour}{row}{_PLAIN}" if colour and self._colours else row


def _colour(step: Step) -> str:
    if step.error:
        return _RED
    return _BLUE if step.ended else ""


def fitted(text: str, columns: int) -> str:
    """Exactly `columns` wide: cut, or filled up. Control characters would move the cursor."""
    kept: list[str] = []
    used = 0
    for char in text.expandtabs(4):
        if not char.isprintable():
            continue
        wide = 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1
        if used + wide > columns:
            break
        kept.append(char)
        used += wide
    return "".join(kept) + " " * (columns - used)


def _size(out: TextIO) -> tuple[int, int]:
    """Columns and rows. The last column stays free: some terminals wrap when it is written."""
    try:
        found = os.get_terminal_size(out.fileno())
    except (OSError, ValueError):
        return 79, 24
    return max(found.columns - 1, _NARROWEST), max(found.lines, 5)
