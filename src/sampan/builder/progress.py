"""What a build tells while it runs: typed events, rendered elsewhere.

The builder calls `Emit` on the event loop's thread; it never blocks and never fails. Order
within one step: StepStarted, then CacheUsed or CacheMissed, then any of the middle ones, then
StepResult or StepFailed.

    build                    warnings, global ARGs
      stage(0)  stage(2)     one Emit each: stages run side by side, and their events interleave

Steps are numbered in the order of the file, whichever stage comes first.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sampan.builder.dockerfile.source import SourceRange


@dataclass(frozen=True, slots=True)
class StepStarted:
    """`text` is the instruction as written, `place` where it stands in its stage (see places.py);
    empty for steps that only change the configuration."""

    number: int
    total: int
    text: str
    place: str = ""
    where: SourceRange | None = None


@dataclass(frozen=True, slots=True)
class CacheUsed:
    pass


class Changed(enum.Enum):
    """Which kind of input made a step differ from the last time."""

    NEVER_CACHED = "never cached before"
    NO_CACHE = "the cache is not used"
    RESULT_GONE = "the cached result was removed"
    INSTRUCTION = "the instruction changed"
    BASE = "the base image changed"
    PARENT = "the step before it changed"
    SOURCE = "the stage or image that files come from changed"
    FILE_ADDED = "file added"
    FILE_CHANGED = "file changed"
    FILE_REMOVED = "file removed"
    ARGUMENT = "build argument changed"
    ENVIRONMENT = "environment variable changed"
    SETTING = "setting changed"


@dataclass(frozen=True, slots=True)
class Reason:
    """`name` is the file, the variable, the image or the setting; `before` and `after` are its
    values where they are short and no secret could be in them, else empty."""

    changed: Changed
    name: str = ""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class CacheMissed:
    """The step is done anew; `reasons` is not empty, most telling first."""

    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class StepFailed:
    """`message` says why the step came to nothing; `cancelled`: something else had failed."""

    message: str
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """A program (or what the classic builder runs a container for) begins; `id` is 64 digits."""

    id: str


@dataclass(frozen=True, slots=True)
class Output:
    """Bytes as the program wrote them."""

    data: bytes
    is_stderr: bool = False


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The container of `Running` is gone."""

    id: str


@dataclass(frozen=True, slots=True)
class StepResult:
    """The image that the step made; empty for FROM scratch."""

    image_id: str


@dataclass(frozen=True, slots=True)
class Triggers:
    """The base has this many ONBUILD triggers, which run now."""

    count: int


@dataclass(frozen=True, slots=True)
class StageFinished:
    image_id: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A line for the user."""

    text: str
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class LintFound:
    """Something doubtful in the Dockerfile, by the rule's name; `detail` is what the rule asks."""

    rule: str
    message: str
    detail: str
    where: SourceRange


@dataclass(frozen=True, slots=True)
class Pulling:
    """A progress object of the registry side, passed through."""

    message: Mapping[str, Any]


Event = (
    StepStarted
    | CacheUsed
    | CacheMissed
    | StepFailed
    | Running
    | Output
    | RunEnded
    | StepResult
    | Triggers
    | StageFinished
    | Notice
    | LintFound
    | Pulling
)


class Emit(Protocol):
    """Takes events at once; `ready` waits while the reader is far behind."""

    def __call__(self, event: Event) -> None: ...

    async def ready(self) -> None: ...


class BuildEmit(Emit, Protocol):
    """The whole build's; what is told outside of stages goes here directly."""

    def stage(self, index: int) -> Emit:
        """The events of one stage. Called once for each stage, in the order of the file, before
        the first of them begins; a stage's last event is StageFinished, unless it fails."""
        ...
