"""Records that cost next to nothing to define: what a command line of many records starts with.

    class Port(Record, frozen=True, kw_only=True):
        target: int
        protocol: str = "tcp"

The semantics are those of `dataclasses` (fields in order, inherited ones first, equality by value,
no assignment where `frozen`), and type checkers treat them as such. `dataclasses` itself compiles
methods for each class and loads `inspect`, `msgspec` loads half the standard library: either
takes longer than Compose's whole run against the engine may. Engine and hub, which decode JSON
into types and start once, keep to `msgspec`. Defaults are shared by all instances, so that they
must not be changed in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar, dataclass_transform

T = TypeVar("T", bound="Record")
TYPE_CHECKING = False


@dataclass_transform()
class Record:
    """The base of all; keywords of a subclass: `frozen`, `kw_only`."""

    __fields__: ClassVar[tuple[str, ...]] = ()
    __defaults__: ClassVar[Mapping[str, Any]] = {}
    __required__: ClassVar[frozenset[str]] = frozenset()
    __kw_only__: ClassVar[bool] = False
    __frozen__: ClassVar[bool] = False

    def __init_subclass__(cls, *, frozen: bool = False, kw_only: bool = False) -> None:
        own = cls.__dict__.get("__annotations__", {})  # noqa: RUF063 - it loads ast and dis
        cls.__fields__ = tuple(dict.fromkeys((*cls.__fields__, *own)))
        given = {name: cls.__dict__[name] for name in own if name in cls.__dict__}
        cls.__defaults__ = {**cls.__defaults__, **given}
        cls.__required__ = frozenset(cls.__fields__) - cls.__defaults__.keys()
        cls.__kw_only__ = kw_only
        cls.__frozen__ = frozen

    if not TYPE_CHECKING:  # type checkers make them of the fields themselves

        def __init__(self, *values: object, **more: object) -> None:
            cls = type(self)
            found = self.__dict__
            found.update(cls.__defaults__)
            if values:
                more = _named(cls, values, more)
            found.update(more)
            if len(found) != len(cls.__fields__) or not cls.__required__ <= more.keys():
                raise TypeError(_complaint(cls, more))

        def __setattr__(self, name: str, value: object) -> None:
            if self.__frozen__ or name not in self.__fields__:
                raise AttributeError(f"{type(self).__name__}.{name} can't be assigned")
            self.__dict__[name] = value

        def __eq__(self, other: object) -> bool:
            return type(other) is type(self) and self.__dict__ == other.__dict__

        def __hash__(self) -> int:
            return hash(tuple(self.__dict__[name] for name in self.__fields__))

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self.__fields__)
        return f"{type(self).__name__}({inner})"


def _named(
    cls: type[Record], values: tuple[object, ...], more: dict[str, object]
) -> dict[str, object]:
    names = cls.__fields__[: len(values)]
    if len(values) > len(names) or cls.__kw_only__ or not more.keys().isdisjoint(names):
        raise TypeError(f"{cls.__name__} doesn't take {len(values)} positional values here")
    return {**dict(zip(names, values, strict=True)), **more}


def _complaint(cls: type[Record], given: Mapping[str, object]) -> str:
    missing = sorted(cls.__required__ - given.keys())
    unknown = sorted(given.keys() - set(cls.__fields__))
    return f"{cls.__name__}: missing fields {missing}, unknown fields {unknown}"


def replace(record: T, **changes: object) -> T:
    """A copy with other values in some fields."""
    return type(record)(**{**record.__dict__, **changes})


def defaults(kind: type[Record]) -> list[tuple[str, Any]]:
    """The names of the fields in their order, each with its default (None: it has none)."""
    return [(name, kind.__defaults__.get(name)) for name in kind.__fields__]
