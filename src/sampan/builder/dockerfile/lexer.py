"""Dockerfile text to logical lines.

Owns the physical rules: the byte order mark, parser directives, comments, continuation lines and
here-documents. A logical line is one instruction with its continuations joined (no blank is put
between them), plus the bodies of the here-documents that it opened. Directives stand before
everything else:

    # escape=`
    # syntax=docker/dockerfile:1     accepted and ignored: this is the only language
    # check=skip=all                 which warnings are wanted (see lint.py)

Pure; rules and quirks as in specs of the reference parser (comments vanish inside continued
instructions, blank lines inside them are skipped with a warning).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sampan.builder.dockerfile.source import DockerfileSyntax, SourceRange
from sampan.builder.dockerfile.words import split_words

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*")
_HEREDOC = re.compile(r"(\d*)<<(-?)([^<\s].*)")
_TAKES_HEREDOC = re.compile(r"\s*(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\s", re.IGNORECASE)
_LINE_LIMIT = 65535  # bytes, as the reference parser's
_DIRECTIVES = frozenset({"escape", "syntax", "check"})


@dataclass(frozen=True, slots=True)
class Heredoc:
    """`<<NAME`: `expand` is false when NAME was quoted; `word` is the opening word as written."""

    name: str
    word: str
    body: str
    expand: bool


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """`comment` is what stands right above it."""

    text: str
    where: SourceRange
    heredocs: tuple[Heredoc, ...] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Lexed:
    """`gaps` are the instructions that have empty lines inside."""

    lines: tuple[LogicalLine, ...]
    escape: str
    directives: dict[str, str]
    gaps: tuple[SourceRange, ...]


def lex(text: str) -> Lexed:
    """Split a Dockerfile. Raises DockerfileSyntax."""
    physical = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    for number, line in enumerate(physical, 1):
        if len(line) > _LINE_LIMIT // 4 and len(line.encode("utf-8", "replace")) > _LINE_LIMIT:
            raise DockerfileSyntax(
                f"dockerfile line greater than maximum allowed size of {_LINE_LIMIT}",
                SourceRange(number, number),
            )
    directives = _read_directives(physical)
    escape = directives.get("escape", "\\")
    reader = _Reader(physical, escape)
    lines = tuple(reader.logical_lines())
    return Lexed(lines, escape, directives, tuple(reader.gaps))


def _read_directives(physical: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(physical, 1):
        match = _DIRECTIVE.fullmatch(line.lstrip())
        name = match[1].lower() if match else ""
        if match is None or name not in _DIRECTIVES:
            break
        where = SourceRange(number, number)
        if name in found:
            raise DockerfileSyntax(f"only one {name} parser directive can be used", where)
        if name == "escape" and match[2] not in {"\\", "`"}:
            raise DockerfileSyntax(
                f"invalid escape token '{match[2]}' does not match ` or \\", where
            )
        found[name] = match[2]
    return found


class _Reader:
    """One pass over the physical lines."""

    def __init__(self, physical: list[str], escape: str) -> None:
        self._physical = physical
        self._next = 0
        self._escape = escape
        quoted = re.escape(escape)
        self._continues = re.compile(rf"(?:(?P<kept>[^{quoted}])|^){quoted}[ \t]*$")
        self._gap = False
        self._comment: list[str] = []
        self.gaps: list[SourceRange] = []

    def logical_lines(self) -> Iterator[LogicalLine]:
        while self._next < len(self._physical):
            start = self._next
            line = self._physical[start].lstrip()
            self._next += 1
            if not line or line.startswith("#"):
                self._comment = [*self._comment, line[1:].strip()] if line else []
                continue
            text = self._continuations(line)
            if text.strip():
                heredocs = self._heredocs(text, start)
                where = SourceRange(start + 1, self._next)
                if self._gap:
                    self.gaps.append(where)
                yield LogicalLine(text.strip(), where, heredocs, "\n".join(self._comment))
            self._comment = []

    def _continuations(self, line: str) -> str:
        text, more = self._cut(line)
        self._gap = False
        while more and self._next < len(self._physical):
            line = self._physical[self._next]
            self._next += 1
            if line.lstrip().startswith("#"):
                continue
            if not line.strip():
                self._gap = True
                continue
            part, more = self._cut(line)
            text += part
        return text

    def _cut(self, line: str) -> tuple[str, bool]:
        match = self._continues.search(line)
        if match is None:
            return line, False
        return line[: match.start()] + (match["kept"] or ""), True

    def _heredocs(self, text: str, start: int) -> tuple[Heredoc, ...]:
        if "<<" not in text or not _TAKES_HEREDOC.match(text):
            return ()
        found = []
        for word in split_words(text, self._escape):
            match = _HEREDOC.fullmatch(word)
            if match is None:
                continue
            name = re.sub(r"[\"']", "", match[3])
            if name:
                body = self._heredoc_body(name, strip_tabs=bool(match[2]), start=start)
                found.append(Heredoc(name, word, body, expand=name == match[3]))
        return tuple(found)

    def _heredoc_body(self, name: str, *, strip_tabs: bool, start: int) -> str:
        body: list[str] = []
        while self._next < len(self._physical):
            line = self._physical[self._next]
            self._next += 1
            if strip_tabs:
                line = line.lstrip("\t")
            if line == name:
                return "".join(body)
            body.append(line + "\n")
        raise DockerfileSyntax("unterminated heredoc", SourceRange(start + 1, self._next))
