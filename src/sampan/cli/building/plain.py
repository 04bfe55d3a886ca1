"""`--progress plain`: lines, each with the number of its step.

    #5 [2/3] RUN make
    #5 0.312 cc -c x.c
    #5 DONE 0.4s

Steps run side by side, but one is shown at a time: until it ends, or for `PATIENCE_S` while others
have something to say ("#5 ..." says that it goes on).
"""

from __future__ import annotations

import time

from sampan.cli.building.trace import status_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from sampan.cli.building.trace import Line, Step, Trace
    from sampan.wire.buildkit.control import StatusResponse

PATIENCE_S = 5.0


class Plain:
    """See run.Display."""

    def __init__(self, trace: Trace, out: TextIO) -> None:
        self._trace = trace
        self._out = out
        self._waiting: dict[str, list[str]] = {}  # by digest, in order of arrival
        self._told: set[str] = set()
        self._current = ""
        self._since_s = 0.0

    def update(self, update: StatusResponse, lines: list[tuple[str, Line]]) -> None:
        for status in update.statuses:
            step = self._trace.steps.get(status.vertex)
            if step is not None and status.completed is not None:
                self._say(status.vertex, f"#{step.number} {status_text(status)}")
        for digest, line in lines:
            number = self._trace.steps[digest].number
            self._say(digest, f"#{number} {line.after_s:.3f} {line.text}")
        for record in update.vertexes:
            self._step(record.digest, self._trace.steps[record.digest])
        self._print()

    def tick(self) -> None:
        self._print()

    def finish(self) -> None:
        for digest in list(self._waiting):
            self._show(digest)

    def _step(self, digest: str, step: Step) -> None:
        self._waiting.setdefault(digest, [])
        if step.ended and digest not in self._told:
            self._told.add(digest)
            self._say(digest, f"#{step.number} {_end(step)}")

    def _say(self, digest: str, line: str) -> None:
        self._waiting.setdefault(digest, []).append(line)

    def _print(self) -> None:
        """The current step's lines; then those of others, if it is done or had its time."""
        while self._waiting:
            current = self._current
            if current in self._waiting:
                self._flush(current)
            step = self._trace.steps.get(current)
            going_on = step is not None and not step.ended
            others = [digest for digest in self._waiting if digest != current]
            if not others or (going_on and time.monotonic() - self._since_s < PATIENCE_S):
                break
            ended = [digest for digest in others if digest in self._told]
            self._show((ended or others)[0])
            self._waiting.pop(current, None)
        self._out.flush()

    def _show(self, digest: str) -> None:
        step = self._trace.steps[digest]
        if self._current != digest:
            last = self._trace.steps.get(self._current)
            if last is not None:
                self._out.write("\n" if last.ended else f"#{last.number} ...\n\n")
            self._out.write(f"#{step.number} {step.name}\n")
            self._current, self._since_s = digest, time.monotonic()
        self._flush(digest)

    def _flush(self, digest: str) -> None:
        lines = self._waiting.pop(digest, [])
        self._out.write("".join(f"{line}\n" for line in lines))


def _end(step: Step) -> str:
    if step.canceled:
        return "CANCELED"
    if step.error:
        return f"ERROR: {step.error}"
    return "CACHED" if step.cached else f"DONE {step.took_s(step.completed_s):.1f}s"
