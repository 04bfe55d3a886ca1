"""The grammar of flags, once for every verb.

A verb declares a tuple of `Flag`; `parse` turns its words into `Flags`. The rules are those of
Docker's command line: `--name value`, `--name=value`, clusters of short flags (`-it`), a value
glued to a short flag (`-p80:80`), `--` ends flags, and verbs that run a program stop at the
first word that isn't a flag. Kinds say how a value is read; a flag with `check` has its value
read by that function, whose ValueError becomes the message.

Kinds: bool, string, int, uint, uint16, float, bytes, duration, decimal; list (repeatable, kept
as given), strings (repeatable, split at commas), map (repeatable key=value), filter. The others
are words that help shows for a `check`'s own format (port, secret, gpu-request, ...); those in
REPEATABLE gather their values.
"""

from __future__ import annotations

from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REPEATABLE = frozenset(
    {"list", "strings", "map", "filter", "network", "mount", "ulimit", "stringArray"}
    | {"config", "secret", "port", "pref", "gpu-request", "external-ca", "ipNetSlice"}
)
_SPLIT = frozenset({"strings", "ipNetSlice"})
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


class FlagError(InvalidArgument):
    """Words that break the grammar; the command line exits 125."""


class Flag:
    """One flag: `name` without dashes, `short` one letter or "", `shown` a default to print."""

    __slots__ = ("check", "default", "hidden", "kind", "name", "short", "shown", "text")

    def __init__(
        self,
        name: str,
        short: str = "",
        kind: str = "bool",
        text: str = "",
        *,
        default: object = None,
        shown: str = "",
        hidden: bool = False,
        check: Callable[[str], object] | None = None,
    ) -> None:
        self.name = name
        self.short = short
        self.kind = kind
        self.text = text
        self.default = default
        self.shown = shown
        self.hidden = hidden
        self.check = check

    @property
    def spelling(self) -> str:
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


HELP = Flag("help", "", "bool", "Print usage", hidden=True)


class Flags:
    """Values by flag name; a flag that wasn't given reads as its kind's empty value."""

    __slots__ = ("_defaults", "_values")

    def __init__(self, declared: Sequence[Flag]) -> None:
        self._values: dict[str, object] = {}
        self._defaults = {flag.name: flag.default for flag in declared if flag.default is not None}

    def given(self, name: str) -> bool:
        return name in self._values

    def value(self, name: str) -> object:
        found = self._values.get(name)
        return self._defaults.get(name) if found is None else found

    def on(self, name: str) -> bool:
        return bool(self.value(name))

    def text(self, name: str) -> str:
        found = self.value(name)
        return "" if found is None else str(found)

    def number(self, name: str) -> int:
        found = self.value(name)
        return found if isinstance(found, int) else 0

    def items(self, name: str) -> list[str]:
        found = self.value(name)
        return [str(item) for item in found] if isinstance(found, list) else []

    def objects(self, name: str) -> list[object]:
        """The values that the flag's `check` made."""
        found = self.value(name)
        return list(found) if isinstance(found, list) else []

    def mapping(self, name: str) -> dict[str, str]:
        """key=value items; the last of equal keys holds."""
        pairs = (item.partition("=") for item in self.items(name))
        return {key: value for key, _, value in pairs}

    def filters(self, name: str = "filter") -> dict[str, list[str]]:
        result: dict[str, list[str]] = {}
        for item in self.items(name):
            key, _, value = item.partition("=")
            result.setdefault(key.strip().lower(), []).append(value.strip())
        return result

    def store(self, flag: Flag, raw: str) -> None:
        """Reads `raw` as the flag's kind says. Raises FlagError."""
        try:
            value = _read(flag, raw)
        except ValueError as error:
            raise FlagError(
                f'invalid argument "{raw}" for "{flag.spelling}" flag: {error}'
            ) from error
        if flag.kind in REPEATABLE:
            held = self._values.setdefault(flag.name, [])
            assert isinstance(held, list)
            if flag.kind in _SPLIT:
                held.extend(part for part in raw.split(",") if raw)
            else:
                held.append(value)
        else:
            self._values[flag.name] = value


def _read(flag: Flag, raw: str) -> object:
    if flag.check is not None:
        return flag.check(raw)
    reader = READERS.get(flag.kind)
    return raw if reader is None else reader(raw)


def _read_bool(raw: str) -> bool:
    if raw in _TRUE:
        return True
    if raw in _FALSE:
        return False
    raise ValueError(f'strconv.ParseBool: parsing "{raw}": invalid syntax')


