"""`--chmod`: octal digits, or chmod(1)'s symbols (`u=rwX,go=rX`, `+x`). Pure.

Symbols change the mode that a file has; `X` is `x` for directories and for what somebody may
execute already. Without a letter for whom, everybody is meant.
"""

import re
from collections.abc import Callable

from sampan.errors import InvalidArgument

ModeChange = Callable[[int, bool], int]  # (mode, is it a directory) -> mode

_OCTAL = re.compile(r"[0-7]{1,5}")
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXstugo]*)+)")
_ACTION = re.compile(r"([-+=])([rwxXstugo]*)")
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1}
_LIMIT = 0o7777


class InvalidMode(InvalidArgument):
    def __init__(self, text: str) -> None:
        super().__init__(f"invalid chmod parameter: '{text}'. it should be octal string")


def parse_mode(text: str) -> ModeChange:
    """Raises InvalidMode."""
    if _OCTAL.fullmatch(text):
        fixed = int(text, 8)
        if fixed > _LIMIT:
            raise InvalidMode(text)
        return lambda _mode, _is_directory: fixed
    clauses = [_CLAUSE.fullmatch(clause) for clause in text.split(",")]
    if not all(clauses):
        raise InvalidMode(text)
    actions = [
        (set(found[1]) & set("ugo") or set("ugo"), action[1], action[2])
        for found in clauses
        if found
        for action in _ACTION.finditer(found[2])
    ]

    def change(mode: int, is_directory: bool) -> int:
        for who, operator, letters in actions:
            mode = _apply(mode, who, operator, letters, is_directory=is_directory)
        return mode

    return change


def _apply(mode: int, who: set[str], operator: str, letters: str, *, is_directory: bool) -> int:
    wanted = covered = 0
    for one in who:
        shift = _SHIFTS[one]
        wanted |= _bits(mode, letters, is_directory=is_directory) << shift
        covered |= 0o7 << shift
        special = {"u": 0o4000, "g": 0o2000}.get(one, 0)
        covered |= special
        if "s" in letters:
            wanted |= special
    if "t" in letters:
        wanted |= 0o1000
    match operator:
        case "+":
            return mode | wanted
        case "-":
            return mode & ~wanted
        case _:
            return mode & ~covered | wanted


def _bits(mode: int, letters: str, *, is_directory: bool) -> int:
    bits = 0
    for letter in letters:
        if letter in _BITS:
            bits |= _BITS[letter]
        elif letter == "X" and (is_directory or mode & 0o111):
            bits |= 1
        elif letter in _SHIFTS:
            bits |= mode >> _SHIFTS[letter] & 0o7
    return bits
