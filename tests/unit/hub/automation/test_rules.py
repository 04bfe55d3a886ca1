"""Rules of automated builds: the field's table row by row, expressions, what is refused."""

import csv
import dataclasses
from pathlib import Path

import pytest

from sampan.errors import InvalidArgument
from sampan.hub.automation.builds.queue import State
from sampan.hub.automation.builds.rules import (
    DEFAULT_RULE,
    BadRule,
    Ref,
    Rule,
    check_rule,
    image_tag,
    matches,
    parse_ref,
)
from sampan.hub.automation.builds.sources import parse_arguments

TABLE = Path(__file__).with_name("autobuild-rules.tsv")


def rows():
    with TABLE.open() as source:
        return {row["field"]: row for row in csv.DictReader(source, delimiter="\t")}


def tag(source, docker_tag, name, kind="branch", about="branch"):
    return image_tag(Rule(about, source, docker_tag), Ref(kind, name))


def source_type(row):
    for kind in row["values"].split(" | "):
        check_rule(Rule(kind, "x", "y"))
        assert image_tag(Rule(kind, "x", "y"), Ref(kind, "x")) == "y"
    assert tag("x", "y", "x", kind="tag") is None
    with pytest.raises(BadRule):
        check_rule(Rule("commit", "x", "y"))


def source(row):
    assert tag("main", "t", "main") == "t"
    assert tag("main", "t", "mainly") is None
    assert tag("/^ma.n$/", "t", "main") == "t"
    assert tag("/rel/", "t", "a-release") == "t", "an expression is looked for in the name"
    assert tag("/^rel/", "t", "a-release") is None


def docker_tag(row):
    assert tag("/.*/", "{sourceref}", "v1.2") == "v1.2"
    assert tag("/^v([0-9]+)\\.([0-9]+)$/", "r-{\\1}_{\\2}", "v10.4") == "r-10_4"
    nine = "/^" + "(.)" * 9 + "$/"
    assert tag(nine, "{\\9}{\\1}", "abcdefghi") == "ia"
    assert tag("/^(a)?b$/", "x{\\1}", "b") == "x", "a group that took no part is empty"
    assert tag("/.*/", "{sourceref}", "feature/x") is None, "a slash is in no tag"
    for wrong in ("{\\1}", "a b", "", "x/y", "." + "a", "a" * 200):
        with pytest.raises(BadRule):
            check_rule(Rule("branch", "main", wrong))


def dockerfile(row):
    assert check_rule(Rule("branch", "x", "y", "")).dockerfile == "Dockerfile"
    assert check_rule(Rule("branch", "x", "y", "/")).dockerfile == "Dockerfile"
    assert check_rule(Rule("branch", "x", "y", "./a/Df")).dockerfile == "a/Df"
    for wrong in ("../x", "a/../../x"):
        with pytest.raises(BadRule):
            check_rule(Rule("branch", "x", "y", wrong))


def build_context(row):
    assert check_rule(Rule("branch", "x", "y")).build_context == "/"
    assert check_rule(Rule("branch", "x", "y", "Df", "a//b/")).build_context == "/a/b"
    folder = check_rule(Rule("branch", "x", "y", "sub/dir/Df", ""))
    assert (folder.dockerfile, folder.build_context) == ("Df", "/sub/dir")
    with pytest.raises(BadRule):
        check_rule(Rule("branch", "x", "y", "Df", "/a/../.."))


def flag(row):
    assert row["values"] == "true|false"
    assert getattr(DEFAULT_RULE, row["field"]) is True


def default_rule(row):
    assert [image_tag(DEFAULT_RULE, Ref("branch", name)) for name in ("main", "master", "x")] == [
        *("latest", "latest", None)
    ]


def build_environment(row):
    assert parse_arguments("A=1\n\n B_2=x=y \n") == {"A": "1", "B_2": "x=y"}
    for wrong in ("A", "1A=2", "A B=1", "=x"):
        with pytest.raises(InvalidArgument, match="NAME=value"):
            parse_arguments(wrong)


def build_states(row):
    named = {each.strip() for each in row["values"].split("(")[0].split(",")}
    assert named <= {state.value for state in State}


# rows about what isn't offered here: docs/hub.md says so
OTHERS = {"autotest", "hook variables", "hooks", "checkout", "note"}
CHECKS = {
    "source_type": source_type,
    "source": source,
    "docker_tag": docker_tag,
    "dockerfile": dockerfile,
    "build_context": build_context,
    "autobuild": flag,
    "build_caching": flag,
    "default rule": default_rule,
    "build environment": build_environment,
    "build states": build_states,
}


@pytest.mark.parametrize("field", sorted(CHECKS))
def test_a_row_of_the_table(field):
    CHECKS[field](rows()[field])


def test_every_row_is_looked_at():
    assert rows().keys() == CHECKS.keys() | OTHERS


def test_a_tag_is_built_once_by_the_first_rule_about_it():
    first, second = Rule("branch", "main", "latest"), Rule("branch", "/main/", "latest")
    other = Rule("branch", "/^(main)$/", "{\\1}-x")
    found = matches([first, second, other], Ref("branch", "main"))
    assert found == [(first, "latest"), (other, "main-x")]


@pytest.mark.parametrize("expression", ["/(a/", "/[/", "/(?<=x)y/", "/(a)\\1/"])
def test_expressions_that_can_t_be_used(expression):
    with pytest.raises(BadRule, match="isn't a regular expression"):
        check_rule(Rule("branch", expression, "t"))


def test_an_expression_can_t_stop_the_hub():
    """This takes a backtracking matcher longer than the universe."""
    assert tag("/^(a+)+$/", "t", "a" * 200 + "!") is None
    assert tag("/^(([a-z])+.)+[A-Z]([a-z])+$/", "t", "a" * 250) is None


@pytest.mark.parametrize("source", ["", "-x", "a b", "a\\b"])
def test_names_that_no_ref_has(source):
    with pytest.raises(BadRule):
        check_rule(Rule("branch", source, "t"))


def test_refs():
    assert parse_ref("refs/heads/a/b") == Ref("branch", "a/b")
    assert parse_ref("refs/tags/v1") == Ref("tag", "v1")
    assert parse_ref("refs/pull/1/head") is None
    assert parse_ref("refs/heads/") is None
    assert Ref("tag", "v1").full == "refs/tags/v1"


def test_checking_twice_changes_nothing():
    rule = check_rule(Rule("branch", "x", "y", "sub/Df", ""))
    assert check_rule(rule) == rule
    assert dataclasses.astuple(rule)[3:5] == ("Df", "/sub")
