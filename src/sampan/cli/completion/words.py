"""What may stand at the end of a command line that isn't finished, by the verbs' own flag tables.

The answer is what `sampan __complete WORDS..` prints for the shells:

    <word>[TAB<description>]      one line for each candidate
    :none | :nospace | :files | :folders

The last line says what else the shell may offer: nothing; nothing, and no space behind the word;
names of files; names of directories.
"""

from __future__ import annotations

from sampan.cli.completion.kinds import argument_kind, value_kind
from sampan.cli.completion.sources import candidates
from sampan.cli.flags import HELP, FlagError, parse
from sampan.cli.lazy import ALIASES, GROUPS, VERBS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sampan.cli.command import Command
    from sampan.cli.context import Context
    from sampan.cli.flags import Flag


class Completion:
    """Candidates for one word; `also` is the last line of the answer."""

    def __init__(self, found: Iterable[tuple[str, str]] = (), also: str = "none") -> None:
        self.found = list(found)
        self.also = also

    def lines(self, current: str) -> list[str]:
        """Only what begins with `current`, sorted."""
        fitting = sorted({(word, text) for word, text in self.found if word.startswith(current)})
        words = [f"{word}\t{text}".rstrip("\t") for word, text in fitting]
        return [*words, f":{self.also}"]


def _of_kind(context: Context, kind: str) -> Completion:
    also = next((name for name in ("files", "folders") if name in kind), "none")
    if also == "none" and (":" in kind or kind.endswith("=")):
        also = "nospace"
    return Completion(candidates(context, kind), also)


def _flag_words(flags: Sequence[Flag]) -> Completion:
    shown = [flag for flag in (*flags, HELP) if flag is HELP or not flag.hidden]
    return Completion((f"--{flag.name}", flag.text.partition("\n")[0]) for flag in shown)


def _value(context: Context, flag: Flag, entry: str = "") -> Completion:
    return _of_kind(context, value_kind(entry, flag.name))


class _Scan:
    """Passes over the finished words: which arguments, and a flag that waits for its value."""

    def __init__(self, flags: Sequence[Flag], *, interspersed: bool) -> None:
        self._long = {flag.name: flag for flag in (*flags, HELP)}
        self._short = {flag.short: flag for flag in flags if flag.short}
        self._interspersed = interspersed
        self.arguments: list[str] = []
        self.only_arguments = False
        self.waiting: Flag | None = None

    def flag_of(self, word: str) -> Flag | None:
        """The flag that `word` names, `--name` or the last of `-abc`."""
        return self._long.get(word[2:]) if word[:2] == "--" else self._short.get(word[-1:])

    def take(self, word: str) -> None:
        if self.waiting is not None:
            self.waiting = None
        elif self.only_arguments or not word.startswith("-") or word == "-":
            self.arguments.append(word)
            self.only_arguments |= not self._interspersed
        elif word == "--":
            self.only_arguments = True
        elif "=" not in word:
            flag = self.flag_of(word)
            self.waiting = None if flag is None or flag.kind == "bool" else flag


def _in_command(
    context: Context, entry: str, command: Command, words: Sequence[str], current: str
) -> Completion:
    scan = _Scan(command.flags, interspersed=command.interspersed)
    for word in words:
        scan.take(word)
    if scan.waiting is not None:
        return _value(context, scan.waiting, entry)
    if current.startswith("-") and not scan.only_arguments:
        name, equals, _ = current.partition("=")
        flag = scan.flag_of(name) if equals else None
        if flag is None:
            return _flag_words(command.flags)
        inner = _value(context, flag, entry)
        return Completion(((f"{name}={word}", text) for word, text in inner.found), inner.also)
    return _of_kind(context, argument_kind(entry, len(scan.arguments)))


def _verbs(group: str = "") -> Completion:
    from sampan.cli.summaries import SUMMARIES

    prefix = f"{group} " if group else ""
    found = [
        (words.removeprefix(prefix), SUMMARIES[entry])
        for words, entry in VERBS.items()
        if words.startswith(prefix) and " " not in words.removeprefix(prefix)
    ]
    if not group:
        found = [(word, text) for word, text in found if not word.startswith("__")]
        found += list(GROUPS.items())
    return Completion(found)


def complete(context: Context, flags: Sequence[Flag], words: Sequence[str]) -> Completion:
    """For the last of `words`; `flags` are the global ones."""
    *finished, current = words
    scan = _Scan(flags, interspersed=False)
    for word in finished:
        scan.take(word)
    if scan.waiting is not None:
        return _value(context, scan.waiting)
    verb = scan.arguments
    if not verb:
        return _flag_words(flags) if current.startswith("-") else _verbs()
    for count in (2, 1):
        spelling = " ".join(verb[:count])
        spelling = ALIASES.get(spelling, spelling)
        if len(verb) >= count and spelling in VERBS:
            from sampan.cli.main import load

            rest = verb[count:]
            return _in_command(context, VERBS[spelling], load(spelling), rest, current)
    return _verbs(verb[0]) if verb[0] in GROUPS and len(verb) == 1 else Completion()


def global_words(flags: Sequence[Flag], words: Sequence[str]) -> list[str]:
    """The leading words that are global flags with their values; none if they aren't right."""
    try:
        _, rest = parse(flags, words, interspersed=False)
    except FlagError:
        return []
    return list(words[: len(words) - len(rest)])
