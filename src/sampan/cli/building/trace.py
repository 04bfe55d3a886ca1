"""What is known of a running build: its steps in the order in which they began.

`Trace.add` takes the engine's updates and says which steps they are about; displays keep nothing of
their own but what they have drawn.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.wire.buildkit.common import Timestamp
    from sampan.wire.buildkit.control import (
        StatusResponse,
        VertexLog,
        VertexRecord,
        VertexStatus,
        VertexWarning,
    )

EXPLANATION = 3  # the stream of logs that say why a step isn't cached
KEPT_LINES = 1000
CANCELED = "context canceled"


_UNITS = ("kB", "MB", "GB", "TB")


def size_shown(size_bytes: float) -> str:
    """Two digits after the point: "95B", "1.20kB"."""
    power = 0
    while size_bytes >= 1000 and power < len(_UNITS):
        size_bytes /= 1000
        power += 1
    return f"{size_bytes:.2f}{_UNITS[power - 1]}" if power else f"{size_bytes:.0f}B"


def seconds(time: Timestamp | None) -> float:
    return 0.0 if time is None else time.seconds + time.nanos / 1e9


class Line:
    """A line of output: seconds since the step began, and the text."""

    __slots__ = ("after_s", "text")

    def __init__(self, after_s: float, text: str) -> None:
        self.after_s = after_s
        self.text = text


class Step:
    """One vertex. `lines` are its last ones; `reason` says why it isn't cached."""

    def __init__(self, number: int, record: VertexRecord) -> None:
        self.number = number
        self.name = record.name
        self.started_s = 0.0
        self.completed_s = 0.0
        self.cached = False
        self.error = ""
        self.reason = ""
        self.lines: list[Line] = []
        self.statuses: dict[str, VertexStatus] = {}
        self._rest: dict[int, bytes] = {}

    @property
    def ended(self) -> bool:
        return bool(self.completed_s)

    @property
    def canceled(self) -> bool:
        return CANCELED in self.error

    def took_s(self, now_s: float) -> float:
        return max(0.0, (self.completed_s or now_s) - self.started_s)

    def take(self, record: VertexRecord) -> None:
        self.started_s = seconds(record.started) or self.started_s
        self.completed_s = seconds(record.completed) or self.completed_s
        self.cached = record.cached or self.cached
        self.error = record.error or self.error

    def log(self, log: VertexLog) -> list[Line]:
        """The lines that are whole now; output that stops within a line waits for its end."""
        if log.stream == EXPLANATION:
            self.reason = log.msg.decode("utf-8", "replace").strip()
        data = self._rest.pop(log.stream, b"") + log.msg
        *whole, rest = data.split(b"\n")
        if rest:
            self._rest[log.stream] = rest
        return self._keep(whole, seconds(log.timestamp) - self.started_s)

    def flush(self) -> list[Line]:
        """What never got its end of line."""
        rest, self._rest = list(self._rest.values()), {}
        return self._keep(rest, self.took_s(self.completed_s))

    def _keep(self, texts: list[bytes], after_s: float) -> list[Line]:
        lines = [
            Line(max(0.0, after_s), text.rstrip(b"\r").decode("utf-8", "replace")) for text in texts
        ]
        self.lines += lines
        del self.lines[:-KEPT_LINES]
        return lines


def status_text(status: VertexStatus) -> str:
    """ "transferring context: 1.20kB / 3.00MB 0.5s done" """
    text = status.ID
    if status.total:
        text += f" {size_shown(status.current)} / {size_shown(status.total)}"
    elif status.current:
        text += f" {size_shown(status.current)}"
    took = seconds(status.completed or status.timestamp) - seconds(status.started)
    if status.started is not None and took > 0.01:
        text += f" {took:.1f}s"
    return f"{text} done" if status.completed is not None else text


class Trace:
    def __init__(self) -> None:
        self.steps: dict[str, Step] = {}
        self.warnings: list[VertexWarning] = []

    def add(self, update: StatusResponse) -> list[tuple[str, Line]]:
        """The new lines, each with the digest of its step."""
        new: list[tuple[str, Line]] = []
        for record in update.vertexes:
            step = self.steps.get(record.digest)
            if step is None:
                step = self.steps[record.digest] = Step(len(self.steps) + 1, record)
            step.take(record)
            if step.ended:
                new += [(record.digest, line) for line in step.flush()]
        for status in update.statuses:
            if status.vertex in self.steps:
                self.steps[status.vertex].statuses[status.ID] = status
        for log in update.logs:
            if log.vertex in self.steps:
                new += [(log.vertex, line) for line in self.steps[log.vertex].log(log)]
        self.warnings += update.warnings
        return new

    def failed(self) -> Step | None:
        """The step that the build failed of."""
        found = [one for one in self.steps.values() if one.error and not one.canceled]
        return found[-1] if found else None

    def explained(self) -> list[Step]:
        return [step for step in self.steps.values() if step.reason]
