"""`.dockerignore` patterns."""

import pytest

from sampan.builder.dockerfile.ignore import BadPattern, IgnoreRules


@pytest.mark.parametrize(
    ("rules", "path", "excluded"),
    [
        ("*.log", "a.log", True),
        ("*.log", "sub/a.log", False),
        ("**/*.log", "sub/deep/a.log", True),
        ("**/*.log", "a.log", True),
        ("*.log\n!keep.log", "keep.log", False),
        ("!keep.log\n*.log", "keep.log", True),
        ("sub/*", "sub/c", True),
        ("sub/*", "sub", False),
        ("sub", "sub/deep/c", True),
        ("sub/\n!sub/c", "sub/c", False),
        ("/a//b/", "a/b", True),
        ("./a", "a", True),
        ("# a", "# a", False),
        (" a ", "a", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "dx", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("foo", "x/foo", False),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        (".", "a", False),
    ],
)
def test_rule(rules, path, excluded):
    assert IgnoreRules(rules).excluded(path) is excluded


@pytest.mark.parametrize("rules", ["!", "a[b", "a[z-a]"])
def test_bad_pattern(rules):
    with pytest.raises(BadPattern):
        IgnoreRules(rules)


def test_no_rules_are_false():
    assert not IgnoreRules("# only a comment\n\n")
