import subprocess
import sys

import pytest

from sampan.cli.lazy import ALIASES, GROUPS, VERBS
from sampan.cli.main import load
from sampan.cli.summaries import SUMMARIES

HEAVY = (
    "re", "json", "typing", "enum", "dataclasses", "socket", "asyncio", "msgspec", "argparse",
    "collections", "http",
)  # fmt: skip


def test_every_verb_loads_and_has_a_summary():
    for words, entry in VERBS.items():
        assert load(words).usage is not None
        assert SUMMARIES[entry]
        assert " " not in words or words.split()[0] in GROUPS
    assert set(ALIASES.values()) <= set(VERBS)


def test_importing_the_entry_point_loads_nothing_heavy():
    source = next(path for path in sys.path if path.endswith("src"))
    code = f"""
import sys
sys.path.insert(0, {source!r})
import sampan.cli.main, sampan.cli.commands.containers.listing, sampan.client.api
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_unknown_verb_exits_1(sampan):
    outcome = sampan("nosuch")
    assert outcome.status == 1
    assert outcome.err.startswith("sampan: unknown command: sampan nosuch\n\n")


def test_unknown_verb_of_a_group_names_the_group(sampan):
    assert "unknown command: sampan container nosuch" in sampan("container", "nosuch").err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ps", "--nosuch"], "unknown flag: --nosuch"),
        (["ps", "-Z"], "unknown shorthand flag: 'Z' in -Z"),
        (["run", "--name"], "flag needs an argument: --name"),
        (["run", "-m"], "flag needs an argument: 'm' in -m"),
        (
            ["ps", "-a=maybe"],
            (
                'invalid argument "maybe" for "-a, --all" flag: '
                'strconv.ParseBool: parsing "maybe": invalid syntax'
            ),
        ),
        (["run", "-m", "1x", "b"], 'invalid argument "1x" for "-m, --memory" flag: invalid'),
        (["ps", "--filter", "x"], "bad format of filter (expected name=value)"),
        (["--nosuch", "ps"], "unknown flag: --nosuch"),
    ],
)
def test_broken_flag_grammar_exits_125_with_usage(sampan, words, message):
    outcome = sampan(*words)
    assert outcome.status == 125
    assert message in outcome.err
    assert "\n\nUsage:  sampan" in outcome.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "'sampan run' requires at least 1 argument"),
        (["tag", "a"], "'sampan tag' requires 2 arguments"),
        (["ps", "x"], "'sampan ps' accepts no arguments"),
        (["images", "a", "b"], "'sampan images' requires at most 1 argument"),
        (["commit"], "'sampan commit' requires at least 1 and at most 2 arguments"),
    ],
)
def test_wrong_number_of_arguments_exits_1(sampan, words, message):
    outcome = sampan(*words)
    assert outcome.status == 1
    assert f"sampan: {message}\n" in outcome.err


@pytest.mark.parametrize("words", [["--help"], ["ps", "--help"], ["help", "ps"], ["container"]])
def test_help_goes_to_standard_output(sampan, words):
    outcome = sampan(*words)
    assert outcome.status == 0
    assert outcome.out.startswith("Usage:  sampan")


def test_help_lists_aliases(sampan):
    assert "sampan container ls, sampan container list" in sampan("ps", "--help").out


def test_host_flag_wins_over_the_environment(sampan, engine):
    engine.on("GET", "/containers/json", [])
    outcome = sampan("-H", engine.address, "ps", "-q", DOCKER_HOST="unix:///nosuch")
    assert (outcome.status, outcome.out) == (0, "")


def test_unreachable_daemon_is_named(sampan):
    outcome = sampan("ps", DOCKER_HOST="unix:///nosuch.sock")
    assert outcome.status == 1
    assert "Cannot connect to the Sampan daemon at unix:///nosuch.sock." in outcome.err


def test_engine_errors_are_shown_as_the_daemons(sampan, engine):
    engine.on("GET", "/containers/json", {"message": "invalid filter 'x'"}, 400)
    outcome = sampan("ps", "--filter", "x=1")
    assert outcome.status == 1
    assert outcome.err == "Error response from daemon: invalid filter 'x'\n"


def test_pinned_api_version_prefixes_paths(sampan, engine):
    engine.on("GET", "/v1.41/containers/json", [])
    assert sampan("ps", DOCKER_API_VERSION="1.41").status == 0
