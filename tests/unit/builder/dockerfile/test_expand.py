"""Expansion against the published vectors and the forms that they leave out."""

from pathlib import Path

import pytest

from sampan.builder.dockerfile.expand import ExpansionFailed, expand, expand_words

DATA = Path(__file__).parent.parent / "data"
ENVIRONMENT = {"PWD": "/home", "SHELL": "bash", "KOREAN": "한국어", "NULL": ""}


def environment_vectors():
    for line in (DATA / "vectors-env-expansion.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        platform, word, expected = line.split("|")
        if platform.strip() in {"A", "U"}:
            yield word.strip(), expected.strip()


def word_vectors():
    variables: dict[str, str] = {}
    for line in (DATA / "vectors-word-splitting.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("ENV "):
            name, _, value = line.removeprefix("ENV ").lstrip().partition("=")
            variables[name] = value
            continue
        word, _, expected = line.partition("|")
        yield dict(variables), word.strip(), expected.lstrip()


@pytest.mark.parametrize(("word", "expected"), list(environment_vectors()))
def test_expansion_vector(word, expected):
    if expected == "error":
        with pytest.raises(ExpansionFailed):
            expand(word, ENVIRONMENT)
    else:
        assert expand(word, ENVIRONMENT) == expected


@pytest.mark.parametrize(("variables", "word", "expected"), list(word_vectors()))
def test_word_splitting_vector(variables, word, expected):
    if expected == "error":
        with pytest.raises(ExpansionFailed):
            expand_words(word, variables)
    else:
        assert expand_words(word, variables) == expected.split(",")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("${p#*/}", "b/c.tar.gz"),
        ("${p##*/}", "c.tar.gz"),
        ("${p%.*}", "a/b/c.tar"),
        ("${p%%.*}", "a/b/c"),
        ("${p/b/x}", "a/x/c.tar.gz"),
        ("${p//a/X}", "X/b/c.tXr.gz"),
        ("${p/a*r/Z}", "Z.gz"),
        ("${p#\\*}", "a/b/c.tar.gz"),
        ("${nope#x}", ""),
        ("${nope-d}${empty-d}${empty+e}", "de"),
    ],
)
def test_trimming_and_replacing(word, expected):
    assert expand(word, {"p": "a/b/c.tar.gz", "empty": ""}) == expected


def test_backtick_escape():
    assert expand("`$PWD c:\\x", ENVIRONMENT, "`") == "$PWD c:\\x"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("${x:?msg}", 'failed to process "${x:?msg}": x: msg'),
        ("${x?}", 'failed to process "${x?}": x: is not allowed to be unset'),
        ("${x!y}", "failed to process \"${x!y}\": missing ':' in substitution"),
        (
            '"b',
            (
                'failed to process "\\"b": unexpected end of statement while looking for '
                "matching double-quote"
            ),
        ),
    ],
)
def test_message_names_the_word(word, message):
    with pytest.raises(ExpansionFailed) as caught:
        expand(word, {})
    assert caught.value.message == message
