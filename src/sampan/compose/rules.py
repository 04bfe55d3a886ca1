"""Which rule holds at which place of a tree: patterns such as `services.*.ports.*.target`.

A star stands for any one key or list index. Patterns of one table don't overlap.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

from sampan.compose.failures import Path

T = TypeVar("T")


class Rules(Generic[T]):
    def __init__(self, patterns: Mapping[str, T]) -> None:
        self._by_length: dict[int, list[tuple[Path, T]]] = {}
        for pattern, rule in patterns.items():
            parts = tuple(pattern.split("."))
            self._by_length.setdefault(len(parts), []).append((parts, rule))

    def find(self, path: Path) -> T | None:
        for parts, rule in self._by_length.get(len(path), ()):
            if all(part in ("*", key) for part, key in zip(parts, path, strict=True)):
                return rule
        return None


def children(value: Any) -> Iterator[tuple[Any, str, Any]]:
    """(index or key, its text, child) of a dict or list; nothing for a scalar."""
    if isinstance(value, dict):
        for key, child in list(value.items()):
            yield key, key, child
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield index, str(index), child


def go_text(value: Any) -> str:
    """A scalar as Go prints it."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return go_float(value)
    return str(value)


def go_float(value: float, least: int = -4, most: int = 6) -> str:
    """The shortest text; with an exponent below `least` and from `most` on."""
    if not math.isfinite(value):
        return {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
    if value == 0:
        return "0"
    from decimal import Decimal

    digits, _, exponent = f"{Decimal(repr(value)).normalize():e}".partition("e")
    power = int(exponent)
    if power < least or power >= most:
        return f"{digits}e{'-' if power < 0 else '+'}{abs(power):02d}"
    return f"{Decimal(repr(value)).normalize():f}"
