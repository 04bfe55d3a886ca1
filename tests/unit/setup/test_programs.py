import pytest

from sampan.lib import needs
from sampan.lib.needs import Need
from sampan.setup import programs
from sampan.setup.findings import Status


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(folder, name, words):
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{words}'\n")
    path.chmod(0o755)


def findings():
    return {each.name: each for each in programs.program_findings("apt")}


def test_a_program_is_told_with_its_version(folder):
    install(folder, "git", "git version 2.39.5")
    found = findings()["git"]
    assert (found.status, found.found, found.need) == (Status.OK, "git 2.39.5", None)


def test_what_is_missing_says_how_to_get_it(folder):
    found = findings()
    assert found["crun"].status is Status.MISSING
    assert found["crun"].remedy == "apt-get install -y --no-install-recommends crun"
    assert found["etcd"].status is Status.OPTIONAL
    assert found["etcd"].need is needs.ETCD


def test_either_runtime_is_enough(folder):
    install(folder, "runc", "runc version 1.1.5\nspec: 1.0.2")
    assert findings()["crun"].found == "runc 1.1.5"
    assert findings()["crun"].status is Status.OK


def test_a_runtime_can_be_too_old(folder):
    install(folder, "crun", "crun version 0.17")
    found = findings()["crun"]
    assert (found.status, found.found) == (Status.MISSING, "crun 0.17, older than 1.8")


@pytest.mark.parametrize(
    ("program", "said", "expected"),
    [
        ("crun", "1.8.1", False),
        ("crun", "1.10", False),
        ("etcd", "3.3.25", True),
        ("git", "1", False),
    ],
)
def test_versions_are_numbers(program, said, expected):
    assert programs.too_old(program, said) is expected


def test_a_program_that_says_nothing_is_there_all_the_same(folder):
    install(folder, "etcd", "")
    assert findings()["etcd"].found == "etcd"


def test_a_library_is_looked_for_by_loading_it():
    assert programs.look(Need("c", "", library="libc.so.6")) == (True, "libc.so.6")
    assert programs.look(Need("x", "", library="libnosuch.so.9")) == (False, "not installed")
