"""The daemon's command line, in pflag's grammar.

`--flag value`, `--flag=value`, `-H value`, `-Hvalue`; a boolean flag takes `=true` or `=false`
only with the equals sign; no operands. Lists and maps gather their values.
"""

from typing import Any

from sampan.daemon.settings import BY_FLAG, BY_SHORT, SETTINGS, Kind, Setting
from sampan.errors import InvalidArgument
from sampan.lib.optionlines import option_head, option_lines

_TRUE, _FALSE = frozenset({"true", "1", "t"}), frozenset({"false", "0", "f"})
USAGE = "See 'sampan daemon --help'."
_WORDS = {  # for values, in help
    Kind.TEXT: "string",
    Kind.INTEGER: "int",
    Kind.LIST: "list",
    Kind.MAP: "map",
    Kind.RUNTIMES: "runtime",
    Kind.POOLS: "pool-options",
}


class BadUsage(InvalidArgument):
    """The command line is wrong (exit status 125, as dockerd)."""


class HelpWanted(Exception):
    """`--help` was given."""


def parse_arguments(arguments: list[str]) -> dict[str, Any]:
    """Config field -> value: text, bool, int, or a list (also for pools and runtimes)."""
    found: dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word in {"--help", "-h"}:
            raise HelpWanted
        if not word.startswith("-") or word == "-":
            raise BadUsage(f'"sampan daemon" accepts no arguments.\n{USAGE}')
        setting, attached = _setting(word)
        value = _value(setting, word, attached, rest)
        _store(found, setting, value, word)
    return found


def _setting(word: str) -> tuple[Setting, str | None]:
    if word.startswith("--"):
        name, equals, attached = word[2:].partition("=")
        if name not in BY_FLAG:
            raise BadUsage(f"unknown flag: --{name}\n{USAGE}")
        return BY_FLAG[name], attached if equals else None
    if word[1] not in BY_SHORT:
        raise BadUsage(f"unknown shorthand flag: {word[1]!r} in {word}\n{USAGE}")
    return BY_SHORT[word[1]], word[2:].removeprefix("=") or None


def _value(setting: Setting, word: str, attached: str | None, rest: list[str]) -> str:
    if attached is not None:
        return attached
    if setting.kind is Kind.BOOLEAN:
        return "true"
    if not rest:
        raise BadUsage(f"flag needs an argument: {word}\n{USAGE}")
    return rest.pop(0)


def _store(found: dict[str, Any], setting: Setting, value: str, word: str) -> None:
    match setting.kind:
        case Kind.TEXT:
            found[setting.field] = value
        case Kind.BOOLEAN:
            if value.lower() not in _TRUE | _FALSE:
                raise BadUsage(f'invalid argument "{value}" for "{word}" flag\n{USAGE}')
            found[setting.field] = value.lower() in _TRUE
        case Kind.INTEGER:
            try:
                found[setting.field] = int(value)
            except ValueError:
                raise BadUsage(f'invalid argument "{value}" for "{word}" flag\n{USAGE}') from None
        case Kind.MAP:
            key, _, text = value.partition("=")
            found.setdefault(setting.field, {})[key] = text
        case _:
            found.setdefault(setting.field, []).append(value)


def parse_pool(text: str) -> tuple[str, int]:
    """`base=10.10.0.0/16,size=24`."""
    parts = dict(part.partition("=")[::2] for part in text.split(","))
    if set(parts) != {"base", "size"} or not parts["size"].isdecimal():
        raise InvalidArgument(f"invalid default address pool: {text}")
    return parts["base"], int(parts["size"])


def usage(defaults: object) -> str:
    """The text of --help; `defaults` has a field for each setting."""
    shown = sorted(SETTINGS, key=lambda setting: setting.flag)
    entries = [
        (
            option_head(setting.flag, setting.short, _WORDS.get(setting.kind, "")),
            setting.about + _default(getattr(defaults, setting.field)),
        )
        for setting in shown
    ]
    head = ["Usage:  sampan daemon [OPTIONS]", "", "Run the container engine", "", "Options:"]
    return "\n".join([*head, *option_lines(entries)]) + "\n"


def _default(value: object) -> str:
    """As Docker's programs show it: nothing for what is empty or off."""
    if not value:
        return ""
    if isinstance(value, bool | int):
        return f" (default {str(value).lower()})"
    if isinstance(value, tuple):
        return f" (default [{','.join(map(str, value))}])"
    return f' (default "{value}")'
