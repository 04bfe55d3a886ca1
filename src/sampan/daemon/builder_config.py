"""The `builder` object of daemon.json.

    {"builder": {"max-parallelism": 4,
                 "gc": {"enabled": true, "defaultKeepStorage": "10GB"}}}

`defaultReservedSpace` and `defaultMaxUsedSpace`, dockerd's later names, mean the same bound here;
the last one given wins. Nothing given: programs of builds run at once are twice the processors, and
the cache may take a tenth of the disk, 20 GB at most.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sampan.lib.units import parse_size_bytes

_BOUNDS = ("defaultKeepStorage", "defaultReservedSpace", "defaultMaxUsedSpace")


@dataclass(frozen=True, slots=True)
class BuilderConfig:
    """0 and None: the default."""

    max_parallelism: int = 0
    collects: bool = True
    kept_bytes: int | None = None


def builder_config(value: Any) -> BuilderConfig:
    """Raises TypeError, ValueError or KeyError for what isn't understood."""
    known = _object(value, {"gc", "max-parallelism"})
    limit = known.get("max-parallelism", 0)
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        raise TypeError
    rules = _object(known.get("gc", {}), {"enabled", *_BOUNDS})
    collects = rules.get("enabled", True)
    if not isinstance(collects, bool):
        raise TypeError
    sizes = [parse_size_bytes(rules[name]) for name in _BOUNDS if name in rules]
    return BuilderConfig(limit, collects, sizes[-1] if sizes else None)


def _object(value: Any, keys: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    if unknown := set(value) - keys:
        raise KeyError(*sorted(unknown))
    return value
