"""From template text to tokens: literal text, and the words of each action.

A token is a tuple (kind, offset, value); kinds are "text", "open", "close", and inside actions
"field", "variable", "word", "string", "number", "char", and the punctuation itself. Trim
markers (`{{-`, `-}}`) and comments are resolved here.
"""

from __future__ import annotations

from sampan.lib.gotemplate.nodes import TemplateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    Token = tuple[str, int, str]

_BLANK = " \t\r\n"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "a": "\a", "0": "\0"}
_HEX_LENGTHS = {"x": 2, "u": 4, "U": 8}


def fail(text: str, offset: int, reason: str) -> TemplateError:
    line = text.count("\n", 0, offset) + 1
    return TemplateError(f"template: :{line}: {reason}")


def tokens(text: str) -> Iterator[Token]:
    position = 0
    trim = False
    while position < len(text):
        start = text.find("{{", position)
        literal = text[position:] if start < 0 else text[position:start]
        if trim:
            literal = literal.lstrip(_BLANK)
        if start < 0:
            if literal:
                yield "text", position, literal
            return
        inner = start + 2
        if text.startswith("-", inner) and text[inner + 1 : inner + 2] in _BLANK:
            literal = literal.rstrip(_BLANK)
            inner += 1
        if literal:
            yield "text", position, literal
        after = _comment_end(text, inner)
        if after:
            position, trim = after
            continue
        yield "open", start, "{{"
        position, trim = yield from _action(text, inner)


def _comment_end(text: str, inner: int) -> tuple[int, bool] | None:
    """Where the comment that starts here ends, and whether it trims; None: not a comment."""
    begin = inner
    while begin < len(text) and text[begin] in _BLANK:
        begin += 1
    if not text.startswith("/*", begin):
        return None
    end = text.find("*/", begin)
    if end < 0:
        raise fail(text, begin, "unclosed comment")
    end += 2
    if text.startswith("}}", end):
        return end + 2, False
    rest = text[end:].lstrip(_BLANK)
    if rest.startswith("-}}"):
        return len(text) - len(rest) + 3, True
    raise fail(text, begin, "comment ends before closing delimiter")


def _action(text: str, position: int) -> Generator[Token, None, tuple[int, bool]]:
    """Yields the tokens of one action; returns where the text goes on and whether to trim it."""
    while position < len(text):
        character = text[position]
        if text.startswith("}}", position):
            yield "close", position, "}}"
            return position + 2, False
        if character in _BLANK:
            end = position
            while end < len(text) and text[end] in _BLANK:
                end += 1
            if text.startswith("-}}", end):
                yield "close", end, "-}}"
                return end + 3, True
            yield "space", position, " "
            position = end
            continue
        token = _token(text, position)
        yield token
        position += len(token[2])
    raise fail(text, position, "unclosed action")


_QUOTES = {'"': "string", "`": "raw", "'": "char"}


def _token(text: str, position: int) -> Token:
    character = text[position]
    if character in _QUOTES:
        return _QUOTES[character], position, text[position : _quoted_end(text, position)]
    if text.startswith(":=", position):
        return ":=", position, ":="
    if character in "=|(),":
        return character, position, character
    following = text[position + 1 : position + 2]
    if character.isdecimal() or (character in "+-." and following.isdecimal()):
        return _number(text, position)
    return _word(text, position)


def _word(text: str, position: int) -> Token:
    character = text[position]
    end = position + 1
    while end < len(text) and (text[end].isalnum() or text[end] == "_"):
        end += 1
    word = text[position:end]
    if character == ".":
        return ("dot" if word == "." else "field"), position, word
    if character == "$":
        return "variable", position, word
    if character.isalpha() or character == "_":
        return "word", position, word
    raise fail(text, position, f'unexpected "{character}" in command')


def _number(text: str, position: int) -> Token:
    end = position + 1
    while end < len(text) and (text[end].isalnum() or text[end] in "._"):
        end += 1
    return "number", position, text[position:end]


def _quoted_end(text: str, position: int) -> int:
    quote = text[position]
    if quote == "`":
        if end := text.find("`", position + 1) + 1:
            return end
        raise fail(text, position, "unterminated raw quoted string")
    end = position + 1
    while end < len(text) and text[end] != "\n":
        if text[end] == "\\":
            end += 2
            continue
        if text[end] == quote:
            return end + 1
        end += 1
    kind = "character constant" if quote == "'" else "quoted string"
    raise fail(text, position, f"unterminated {kind}")


def unquote(quoted: str) -> str:
    """The text of a Go string or character literal."""
    body = quoted[1:-1]
    if quoted[0] == "`" or "\\" not in body:
        return body
    parts: list[str] = []
    position = 0
    while position < len(body):
        character = body[position]
        position += 1
        if character != "\\":
            parts.append(character)
            continue
        escape = body[position]
        position += 1
        length = _HEX_LENGTHS.get(escape, 0)
        if length:
            parts.append(chr(int(body[position : position + length], 16)))
            position += length
        else:
            parts.append(_ESCAPES.get(escape, escape))
    return "".join(parts)
