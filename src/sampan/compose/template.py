"""Variables in text: `$V`, `${V}`, `${V:-x}`, `${V-x}`, `${V:?x}`, `${V?x}`, `${V:+x}`, `${V+x}`.

What stands behind an operator is text with variables of its own, to any depth; `$$` is a dollar
sign, and so is one that begins none of these. Unset variables without a default are empty and
reported; an unfinished `${` is an error.
"""

import re
from collections.abc import Callable, Iterator

from sampan.errors import InvalidArgument
from sampan.lib.records import Record

Lookup = Callable[[str], str | None]
Report = Callable[[str], None]

_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")
MAX_DEPTH = 50


def unset_warning(name: str) -> str:
    return f'The "{name}" variable is not set. Defaulting to a blank string.'


class BadTemplate(InvalidArgument):
    def __init__(self, text: str) -> None:
        super().__init__(f'Invalid template: "{text}"')
        self.text = text


class VariableMissing(InvalidArgument):
    def __init__(self, name: str, reason: str) -> None:
        why = f": {reason}" if reason else ""
        super().__init__(f"required variable {name} is missing a value{why}")
        self.name = name


class Reference(Record, frozen=True):
    """One use of a variable; `operator` is empty for a bare one."""

    name: str
    operator: str = ""
    argument: str = ""


def parse(text: str) -> Iterator[str | Reference]:
    """The pieces of `text`: literal text and references. Raises BadTemplate."""
    start = 0
    while True:
        dollar = text.find("$", start)
        if dollar < 0:
            if text[start:]:
                yield text[start:]
            return
        if text[start:dollar]:
            yield text[start:dollar]
        follower = text[dollar + 1 : dollar + 2]
        if follower == "$":
            yield "$"
            start = dollar + 2
        elif follower == "{":
            end = _closing(text, dollar + 1)
            if end < 0:
                raise BadTemplate(text)
            yield _braced(text[dollar + 2 : end], text)
            start = end + 1
        else:
            name = _NAME.match(text, dollar + 1)
            yield Reference(name[0]) if name else "$"
            start = name.end() if name else dollar + 1


def _closing(text: str, brace: int) -> int:
    """Where the brace at `brace` is closed, counting the `${` inside; -1: nowhere."""
    depth = 0
    index = brace
    while index < len(text):
        if text[index] == "}":
            depth -= 1
            if depth == 0:
                return index
        elif text[index] == "{":
            depth += 1
        index += 1
    return -1


def _braced(inner: str, whole: str) -> Reference:
    name = _NAME.match(inner)
    if name is None:
        raise BadTemplate(whole)
    rest = inner[name.end() :]
    if not rest:
        return Reference(name[0])
    for operator in _OPERATORS:
        if rest.startswith(operator):
            return Reference(name[0], operator, rest[len(operator) :])
    raise BadTemplate(whole)


def substitute(text: str, lookup: Lookup, unset: Report | None = None, depth: int = 0) -> str:
    """`text` with its variables replaced; `unset` hears of names without value or default."""
    if "$" not in text:
        return text
    if depth > MAX_DEPTH:
        raise BadTemplate(text)
    return "".join(
        piece if isinstance(piece, str) else _value(piece, lookup, unset, depth)
        for piece in parse(text)
    )


def _value(reference: Reference, lookup: Lookup, unset: Report | None, depth: int) -> str:
    value = lookup(reference.name)
    operator = reference.operator
    if not operator:
        if value is None and unset is not None:
            unset(reference.name)
        return value or ""
    there = value is not None and (value != "" or ":" not in operator)
    argument = substitute(reference.argument, lookup, unset, depth + 1)
    match operator[-1]:
        case "-":
            return value or "" if there else argument
        case "+":
            return argument if there else value or ""
        case _:
            if not there:
                raise VariableMissing(reference.name, argument)
            return value or ""


def references(text: str) -> Iterator[Reference]:
    """Every variable that `text` mentions, those in defaults included; bad ones are skipped."""
    if "$" not in text:
        return
    try:
        pieces = list(parse(text))
    except BadTemplate:
        return
    for piece in pieces:
        if isinstance(piece, Reference):
            yield piece
            if piece.operator[-1:] in {"-", "+"}:
                yield from references(piece.argument)
