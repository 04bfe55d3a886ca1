"""What changed files mean for services with watch rules."""

from pathlib import Path

import pytest

from sampan.compose.attributes import Build, Develop, Hook, WatchRule
from sampan.compose.model import Project, Service
from sampan.compose.watching import BadAction, NoRules, NothingToBuild, reactions, rules_of

BUILD = Build(context="/w")


def project_of(*rules: WatchRule, build: Build | None = BUILD) -> Project:
    service = Service(name="web", build=build, develop=Develop(watch=rules))
    return Project(name="p", working_dir=Path("/w"), services={"web": service})


def test_files_below_a_rule_are_synced_to_its_target() -> None:
    rules = rules_of(project_of(WatchRule(path="/w/src", action="sync", target="/app")), {})
    found = reactions(rules, [Path("/w/src/a/b.py"), Path("/w/other.py")])
    assert found["web"].sync == {Path("/w/src/a/b.py"): "/app/a/b.py"}
    assert not found["web"].rebuild
    assert not found["web"].restart


def test_a_rule_for_one_file() -> None:
    rule = WatchRule(path="/w/conf", action="sync+restart", target="/etc/conf")
    found = reactions(rules_of(project_of(rule), {}), [Path("/w/conf")])
    assert found["web"].sync == {Path("/w/conf"): "/etc/conf"}
    assert found["web"].restart


def test_ignored_files_and_editors_leftovers_do_nothing() -> None:
    rule = WatchRule(path="/w/src", action="sync", target="/app", ignore=("node_modules/",))
    rules = rules_of(project_of(rule), {"web": "src/*.log\n"})
    paths = ["/w/src/node_modules/x.js", "/w/src/.a.swp", "/w/src/b~", "/w/src/x.log"]
    assert reactions(rules, map(Path, paths)) == {}


def test_include_narrows() -> None:
    rule = WatchRule(path="/w/src", action="restart", include=("*.py",))
    rules = rules_of(project_of(rule), {})
    assert reactions(rules, [Path("/w/src/a.txt")]) == {}
    assert reactions(rules, [Path("/w/src/a.py")])["web"].restart


def test_sync_and_exec_runs_a_command_once() -> None:
    rule = WatchRule(path="/w/s", action="sync+exec", target="/t", exec=Hook(command=("reload",)))
    found = reactions(rules_of(project_of(rule), {}), [Path("/w/s/a"), Path("/w/s/b")])
    assert [hook.command for hook in found["web"].execs] == [("reload",)]
    assert len(found["web"].sync) == 2


def test_rebuild_is_seen_beside_other_rules() -> None:
    rules = rules_of(
        project_of(
            WatchRule(path="/w", action="rebuild"),
            WatchRule(path="/w", action="sync", target="/app"),
        ),
        {},
    )
    assert reactions(rules, [Path("/w/x")])["web"].rebuild


def test_what_can_not_be_watched_is_refused() -> None:
    with pytest.raises(NoRules):
        rules_of(project_of(), {})
    with pytest.raises(BadAction, match="paint"):
        rules_of(project_of(WatchRule(path="/w", action="paint")), {})
    with pytest.raises(NothingToBuild):
        rules_of(project_of(WatchRule(path="/w", action="rebuild"), build=None), {})
