"""`.env` files in Compose's grammar, and the raw one of `docker run --env-file`.

NAME=value            up to the end of the line or ` #`, variables replaced
NAME='value'          as it stands, may span lines
NAME="value"          escapes (\\n, \\", \\$ ...) and variables replaced, may span lines
NAME: value           the same as with =
NAME                  taken from the surroundings, left out when unset there
export NAME=value     the word export is skipped
# comment
"""

import re
from collections.abc import Mapping

from sampan.compose.template import BadTemplate, Lookup, Report, VariableMissing, substitute
from sampan.errors import InvalidArgument

_EXPORT = re.compile(r"export[ \t\v\f\r]+")
_ESCAPE = re.compile(r'\\(?:[abcfnrtv$"\\]|0\d{0,3})')
_ESCAPED = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    '"': '"',
    "\\": "\\",
    "$": "$$",
}
_SPACES = " \t\v\f\r\x85\xa0"
_KEY_SIGNS = "_.-[]"


class BadEnvFile(InvalidArgument):
    def __init__(self, file: str, problem: str) -> None:
        super().__init__(f"failed to read {file}: {problem}")


class BadLine(InvalidArgument):
    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")


def nothing(name: str) -> str | None:
    return None


def read(
    text: str,
    file: str,
    values: dict[str, str],
    lookup: Lookup = nothing,
    *,
    form: str = "",
    unset: Report | None = None,
) -> None:
    """Adds what `text` sets to `values`; later lines see earlier ones, `lookup` wins over them.

    `unset` hears of variables that nobody knows. Raises BadEnvFile.
    """
    if form not in {"", ".env", "raw"}:
        raise InvalidArgument(f'unsupported env_file format "{form}"')
    text = text.removeprefix("\ufeff")
    try:
        if form == "raw":
            _raw(text, values, lookup)
        else:
            _Parser(text, values, lookup, unset).parse()
    except (BadLine, BadTemplate, VariableMissing) as error:
        raise BadEnvFile(file, error.message) from error


def _raw(text: str, values: dict[str, str], lookup: Lookup) -> None:
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.lstrip()
        if not stripped or stripped.startswith("#"):
            continue
        name, sign, value = stripped.partition("=")
        if not name:
            raise BadLine(number, f"no variable name on line '{stripped}'")
        if any(c in " \t" for c in name):
            raise BadLine(number, f"variable '{name}' contains whitespaces")
        if sign:
            values[name] = value
        else:
            found = lookup(name)
            if found is not None:
                values[name] = found


class _Parser:
    def __init__(
        self, text: str, values: dict[str, str], lookup: Lookup, unset: Report | None
    ) -> None:
        self._text = text
        self._at = 0
        self._values = values
        self._lookup = lookup
        self._unset = unset

    @property
    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1

    def _see(self, name: str) -> str | None:
        value = self._lookup(name)
        return self._values.get(name) if value is None else value

    def parse(self) -> None:
        while self._to_statement():
            export = _EXPORT.match(self._text, self._at)
            if export:
                self._at = export.end()
            name, inherited = self._name()
            if inherited:
                value = self._lookup(name)
                if value is not None:
                    self._values[name] = value
                continue
            self._values[name] = self._value()

    def _to_statement(self) -> bool:
        """Skips blank lines and comments; False at the end."""
        while True:
            rest = self._text[self._at :]
            self._at += len(rest) - len(rest.lstrip())
            if self._at >= len(self._text):
                return False
            if self._text[self._at] != "#":
                return True
            end = self._text.find("\n", self._at)
            self._at = len(self._text) if end < 0 else end

    def _name(self) -> tuple[str, bool]:
        text, start = self._text, self._at
        for index in range(start, len(text)):
            sign = text[index]
            if sign in "=:\n":
                name = text[start:index].rstrip()
                self._check(name)
                self._at = index + 1
                return name, sign == "\n"
            if not (sign in _SPACES or sign in _KEY_SIGNS or sign.isalnum()):
                line = text[start:].split("\n")[0]
                problem = f'unexpected character "{sign}" in variable name "{line}"'
                raise BadLine(self._line, problem)
        name = text[start:].rstrip()
        self._check(name)
        self._at = len(text)
        return name, True

    def _check(self, name: str) -> None:
        if " " in name:
            raise BadLine(self._line, "key cannot contain a space")

    def _value(self) -> str:
        text = self._text
        while self._at < len(text) and text[self._at] in _SPACES:
            self._at += 1
        quote = text[self._at : self._at + 1]
        if quote in {"'", '"'} and quote:
            return self._quoted(quote)
        end = text.find("\n", self._at)
        end = len(text) if end < 0 else end
        value = text[self._at : end].split(" #", 1)[0].rstrip()
        self._at = end
        return substitute(value, self._see, self._unset)

    def _quoted(self, quote: str) -> str:
        text, found, escaped = self._text, [], False
        for index in range(self._at + 1, len(text)):
            sign = text[index]
            if sign != quote:
                if not escaped and sign == "\\":
                    escaped = True
                    continue
                if escaped:
                    found.append("\\")
                    escaped = False
                found.append(sign)
            elif escaped:
                found.append(sign)
                escaped = False
            else:
                self._at = index + 1
                value = "".join(found)
                if quote == "'":
                    return value
                return substitute(_ESCAPE.sub(_unescape, value), self._see, self._unset)
        raise BadLine(self._line, f"unterminated quoted value {text[self._at :].split(chr(10))[0]}")


def _unescape(match: re.Match[str]) -> str:
    sign = match[0][1:]
    if sign.startswith("0"):
        digits = sign[1:]
        good = len(digits) == 3 and all(d in "01234567" for d in digits)
        return chr(int(digits, 8)) if good else match[0]
    return _ESCAPED.get(sign, match[0])


def layered(*sources: Mapping[str, str]) -> Lookup:
    """A lookup that takes the first source that has the name."""

    def look(name: str) -> str | None:
        return next((source[name] for source in sources if name in source), None)

    return look
