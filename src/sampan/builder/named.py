"""Names to which the client gives a meaning of its own (`--build-context`, BuildKit's `context:`).

Such a name goes before stages and images wherever FROM or --from say it. It matches as written, in
either case, or as the image name that it is (`alpine` is `docker.io/library/alpine:latest`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sampan.builder.cache_keys import Key
from sampan.builder.graph import Result
from sampan.builder.ops.source import Context
from sampan.builder.progress import Emit
from sampan.builder.results import State
from sampan.errors import InvalidArgument
from sampan.oci.reference import parse_reference


@dataclass(frozen=True, slots=True)
class NamedImage:
    reference: str


@dataclass(frozen=True, slots=True)
class NamedFiles:
    context: Context


@dataclass(frozen=True, slots=True)
class NamedState:
    """The result of another build."""

    state: State


Named = NamedImage | NamedFiles | NamedState


class FilesAsBase(InvalidArgument):
    def __init__(self, name: str) -> None:
        super().__init__(f"the named context {name} is a directory and can't be a base image")


class NamedSources:
    """Looks names up."""

    def __init__(self, named: Mapping[str, Named]) -> None:
        self._named = {_canonical(name): meaning for name, meaning in named.items()}

    def find(self, name: str) -> Named | None:
        return self._named.get(_canonical(name)) if self._named else None


def _canonical(name: str) -> str:
    try:
        return str(parse_reference(name.lower()).with_default_tag())
    except InvalidArgument:
        return name.lower()


class KnownState:
    """An operation whose result is there."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def key(self, inputs: Sequence[Result]) -> Key | None:
        return None

    async def run(self, inputs: Sequence[Result], emit: Emit) -> Result:
        return self._state
