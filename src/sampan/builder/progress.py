"""What a build tells while it runs: typed events, rendered elsewhere.

The builder calls `Emit` on the event loop's thread; it never blocks and never fails. Order
within one step: StepStarted, then any of the middle ones, then StepResult.
"""

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
class Pulling:
    """A progress object of the registry side, passed through."""

    message: Mapping[str, Any]


Event = (
    StepStarted
    | CacheUsed
    | Running
    | Output
    | RunEnded
    | StepResult
    | Triggers
    | StageFinished
    | Notice
    | Pulling
)


class Emit(Protocol):
    """Takes events at once; `ready` waits while the reader is far behind."""

    def __call__(self, event: Event) -> None: ...

    async def ready(self) -> None: ...