def _read_int(raw: str) -> int:
    digits = raw.removeprefix("-") if raw.startswith("-") else raw.removeprefix("+")
    if not (digits.isascii() and digits.isdecimal()):
        raise ValueError(f'strconv.ParseInt: parsing "{raw}": invalid syntax')
    return int(raw)


def _read_uint(raw: str) -> int:
    if not (raw.isascii() and raw.isdecimal()):
        raise ValueError(f'strconv.ParseUint: parsing "{raw}": invalid syntax')
    return int(raw)


def _read_uint16(raw: str) -> int:
    value = _read_uint(raw)
    if value > 0xFFFF:
        raise ValueError(f'strconv.ParseUint: parsing "{raw}": value out of range')
    return value


def _read_bytes(raw: str) -> int:
    from sampan.lib.units import parse_size_bytes

    return parse_size_bytes(raw)


def _read_swap(raw: str) -> int:
    return -1 if raw == "-1" else _read_bytes(raw)


def _read_duration(raw: str) -> int:
    from sampan.lib.gotime import parse_duration_ns

    return parse_duration_ns(raw)


def _read_decimal(raw: str) -> int:
    """A count of CPUs ("1.5") in billionths."""
    whole, _, fraction = raw.partition(".")
    if not (whole + fraction).isdecimal():
        raise ValueError(f"failed to parse {raw} as a rational number")
    if len(fraction.rstrip("0")) > 9:
        raise ValueError("value is too precise")
    return int(whole or "0") * 10**9 + int(fraction[:9].ljust(9, "0"))


def _read_filter(raw: str) -> str:
    if "=" not in raw:
        raise ValueError("bad format of filter (expected name=value)")
    return raw


READERS: dict[str, Callable[[str], object]] = {
    "bool": _read_bool,
    "int": _read_int,
    "uint": _read_uint,
    "uint16": _read_uint16,
    "uint32": _read_uint,
    "bytes": _read_bytes,
    "swap": _read_swap,
    "duration": _read_duration,
    "decimal": _read_decimal,
    "filter": _read_filter,
}


class _Scan:
    """One pass over the words of a command."""

    def __init__(self, declared: Sequence[Flag], words: Sequence[str]) -> None:
        self.flags = Flags(declared)
        self.words = list(words)
        self.position = 0
        self.long = {flag.name: flag for flag in declared}
        self.short = {flag.short: flag for flag in declared if flag.short}
        self.long.setdefault("help", HELP)

    def _next_value(self, complaint: str) -> str:
        if self.position >= len(self.words):
            raise FlagError(complaint)
        self.position += 1
        return self.words[self.position - 1]

    def take_long(self, word: str) -> None:
        name, equals, value = word[2:].partition("=")
        flag = self.long.get(name)
        if not name or name.startswith("-"):
            raise FlagError(f"bad flag syntax: {word}")
        if flag is None:
            raise FlagError(f"unknown flag: --{name}")
        if not equals:
            complaint = f"flag needs an argument: --{name}"
            value = "true" if flag.kind == "bool" else self._next_value(complaint)
        self.flags.store(flag, value)

    def take_short(self, word: str) -> None:
        cluster = word[1:]
        while cluster:
            letter, cluster = cluster[0], cluster[1:]
            flag = self.short.get(letter)
            if flag is None and letter == "h" and "h" not in self.short:
                flag = HELP
            if flag is None:
                raise FlagError(f"unknown shorthand flag: '{letter}' in {word}")
            if cluster.startswith("="):
                self.flags.store(flag, cluster[1:])
                return
            if flag.kind == "bool":
                self.flags.store(flag, "true")
                continue
            value = cluster or self._next_value(f"flag needs an argument: '{letter}' in {word}")
            self.flags.store(flag, value)
            return


def parse(
    declared: Sequence[Flag], words: Sequence[str], *, interspersed: bool = True
) -> tuple[Flags, list[str]]:
    """The flags and the remaining arguments. Raises FlagError."""
    scan = _Scan(declared, words)
    rest: list[str] = []
    while scan.position < len(scan.words):
        word = scan.words[scan.position]
        scan.position += 1
        if word == "--":
            return scan.flags, rest + scan.words[scan.position :]
        if word.startswith("--"):
            scan.take_long(word)
        elif word.startswith("-") and len(word) > 1:
            scan.take_short(word)
        else:
            rest.append(word)
            if not interspersed:
                return scan.flags, rest + scan.words[scan.position :]
    return scan.flags, rest
