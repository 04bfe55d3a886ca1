"""Go's path.Match, for the `reference` filter: `*` and `?` stop at slashes, `[a-c]`, `\\x`."""

import re
from functools import lru_cache

from sampan.errors import InvalidArgument
from sampan.oci.reference import Reference


class BadPattern(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("syntax error in pattern")


def matches(pattern: str, reference: Reference) -> bool:
    """Against the familiar name with its tag or digest, or without. Raises BadPattern."""
    regex = _compile(pattern)
    return bool(regex.fullmatch(reference.familiar) or regex.fullmatch(reference.familiar_name))


@lru_cache(maxsize=64)
def _compile(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            parts.append("[^/]*")
        elif character == "?":
            parts.append("[^/]")
        elif character == "[":
            text, position = _character_class(pattern, position)
            parts.append(text)
        elif character == "\\":
            if position == len(pattern):
                raise BadPattern
            parts.append(re.escape(pattern[position]))
            position += 1
        else:
            parts.append(re.escape(character))
    return re.compile("".join(parts), re.DOTALL)


def _character_class(pattern: str, position: int) -> tuple[str, int]:
    """From behind the `[`: the regular expression, and the place behind the `]`."""
    negated = pattern[position : position + 1] == "^"
    position += negated
    ranges: list[str] = []
    while not (ranges and pattern[position : position + 1] == "]"):
        low, position = _member(pattern, position)
        high = low
        if pattern[position : position + 1] == "-":
            high, position = _member(pattern, position + 1)
        if high < low:
            raise BadPattern
        ranges.append(f"{re.escape(low)}-{re.escape(high)}")
    return f"[{'^' if negated else ''}{''.join(ranges)}]", position + 1


def _member(pattern: str, position: int) -> tuple[str, int]:
    if pattern[position : position + 1] in {"", "-", "]"}:
        raise BadPattern
    if pattern[position] == "\\":
        position += 1
        if position == len(pattern):
            raise BadPattern
    return pattern[position], position + 1
