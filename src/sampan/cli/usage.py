"""Help texts and usage lines, made from the verbs' own tables."""

from __future__ import annotations

from sampan.cli.command import PROGRAM
from sampan.cli.lazy import ALIASES, GROUPS, VERBS
from sampan.cli.summaries import SUMMARIES
from sampan.lib.optionlines import option_head, option_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.cli.command import Command
    from sampan.cli.flags import Flag

COMMON = (
    "run",
    "exec",
    "ps",
    "build",
    "pull",
    "push",
    "images",
    "login",
    "logout",
    "version",
    "info",
)
_QUOTED = frozenset({"string"})


def usage_line(words: str, command: Command) -> str:
    return f"Usage:  {PROGRAM} {words} {command.usage}".rstrip()


def _explanation(flag: Flag) -> str:
    if flag.shown:
        return f"{flag.text} (default {flag.shown})"
    if flag.default in (None, "", False, 0):
        return flag.text
    if flag.default is True:
        return f"{flag.text} (default true)"
    if flag.kind in _QUOTED:
        return f'{flag.text} (default "{flag.default}")'
    return f"{flag.text} (default {flag.default})"


def flag_lines(flags: Sequence[Flag]) -> list[str]:
    shown = sorted((flag for flag in flags if not flag.hidden), key=lambda flag: flag.name)
    return option_lines([(_head(flag), _explanation(flag)) for flag in shown])


def _head(flag: Flag) -> str:
    kind = {"bool": "", "swap": "bytes"}.get(flag.kind, flag.kind)
    return option_head(flag.name, flag.short, kind)


def _spellings(entry: str) -> list[str]:
    mains = [words for words, target in VERBS.items() if target == entry]
    managed = [words for words in mains if " " in words]
    aliases = [words for words, main in ALIASES.items() if main in mains]
    return managed + aliases + [words for words in mains if " " not in words]


def verb_help(words: str, command: Command) -> str:
    entry = VERBS[words]
    parts = [usage_line(words, command), "", command.description or SUMMARIES[entry]]
    spellings = _spellings(entry)
    if len(spellings) > 1:
        names = ", ".join(f"{PROGRAM} {spelling}" for spelling in spellings)
        parts += ["", "Aliases:", f"  {names}"]
    if any(not flag.hidden for flag in command.flags):
        parts += ["", "Options:", *flag_lines(command.flags)]
    return "\n".join(parts) + "\n"


def _command_lines(verbs: Sequence[tuple[str, str]]) -> list[str]:
    width = max(11, max(len(name) for name, _ in verbs) + 1)
    return [f"  {name.ljust(width)} {summary}" for name, summary in verbs]


def group_help(group: str) -> str:
    verbs = [
        (words.partition(" ")[2], SUMMARIES[entry])
        for words, entry in sorted(VERBS.items())
        if words.startswith(group + " ")
    ]
    return "\n".join(
        [
            f"Usage:  {PROGRAM} {group} COMMAND",
            "",
            GROUPS[group],
            "",
            "Commands:",
            *_command_lines(verbs),
            "",
            f"Run '{PROGRAM} {group} COMMAND --help' for more information on a command.",
            "",
        ]
    )


def root_help(flags: Sequence[Flag]) -> str:
    common = list(COMMON)
    others = sorted(
        words
        for words in VERBS
        if " " not in words and words not in common and not words.startswith("__")
    )
    return "\n".join(
        [
            f"Usage:  {PROGRAM} [OPTIONS] COMMAND",
            "",
            "A Docker-compatible container platform",
            "",
            "Common Commands:",
            *_command_lines([(words, SUMMARIES[VERBS[words]]) for words in common]),
            "",
            "Management Commands:",
            *_command_lines(list(GROUPS.items())),
            "",
            "Commands:",
            *_command_lines([(words, SUMMARIES[VERBS[words]]) for words in others]),
            "",
            "Global Options:",
            *flag_lines(flags),
            "",
            f"Run '{PROGRAM} COMMAND --help' for more information on a command.",
            "",
        ]
    )
