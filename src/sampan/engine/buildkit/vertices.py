"""A build's progress as BuildKit's clients show it: vertices with their times, logs and transfers.

A vertex is one line of progress: a step that makes files, or something the builder does for it
(`[internal] load build context`). Its digest only has to be the same in all updates about it. The
builder's events (builder/progress.py) come in order within a stage, one step after the other, and
stages run side by side; what happens beside them goes through `begin`.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from sampan.builder import progress
from sampan.builder.dockerfile.source import SourceRange
from sampan.engine.buildkit.explaining import explanation
from sampan.engine.buildkit.linting import rule_url
from sampan.engine.buildkit.status_log import StatusLog
from sampan.lib import gotime
from sampan.wire.buildkit.common import Position, Range, SourceInfo, Timestamp, timestamp
from sampan.wire.buildkit.control import (
    StatusResponse,
    VertexLog,
    VertexRecord,
    VertexStatus,
    VertexWarning,
)

TRANSFER_INTERVAL_NS = 100_000_000
_STDOUT, _STDERR, _EXPLANATION = 1, 2, 3


def _now() -> Timestamp:
    return timestamp(gotime.now_ns())


class VertexProgress:
    """One vertex that has begun. `done` or `fail` ends it; more of that is ignored."""

    def __init__(self, log: StatusLog, digest: str, name: str, inputs: list[str]) -> None:
        self.digest = digest
        self.cached = False
        self._log = log
        self._name = name
        self._inputs = inputs
        self._started = _now()
        self._ended = False
        self._begun: dict[str, Timestamp] = {}
        self._told_ns = 0
        self._tell()

    def done(self) -> None:
        self._end("")

    def fail(self, message: str) -> None:
        self._end(message)

    def output(self, data: bytes, *, is_stderr: bool = False) -> None:
        stream = _STDERR if is_stderr else _STDOUT
        self._log.add(StatusResponse(logs=[VertexLog(self.digest, _now(), stream, data)]))

    def explain(self, line: bytes) -> None:
        """Why the step isn't cached; clients show it like a program's output."""
        self._log.add(StatusResponse(logs=[VertexLog(self.digest, _now(), _EXPLANATION, line)]))

    def status(
        self, label: str, *, current: int = 0, total: int = 0, done: bool = False, name: str = ""
    ) -> None:
        """One line below the vertex's own. In between, told ten times a second at most."""
        now_ns = gotime.now_ns()
        begun = self._begun.get(label)
        if begun is not None and not done and now_ns - self._told_ns < TRANSFER_INTERVAL_NS:
            return
        self._told_ns = now_ns
        now = timestamp(now_ns)
        if begun is None:
            begun = self._begun[label] = now
        line = VertexStatus(
            ID=label,
            vertex=self.digest,
            name=name,
            current=current,
            total=total,
            timestamp=now,
            started=begun,
            completed=now if done else None,
        )
        self._log.add(StatusResponse(statuses=[line]))

    def _end(self, error: str) -> None:
        if not self._ended:
            self._ended = True
            self._tell(completed=_now(), error=error)

    def _tell(self, completed: Timestamp | None = None, error: str = "") -> None:
        record = VertexRecord(
            digest=self.digest,
            inputs=self._inputs,
            name=self._name,
            cached=self.cached,
            started=self._started,
            completed=completed,
            error=error,
        )
        self._log.add(StatusResponse(vertexes=[record]))


