"""Logical lines to nodes: keyword, flags and arguments in the shape that the keyword calls for.

A node knows nothing about meaning: `decode.py` makes typed instructions of nodes. Shapes:

    words     blank-separated (FROM EXPOSE), or a JSON list where allowed (COPY ADD VOLUME)
    command   a JSON list, or else the raw text (RUN CMD ENTRYPOINT, SHELL)
    whole     the rest of the line as one argument (USER WORKDIR STOPSIGNAL MAINTAINER ONBUILD)
    pairs     name=value words, or the old form `NAME rest of line` (ENV LABEL)
    names     words that may have a value (ARG)
    health    a kind word, then a command (HEALTHCHECK)

Unknown keywords pass as `whole`: whether they are an error is `decode.py`'s business, because an
ONBUILD line may hold anything until it triggers.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from sampan.builder.dockerfile.lexer import Heredoc, LogicalLine
from sampan.builder.dockerfile.source import DockerfileSyntax, SourceRange
from sampan.builder.dockerfile.words import split_words, take_flags


@dataclass(frozen=True, slots=True)
class Node:
    """`text` is the instruction as written, continuations joined; `rest` follows the flags."""

    keyword: str
    text: str
    where: SourceRange
    flags: tuple[str, ...]
    rest: str
    words: tuple[str, ...]
    is_json: bool
    heredocs: tuple[Heredoc, ...]
    comment: str = ""

    @property
    def keyword_as_written(self) -> str:
        return self.text[: len(self.keyword)]


def parse_line(line: LogicalLine, escape: str) -> Node:
    """Raises DockerfileSyntax."""
    pieces = line.text.split(maxsplit=1)
    keyword = pieces[0].upper()
    flags, rest = take_flags(pieces[1] if len(pieces) > 1 else "", escape)
    rest = rest.strip()
    words, is_json = _SHAPES.get(keyword, _whole)(_Arguments(keyword, rest, escape, line.where))
    return Node(
        keyword,
        line.text,
        line.where,
        flags,
        rest,
        tuple(words),
        is_json,
        line.heredocs,
        line.comment,
    )


@dataclass(frozen=True, slots=True)
class _Arguments:
    keyword: str
    rest: str
    escape: str
    where: SourceRange


Shaped = tuple[list[str], bool]


def _json_list(arguments: _Arguments) -> list[str] | None:
    """The list, or None when the text isn't one; a list of other things is an error."""
    if not arguments.rest.startswith("["):
        return None
    try:
        value = json.loads(arguments.rest)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, list):
        return None
    if not all(isinstance(item, str) for item in value):
        raise DockerfileSyntax("only string type is allowed in JSON format arrays", arguments.where)
    return value


def _whole(arguments: _Arguments) -> Shaped:
    return ([arguments.rest] if arguments.rest else []), False


def _words(arguments: _Arguments) -> Shaped:
    return arguments.rest.split(), False


def _json_or_words(arguments: _Arguments) -> Shaped:
    value = _json_list(arguments)
    return (arguments.rest.split(), False) if value is None else (value, True)


def _command(arguments: _Arguments) -> Shaped:
    value = _json_list(arguments)
    return _whole(arguments) if value is None else (value, True)


def _pairs(arguments: _Arguments) -> Shaped:
    """Alternating names and values, quotes left as written."""
    words = split_words(arguments.rest, arguments.escape)
    if not words:
        return [], False
    if "=" not in words[0]:
        pieces = arguments.rest.split(maxsplit=1)
        if len(pieces) < 2:
            raise DockerfileSyntax(f"{arguments.keyword} must have two arguments", arguments.where)
        return pieces, False
    found: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise DockerfileSyntax(
                f'Syntax error - can\'t find = in "{word}". Must be of the form: name=value',
                arguments.where,
            )
        found += [name, value]
    return found, False


def _names(arguments: _Arguments) -> Shaped:
    return split_words(arguments.rest, arguments.escape), False


def _health(arguments: _Arguments) -> Shaped:
    pieces = arguments.rest.split(maxsplit=1)
    if len(pieces) < 2:
        return pieces, False
    inner = _Arguments(arguments.keyword, pieces[1], arguments.escape, arguments.where)
    words, is_json = _command(inner)
    return [pieces[0], *words], is_json


_SHAPES: dict[str, Callable[[_Arguments], Shaped]] = {
    "ADD": _json_or_words,
    "ARG": _names,
    "CMD": _command,
    "COPY": _json_or_words,
    "ENTRYPOINT": _command,
    "ENV": _pairs,
    "EXPOSE": _words,
    "FROM": _words,
    "HEALTHCHECK": _health,
    "LABEL": _pairs,
    "RUN": _command,
    "SHELL": _command,
    "VOLUME": _json_or_words,
}
