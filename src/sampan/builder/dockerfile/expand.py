"""Variable expansion in instruction arguments: the shell's words without the shell's commands.

`expand` returns one string, `expand_words` splits unquoted results at blanks (only EXPOSE may
turn one variable into several words). Forms:

    $name ${name} ${name:-w} ${name-w} ${name:+w} ${name+w} ${name:?w} ${name?w}
    ${name#p} ${name##p} ${name%p} ${name%%p} ${name/p/r} ${name//p/r}

Single quotes are literal, double quotes expand; the escape character is the one that the
`# escape=` directive chose. Pure. Test vectors: tests/unit/builder/data.
"""

import re
from collections.abc import Mapping

from sampan.errors import InvalidArgument

_SPECIAL = frozenset("@*#?-$!0")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DIGITS = re.compile(r"[0-9]+")


class ExpansionFailed(InvalidArgument):
    """A word that doesn't expand; the message names it as written."""

    def __init__(self, word: str, reason: str) -> None:
        quoted = word.replace("\\", "\\\\").replace('"', '\\"')
        super().__init__(f'failed to process "{quoted}": {reason}')


class _Reason(Exception):
    pass


def expand(word: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """Raises ExpansionFailed."""
    return _Expansion(word, variables, escape).result()[0]


def expand_words(word: str, variables: Mapping[str, str], escape: str = "\\") -> list[str]:
    """Like `expand`, split into words at unquoted blanks. Raises ExpansionFailed."""
    return _Expansion(word, variables, escape).result()[1]


def expand_body(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """A here-document: quotes mean nothing, the escape character only before `$` and itself."""
    return _Expansion(text, variables, escape, quotes=False).result()[0]


class _Words:
    """Collects words beside the plain result: quoted pieces never split."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self._open = ""
        self._started = False

    def quoted(self, text: str) -> None:
        self._open += text
        self._started = True

    def unquoted(self, text: str) -> None:
        for char in text:
            if char.isspace():
                self.finish()
            else:
                self._open += char
                self._started = True

    def finish(self) -> None:
        if self._started:
            self.done.append(self._open)
        self._open, self._started = "", False


class _Expansion:
    """One word being expanded: a recursive descent over its characters."""

    def __init__(
        self, word: str, variables: Mapping[str, str], escape: str, *, quotes: bool = True
    ) -> None:
        self._quotes = quotes
        self._word = word
        self._at = 0
        self._variables = variables
        self._escape = escape

    def result(self) -> tuple[str, list[str]]:
        words = _Words()
        try:
            text = self._until("", words)
        except _Reason as reason:
            raise ExpansionFailed(self._word, str(reason)) from reason
        words.finish()
        return text, words.done

    def _peek(self) -> str:
        return self._word[self._at : self._at + 1]

    def _take(self) -> str:
        char = self._peek()
        self._at += 1
        return char

    def _until(self, stop: str, words: _Words | None = None, *, raw_escapes: bool = False) -> str:
        """Expand up to `stop` (consumed) or, without one, to the end."""
        words = words or _Words()
        text = ""
        while char := self._peek():
            if char == stop:
                self._at += 1
                return text
            if char == "'" and self._quotes:
                piece = self._single_quoted()
                words.quoted(piece)
            elif char == '"' and self._quotes:
                piece = self._double_quoted()
                words.quoted(piece)
            elif char == "$":
                piece = self._dollar()
                words.unquoted(piece)
            elif char == self._escape:
                piece = self._escaped(keep=raw_escapes)
                words.quoted(piece)
            else:
                piece = self._take()
                words.unquoted(piece)
            text += piece
        if stop:
            raise _Reason("unexpected end of statement while looking for matching " + stop)
        return text

    def _escaped(self, *, keep: bool) -> str:
        escape = self._take()
        following = self._peek()
        self._at += 1
        if not self._quotes:
            keep = following not in {"$", self._escape}
        return escape + following if keep else following

    def _single_quoted(self) -> str:
        end = self._word.find("'", self._at + 1)
        if end < 0:
            raise _Reason("unexpected end of statement while looking for matching single-quote")
        text = self._word[self._at + 1 : end]
        self._at = end + 1
        return text

    def _double_quoted(self) -> str:
        self._at += 1
        text = ""
        while char := self._peek():
            if char == '"':
                self._at += 1
                return text
            if char == "$":
                text += self._dollar()
                continue
            self._at += 1
            if char == self._escape and self._peek() in {'"', "$", self._escape}:
                char = self._take()
            text += char
        raise _Reason("unexpected end of statement while looking for matching double-quote")

    def _dollar(self) -> str:
        self._at += 1
        if self._peek() != "{":
            name = self._name()
            return self._plain(name) if name else "$"
        self._at += 1
        following = self._peek()
        if following in {"}", "{", ":"} or not following:
            raise _Reason("syntax error: bad substitution")
        name = self._name()
        return self._substitution(name)

    def _plain(self, name: str) -> str:
        """By the subscript: a mapping may want to know of names that it lacks (`__missing__`)."""
        try:
            return self._variables[name]
        except KeyError:
            return ""

    def _name(self) -> str:
        for pattern in (_NAME, _DIGITS):
            match = pattern.match(self._word, self._at)
            if match:
                self._at = match.end()
                return match[0]
        return self._take() if self._peek() in _SPECIAL and self._peek() else ""

    def _substitution(self, name: str) -> str:
        if name and self._peek() == "}":
            self._at += 1
            return self._plain(name)
        value = self._variables.get(name)
        match self._take():
            case ":":
                operator = self._take()
                if operator not in {"-", "+", "?"}:
                    raise _Reason(f"unsupported modifier ({operator}) in substitution")
                return self._default(operator, name, value or None, "empty")
            case ("-" | "+" | "?") as operator if name:
                return self._default(operator, name, value, "unset")
            case ("#" | "%") as operator if name:
                return self._trim(operator, value or "")
            case "/" if name:
                return self._replace(value or "")
            case "":
                raise _Reason("syntax error: missing '}'")
            case _:
                raise _Reason("missing ':' in substitution")

    def _default(self, operator: str, name: str, value: str | None, lacking: str) -> str:
        word = self._until("}")
        if operator == "-":
            return word if value is None else value
        if operator == "+":
            return "" if value is None else word
        if value is None:
            raise _Reason(f"{name}: {word or f'is not allowed to be {lacking}'}")
        return value

    def _trim(self, operator: str, value: str) -> str:
        longest = self._peek() == operator
        if longest:
            self._at += 1
        pattern = self._pattern(self._until("}", raw_escapes=True), greedy=longest)
        if operator == "#":
            match = re.match(pattern, value, re.DOTALL)
            return value[match.end() :] if match else value
        starts = range(len(value) + 1) if longest else range(len(value), -1, -1)
        for start in starts:
            if re.fullmatch(pattern, value[start:], re.DOTALL):
                return value[:start]
        return value

    def _replace(self, value: str) -> str:
        every = self._peek() == "/"
        if every:
            self._at += 1
        pattern = self._pattern(self._until("/", raw_escapes=True), greedy=True)
        replacement = self._until("}")
        if not pattern:
            return value
        return re.sub(
            pattern, lambda _: replacement, value, count=0 if every else 1, flags=re.DOTALL
        )

    def _pattern(self, text: str, *, greedy: bool) -> str:
        out = ""
        position = 0
        while position < len(text):
            char = text[position]
            position += 1
            if char == self._escape and position < len(text):
                out += re.escape(text[position])
                position += 1
            elif char == "*":
                out += ".*" if greedy else ".*?"
            elif char == "?":
                out += "."
            else:
                out += re.escape(char)
        return out
