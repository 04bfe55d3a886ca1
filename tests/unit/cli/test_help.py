"""Every command explains itself: usage, one line of description, a text for each flag."""

import re

import pytest

from sampan.cli.commands.compose import main as compose
from sampan.cli.lazy import ALIASES, GROUPS, VERBS
from sampan.cli.main import main

HUB_VERBS = {
    "user": ("add", "passwd", "list", "remove", "quota"),
    "org": ("add", "list", "remove", "quota", "member"),
}
COMMANDS = [
    *(words for words in VERBS if not words.startswith("__")),
    *(group for group in GROUPS if group not in VERBS),
    *(f"compose {name}" for name in compose.VERBS),
    *(f"hub {noun} {verb}" for noun, verbs in HUB_VERBS.items() for verb in verbs),
]
_ENTRY = re.compile(r"^ {2,6}(-\w(?: \w+)?, )?--?[\w-]+")


@pytest.fixture
def sampan(capsys):
    def run(*words):
        """Status and text, whoever prints it; argparse ends by SystemExit."""
        try:
            status = main(list(words), {})
        except SystemExit as end:
            status = end.code or 0
        return status, capsys.readouterr().out

    return run


def explanations(lines):
    """Flag -> what is said of it: the rest of its line, and the lines below that are deeper."""
    found, current = {}, ""
    for line in lines:
        if _ENTRY.match(line):
            current, _, text = line.strip().partition("  ")
            found[current] = text.strip()
        elif current and line.startswith(" " * 8):
            found[current] += f" {line.strip()}"
        else:
            current = ""
    return found


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_explains_itself(words, sampan):
    status, text = sampan(*words.split(), "--help")
    assert status == 0
    usage, described, *_ = text.split("\n\n")
    assert usage.startswith(f"Usage:  sampan {words}")
    first = described.split("\n")[0]
    assert re.match(r"[A-Z].{5,90}$", first), f"no description: {first!r}"
    options = text.partition("\nOptions:\n")[2].split("\n\n")[0].splitlines()
    unexplained = [flag for flag, said in explanations(options).items() if not said.strip()]
    assert not unexplained
    assert all(line == line.rstrip() for line in text.splitlines())


def test_an_alias_has_the_help_of_what_it_means(sampan):
    for alias, words in ALIASES.items():
        assert sampan(*alias.split(), "--help") == sampan(*words.split(), "--help")


def test_the_first_page_names_every_command(sampan):
    status, page = sampan("--help")
    assert (status, page) == sampan()
    for words in VERBS:
        if " " not in words and not words.startswith("__"):
            assert f"\n  {words} " in page


def test_a_flag_without_a_text_is_noticed():
    lines = ["  -a, --all          Everything", "      --bare string", "      --long string"]
    lines.append(" " * 12 + "told below")
    found = explanations(lines)
    assert found == {"-a, --all": "Everything", "--bare string": "", "--long string": " told below"}


def test_values_have_the_words_of_dockers_help(sampan):
    _, page = sampan("service", "create", "--help")
    for shown in (
        "-p, --publish port ",
        "--secret secret ",
        "--entrypoint command ",
        "--env list ",
    ):
        assert shown in page
    _, daemon = sampan("daemon", "--help")
    for shown in ("--data-root string ", "-H, --host list ", "--mtu int ", "-D, --debug  "):
        assert shown in daemon
