"""Patterns of file names: Go's filepath.Match plus `**`, in a time that no pattern can blow up.

Patterns come from strangers, and a regular expression with many stars takes for ever on a name
that nearly matches. Those with few become regular expressions; the others are run as a set of
positions, one bit each, that moves over the name a character at a time.

    elements   what one character must be, in order; position n is in front of element n
    loops      `*` and `**` let a position stay: on all but "/", on everything
    skips      `**/` is nothing at all, or anything that ends in "/"
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

_FEW_STARS = 2

Matcher = Callable[[str], bool]


@lru_cache(maxsize=1024)
def matcher(pattern: str, *, below: bool = False) -> Matcher:
    """Whether a whole name matches; with `below` also names under one that does.

    Raises re.error for patterns that can't be read.
    """
    parts = _parts(pattern)
    whole = re.compile("".join(parts) + (r"(?:/.*)?" if below else ""), re.DOTALL)
    if sum(part in _STARS for part in parts) <= _FEW_STARS:
        return lambda name: whole.fullmatch(name) is not None
    positions = _Positions()
    for part in parts:
        positions.add(part)
    return lambda name: positions.match(name, below=below)


_STAR, _ANY, _FOLDERS = "[^/]*", ".*", "(?:.*/)?"
_STARS = frozenset({_STAR, _ANY, _FOLDERS})


def _parts(pattern: str) -> list[str]:
    """Regular expressions of one character each, and stars; classes negate with ^ only."""
    found: list[str] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            if pattern[position : position + 1] != "*":
                found.append(_STAR)
                continue
            position += 1
            if pattern[position : position + 1] == "/":
                position += 1
                found.append(_FOLDERS)
            else:
                found.append(_ANY)
        elif char == "?":
            found.append("[^/]")
        elif char == "[":
            end = pattern.find("]", position + 1)
            if end < 0:
                raise re.error("missing ]", pattern, position)
            found.append("[" + pattern[position:end].replace("[", "\\[") + "]")
            position = end + 1
        elif char == "\\" and position < len(pattern):
            found.append(re.escape(pattern[position]))
            position += 1
        else:
            found.append(re.escape(char))
    return found


@dataclass(slots=True)
class _Positions:
    """Masks of positions; `moves` and `stays` are made per character, when it is first met."""

    elements: list[re.Pattern[str] | None] = field(default_factory=list)
    narrow: int = 0  # loops on all but "/"
    wide: int = 0  # loops on everything
    skips: int = 0  # may go on without a character, to the next and to the one after it
    moves: dict[str, int] = field(default_factory=dict)

    def add(self, part: str) -> None:
        here = 1 << len(self.elements)
        if part == _STAR:
            self.narrow |= here
        elif part == _ANY:
            self.wide |= here
        elif part == _FOLDERS:
            self.skips |= here
            self.wide |= here << 1
            self.elements += [None, re.compile("/")]
        else:
            self.elements.append(re.compile(part, re.DOTALL))

    def match(self, name: str, *, below: bool) -> bool:
        accepting = 1 << len(self.elements)
        present = self._settled(1)
        for char in name:
            if below and char == "/" and present & accepting:
                return True
            stays = present & (self.wide if char == "/" else self.wide | self.narrow)
            present = self._settled((present & self._moves(char)) << 1 | stays)
            if not present:
                return False
        return bool(present & accepting)

    def _settled(self, present: int) -> int:
        """With the positions that need no character. Two skips may follow each other."""
        while (skipping := present & self.skips) and (
            more := (skipping << 1 | skipping << 2) & ~present
        ):
            present |= more
        return present

    def _moves(self, char: str) -> int:
        known = self.moves.get(char)
        if known is None:
            known = sum(
                1 << index
                for index, element in enumerate(self.elements)
                if element is not None and element.fullmatch(char)
            )
            self.moves[char] = known
        return known
