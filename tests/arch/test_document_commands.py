"""Documents as tests: every `sampan` or `docker` command that they show is one that there is.

Fenced blocks without a language are shell. Commands in them are parsed, never run: verbs, flags and
the number of arguments, by the grammars of our own command lines (`docker` takes the same words).
Blocks of output say ```text.
"""

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.cli import main as cli
from sampan.cli.commands.compose import main as compose
from sampan.cli.flags import FlagError, parse
from sampan.daemon.flags import parse_arguments as parse_daemon
from sampan.errors import SampanError
from sampan.hub import administering, collecting
from sampan.hub import config as hub

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]
PROGRAMS = {"sampan", "docker"}
BEFORE = {"do", "then", "else", "if", "while", "!", "yes", "sudo", "xargs", "-r"}
FOREIGN = {"context"}  # verbs of the docker CLI that are no engine's business

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HERE = re.compile(r"<<(\w+)\n.*?^\1$", re.MULTILINE | re.DOTALL)
_DRAWING = re.compile(r"->|'--|^ {2,}\S+ {3,}", re.MULTILINE)
_NUMBERED = re.compile(r"\s\d(?=[<>])")  # of 2>&1
_SET = re.compile(r"\w+=")


class Wrong(Exception):
    """The words of a command don't fit."""


def shell(path: Path) -> Iterator[str]:
    for language, block in _FENCE.findall(path.read_text()):
        if not language and not _DRAWING.search(block):
            yield block


def commands(block: str) -> Iterator[list[str]]:
    """Words of each command of a block of shell; redirections are left out."""
    for line in _HERE.sub("", block).replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(_NUMBERED.sub(" ", line), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        tokens = iter(lexer)
        for token in tokens:
            if token and set(token) <= set("<>") | {"&"} and set(token) & set("<>"):
                next(tokens, None)
            elif token and set(token) <= set("();|&"):
                yield words
                words = []
            else:
                words.append(token)
        yield words


def ours(words: list[str]) -> list[str] | None:
    """What follows the program's name, if the command is one of ours."""
    rest = [*words, "INPUT"] if "xargs" in words else [*words]
    while rest and (rest[0] in BEFORE or _SET.match(rest[0])):
        rest.pop(0)
    return rest[1:] if rest and rest[0].rpartition("/")[2] in PROGRAMS else None


def check(words: list[str]) -> None:
    """Raises what the program itself would complain with."""
    _, words = parse(cli.GLOBAL_FLAGS, words, interspersed=False)
    if not words or words[0] in FOREIGN | {"help"}:
        return
    verb, taken = cli.find_verb(words)
    if not verb:
        raise Wrong(f"no such command: {' '.join(words[:2])}")
    rest = words[taken:]
    if verb in OTHERS:
        OTHERS[verb](rest)
        return
    command = cli.load(verb)
    flags, arguments = parse(command.flags, rest, interspersed=command.interspersed)
    if not flags.on("help") and (complaint := command.count_complaint(len(arguments))):
        raise Wrong(f"{verb} {complaint}")


def check_compose(words: list[str]) -> None:
    _, rest = parse(compose.GLOBAL_FLAGS, words, interspersed=False)
    if not rest or rest[0] not in compose.VERBS:
        raise Wrong(f"no such verb of compose: {rest[:1]}")
    verb = compose.load(rest[0])
    _, arguments = parse(verb.flags, rest[1:], interspersed=verb.interspersed)
    if complaint := verb.count_complaint(len(arguments)):
        raise Wrong(complaint)


def check_daemon(words: list[str]) -> None:
    if "--help" not in words:
        parse_daemon(words)


OTHERS = {
    "compose": check_compose,
    "daemon": check_daemon,
    "hub": hub.load,
    "hub user": administering.user_entry,
    "hub org": administering.organisation_entry,
    "hub gc": collecting.entry,
}


@pytest.fixture(autouse=True)
def _parse_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's own commands parse and act in one go: leave the acting out."""

    def only_parse(parser: argparse.ArgumentParser, words: list[str]) -> int:
        parser.parse_args(words)
        return 0

    monkeypatch.setattr(administering, "_run", only_parse)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_are_there(path: Path) -> None:
    wrong = []
    for block in shell(path):
        for words in commands(block):
            rest = ours(words)
            try:
                if rest is not None:
                    check(rest)
            except (SampanError, FlagError, Wrong) as error:
                wrong.append(f"{' '.join(words)}\n    {error}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "line",
    [
        "sampan cruise",
        "docker run --sail busybox",
        "PORT=1 sampan compose up --sail",
        "sampan pull a b | tail -1",
        "sampan ps -q | xargs -r docker rm --sail",
        "sampan inspect $(docker ps --sail)",
        "sampan daemon --sail &",
        "sampan hub user sail",
        "sampan hub --root /x --listen nowhere",
    ],
)
def test_a_wrong_command_is_found(line: str) -> None:
    with pytest.raises((SampanError, FlagError, Wrong)):
        for words in commands(line):
            if (rest := ours(words)) is not None:
                check(rest)


def test_the_tutorials_are_read() -> None:
    """Not one big drawing: as many commands as a tutorial has."""
    for name in ("tutorial-microblog.md", "tutorial-cloud-native.md"):
        blocks = shell(ROOT / "docs" / name)
        found = [each for block in blocks for each in commands(block) if ours(each)]
        assert len(found) > 35, f"{name}: {len(found)}"