class Vertices:
    """See progress.BuildEmit. `reference` is the build's own; it keeps digests of builds apart."""

    def __init__(self, log: StatusLog, reference: str, *, explain: bool = False) -> None:
        self.explain = explain
        self._log = log
        self._reference = reference
        self._count = 0
        self._own = Steps(self)
        self._all = [self._own]
        self.last = ""  # the digest of the vertex that began last
        self.where: SourceRange | None = None  # the instruction that is being done, or failed
        self.failed = False
        self.source: SourceInfo | None = None  # the Dockerfile

    def begin(self, name: str, inputs: list[str] | None = None) -> VertexProgress:
        self._count += 1
        unique = f"{self._reference}\0{self._count}\0{name}".encode()
        digest = f"sha256:{hashlib.sha256(unique).hexdigest()}"
        self.last = self.last or digest
        return VertexProgress(self._log, digest, name, inputs or [])

    def __call__(self, event: progress.Event) -> None:
        self._own(event)

    def stage(self, index: int) -> "Steps":
        steps = Steps(self)
        self._all.append(steps)
        return steps

    async def ready(self) -> None:
        await self._log.ready()

    def fail(self, message: str) -> None:
        """The build has failed, with these words for the step that it is about."""
        for steps in self._all:
            steps.fail(message)

    def lint(self, found: progress.LintFound) -> None:
        line = found.where.first_line
        text = f"{found.rule}: {found.message}" + (f" (line {line})" if line else "")
        self.warn(text, where=found.where, detail=found.detail, url=rule_url(found.rule))

    def warn(
        self,
        text: str,
        *,
        where: SourceRange | None = None,
        detail: str = "",
        url: str = "",
    ) -> None:
        ranges = []
        if where is not None:
            ranges = [Range(Position(where.first_line), Position(where.last_line))]
        warning = VertexWarning(
            vertex=self.last,
            level=1,
            short=text.encode(),
            detail=[detail.encode()] if detail else [],
            url=url,
            info=self.source if ranges else None,
            ranges=ranges,
        )
        self._log.add(StatusResponse(warnings=[warning]))


class Steps:
    """The steps of one stage, one after the other. See progress.Emit."""

    def __init__(self, owner: Vertices) -> None:
        self._owner = owner
        self._step: VertexProgress | None = None
        self._last = ""
        self._where: SourceRange | None = None
        self._cancelled = False

    def __call__(self, event: progress.Event) -> None:
        match event:
            case progress.StepStarted():
                self._start(event)
            case progress.LintFound():
                line = event.where.first_line
                text = f"{event.rule}: {event.message} (line {line})"
                self._owner.warn(text, where=event.where, detail=event.detail)
            case progress.Notice(is_warning=True):
                self._owner.warn(event.text)
            case progress.LintFound():
                self._owner.lint(event)
            case progress.StepResult():
                self._finish()
            case progress.StepFailed():
                self._note_failure(event)
            case _ if self._step is not None:
                self._within(self._step, event)

    async def ready(self) -> None:
        await self._owner.ready()

    def fail(self, message: str) -> None:
        if self._step is not None:
            self._step.fail("context canceled" if self._cancelled else message)
            self._step = None

    def _start(self, event: progress.StepStarted) -> None:
        self._finish()
        self._where = event.where
        if not self._owner.failed:
            self._owner.where = event.where
        if event.place:
            inputs = [self._last] if self._last else []
            self._step = self._owner.begin(f"{event.place} {event.text}", inputs)
            self._last = self._owner.last = self._step.digest

    def _finish(self) -> None:
        if self._step is not None:
            self._step.done()
            self._step = None

    def _note_failure(self, event: progress.StepFailed) -> None:
        """The vertex ends with the build, whose words for the failure are BuildKit's."""
        if event.cancelled:
            self._cancelled = True
        elif not self._owner.failed:
            self._owner.failed = True
            self._owner.where = self._where

    def _within(self, step: VertexProgress, event: progress.Event) -> None:
        match event:
            case progress.CacheUsed():
                step.cached = True
            case progress.CacheMissed() if self._owner.explain:
                step.explain(f"not cached: {explanation(event.reasons)}\n".encode())
            case progress.Output():
                step.output(event.data, is_stderr=event.is_stderr)
            case progress.Notice():
                step.output(event.text.encode())
            case progress.Pulling():
                _pulling(step, event.message)


def _pulling(step: VertexProgress, message: Mapping[str, Any]) -> None:
    """A progress object of a pull: {"id": layer, "status": ..., "progressDetail": {...}}."""
    layer, status = str(message.get("id", "")), str(message.get("status", ""))
    if not layer or not status:
        return
    detail = message.get("progressDetail") or {}
    finished = status in {"Pull complete", "Already exists"}
    step.status(
        layer,
        current=int(detail.get("current") or 0),
        total=int(detail.get("total") or 0),
        done=finished,
        name=status.lower(),
    )
