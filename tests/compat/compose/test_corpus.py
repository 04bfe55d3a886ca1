"""`sampan compose config` against the real Docker Compose, on sixty-one varied projects.

Each directory of `corpus` is a project; `case.toml` says how it's loaded when that isn't plain
`compose config` (files, profiles, environment ...). The real program runs live: what it prints is
what we print, and its configuration hashes are ours.
"""

import json
import os
import subprocess
import tomllib
from pathlib import Path

import pytest

from integration.harness import ROOT
from sampan.cli.main import main
from sampan.compose.schema import COMPOSE, load_schema
from sampan.compose.yamltree import read_documents

CORPUS = Path(__file__).parent / "corpus"
CASES = sorted(path for path in CORPUS.iterdir() if path.is_dir())
PROGRAM = ROOT / ".cache/tools/docker-compose"
OPTIONS = {
    "files": "--file",
    "env_files": "--env-file",
    "profiles": "--profile",
    "project_directory": "--project-directory",
    "project_name": "--project-name",
}
NEWER = {"pre_start", "pull_refresh_after"}  # Docker Compose 2.40 doesn't know these service keys
FORMS = [["--format", "json"], [], ["--hash", "*"]]


def case_of(path):
    file = path / "case.toml"
    return tomllib.loads(file.read_text()) if file.exists() else {}


def arguments_of(case):
    found = []
    for key, flag in OPTIONS.items():
        values = case.get(key, [])
        for value in [values] if isinstance(values, str) else values:
            found += [flag, value]
    return found


def real(folder, environment, words):
    assert PROGRAM.exists(), "no Docker Compose: run scripts/setup --tests"
    done = subprocess.run(
        [PROGRAM, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, sorted(messages(done.stderr))


def messages(errors):
    """Texts of the warnings, each once."""
    return {line.partition("msg=")[2] for line in errors.splitlines() if "level=warning" in line}


def ours(folder, environment, words, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    status = main(["compose", *words], environment)
    out, errors = capsys.readouterr()
    assert status == 0, errors
    return out, sorted(messages(errors))


@pytest.mark.parametrize("form", FORMS, ids=["json", "yaml", "hash"])
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_config_prints_what_docker_compose_prints(path, form, capsys, monkeypatch):
    case = case_of(path)
    folder = path / case.get("working_directory", ".")
    environment = {"PATH": os.environ["PATH"], "HOME": "/home/somebody", "PWD": str(folder)}
    environment |= case.get("environment", {})
    services = [] if "--hash" in form else case.get("services", [])
    words = [*arguments_of(case), "config", *form, *services]
    expected = real(folder, environment, words)
    assert ours(folder, environment, words, capsys, monkeypatch) == expected


def used_service_keys():
    for path in CORPUS.rglob("*.y*ml"):
        for document in read_documents(path.read_text(), str(path)):
            tree = document.tree if isinstance(document.tree, dict) else {}
            for service in (tree.get("services") or {}).values():
                yield from service or {}


def test_every_service_key_of_the_schema_is_in_the_corpus():
    known = set(load_schema(COMPOSE)["$defs"]["service"]["properties"])
    assert known - set(used_service_keys()) == NEWER


@pytest.mark.parametrize("kind", ["build", "deploy", "healthcheck"])
def test_every_key_of_larger_sections_is_in_the_corpus(kind):
    schema = load_schema(COMPOSE)["$defs"]
    sections = {
        "build": schema["service"]["properties"]["build"]["oneOf"][1],
        "deploy": schema["deployment"],
        "healthcheck": schema["healthcheck"],
    }
    text = "\n".join(path.read_text() for path in CORPUS.rglob("*.y*ml"))
    missing = {key for key in sections[kind]["properties"] if f"{key}:" not in text}
    assert missing <= {"no_cache_filter"}  # newer than Docker Compose 2.40


LISTS = ["--services", "--images", "--volumes", "--networks", "--profiles", "--environment"]
RAW = [["--no-interpolate"], ["--no-path-resolution"], ["--variables", "--format", "json"]]


@pytest.mark.parametrize("words", [[each] for each in LISTS] + RAW, ids=" ".join)
@pytest.mark.parametrize("name", ["12-dot-env", "29-override-file", "35-extends-other-file"])
def test_lists_hold_what_docker_compose_lists(name, words, capsys, monkeypatch):
    """Go prints its maps in any order: the lines count."""
    folder = CORPUS / name
    environment = {"PATH": os.environ["PATH"], "HOME": "/home/somebody", "PWD": str(folder)}
    expected = real(folder, environment, ["config", *words])[0]
    out = ours(folder, environment, ["config", *words], capsys, monkeypatch)[0]
    assert sorted(out.splitlines()) == sorted(expected.splitlines())


def test_what_is_printed_loads_as_the_same_project(capsys, monkeypatch, tmp_path):
    folder = CORPUS / "61-full-stack"
    environment = {"PATH": os.environ["PATH"], "HOME": "/home/somebody", "JWT": "j"}
    first = ours(folder, environment, ["config"], capsys, monkeypatch)[0]
    (tmp_path / "compose.yaml").write_text(first)
    again = ours(tmp_path, environment, ["config"], capsys, monkeypatch)[0]
    assert again == first
    assert json.loads(
        ours(tmp_path, environment, ["config", "--format", "json"], capsys, monkeypatch)[0]
    )
