"""Requests to prune the build cache: POST /build/prune's query, and BuildKit's Prune message.

all=1  filters={"until": ["24h"], "id": [...]}  keep-storage=N            (1.31, 1.39)
reserved-space=N  max-used-space=N  min-free-space=N                      (1.48)
"""

import re
from collections.abc import Callable, Sequence

from sampan.engine.build_cache_use import PruneWish
from sampan.engine.images.listing import parse_until
from sampan.errors import InvalidArgument
from sampan.lib import gotime
from sampan.wire import filters as wire_filters
from sampan.wire.filters import Filters

_ON = frozenset({"1", "true", "yes", "on"})
_AGES = ("until", "unused-for")
_TERM = re.compile(r"(?P<name>[\w.-]+)(?:(?P<operator>==|~=|!=)(?P<value>.*))?", re.DOTALL)


class BadNumber(InvalidArgument):
    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name} is in bytes and expects an integer, got {text}")


class BadTerm(InvalidArgument):
    def __init__(self, text: str) -> None:
        super().__init__(f"failed to parse prune filters {text}")


def parse_prune_query(text: Callable[[str], str]) -> PruneWish:
    """`text` gives a parameter or "". Raises InvalidArgument."""
    filters = wire_filters.parse(text("filters"))
    ages = [value for name in _AGES for value in filters.get(name)]
    if len(ages) > 1:
        raise InvalidArgument("filters expect only one value for until")
    return PruneWish(
        everything=text("all").strip().lower() in _ON,
        filters=filters,
        unused_for_ns=max(gotime.now_ns() - parse_until(ages[0]), 1) if ages else 0,
        reserved_bytes=_number(text, "reserved-space") or _number(text, "keep-storage"),
        max_used_bytes=_number(text, "max-used-space"),
        min_free_bytes=_number(text, "min-free-space"),
    )


def parse_terms(terms: Sequence[str]) -> Filters:
    """BuildKit's filters: `id~=abc`, `type==regular`, `shared`. Raises InvalidArgument."""
    found: dict[str, tuple[str, ...]] = {}
    for term in terms:
        match = _TERM.fullmatch(term.strip())
        if match is None or match["operator"] == "!=":
            raise BadTerm(term)
        value = match["value"] if match["operator"] else "true"
        found[match["name"]] = (*found.get(match["name"], ()), value.strip("\"'"))
    return Filters(found)


def _number(text: Callable[[str], str], name: str) -> int:
    given = text(name)
    try:
        return max(int(given or "0"), 0)
    except ValueError:
        raise BadNumber(name, given) from None
