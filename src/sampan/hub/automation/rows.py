"""From a row to a record of the same fields."""

from typing import Any, Protocol, TypeVar

from sqlalchemy import Row


class _Slotted(Protocol):
    __slots__: tuple[str, ...]


Record = TypeVar("Record", bound=_Slotted)


def record_of(kind: type[Record], row: Row[Any]) -> Record:
    """`kind` is a dataclass with slots; the row may have more columns."""
    facts = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for a row as a dict
    return kind(**{name: facts[name] for name in kind.__slots__})
