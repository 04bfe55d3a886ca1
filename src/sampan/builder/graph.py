"""The build graph: vertices, what they do, and what comes out. The solver knows nothing more.

    FROM busybox        [source]
    COPY f /            [source] <- [copy] -> [context]
    COPY --from=0 a b   [copy] -> [the last vertex of stage 0]

An `Op` is opaque: it says under which key its result may be found again, and it makes the result.
The first input of a vertex is the state that it continues; the others are what it reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sampan.builder.cache_keys import Key
from sampan.builder.dockerfile.source import SourceRange
from sampan.builder.progress import Emit, StepStarted
from sampan.store.image_records import LocalLayer


class Result(Protocol):
    """What a vertex made. Results with equal identities are interchangeable."""

    @property
    def identity(self) -> str: ...


class Op(Protocol):
    """One operation; used once, by one solver."""

    async def key(self, inputs: Sequence[Result]) -> Key | None:
        """Content address of the operation with these inputs; None: never cached.

        `run` is called after it, if at all.
        """
        ...

    async def run(self, inputs: Sequence[Result], emit: Emit) -> Result:
        """Make the result. Cancelled or failed, it leaves nothing behind."""
        ...


@runtime_checkable
class LayerOp(Op, Protocol):
    """An operation with keys that have `apart`: its layer is the same on whatever it is put."""

    async def put_on(self, inputs: Sequence[Result], layer: LocalLayer) -> Result:
        """The result of `run`, with a layer that was made on another state.

        Called after `key`. Raises NotFound if the layer has gone meanwhile.
        """
        ...


@dataclass(frozen=True, slots=True)
class StepLabel:
    """Which line of progress a vertex is; see progress.StepStarted."""

    number: int
    total: int
    text: str
    place: str = ""
    where: SourceRange | None = None

    def started(self) -> StepStarted:
        return StepStarted(self.number, self.total, self.text, self.place, self.where)


@dataclass(frozen=True, slots=True, eq=False)
class Vertex:
    """Compared by identity: two equal instructions are two steps."""

    op: Op
    inputs: tuple["Vertex", ...] = ()
    label: StepLabel | None = None
    shows_result: bool = True
