"""Which files of a directory go to a build."""

import os

import pytest

from sampan.client.buildkit.localtree import LocalTree
from sampan.lib.tarstream import Kind


@pytest.fixture
def root(tmp_path):
    for name in ("a/x.txt", "a/y.log", "b/c/z", "top", "skip/keep", "skip/drop"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def names(root, **options):
    return [entry.name for entry in LocalTree(str(root), **options).entries()]


def test_everything_sorted_with_folders_first(root):
    found = names(root)
    assert found == sorted(found, key=lambda name: name.split("/"))
    assert found[:3] == ["a", "a/x.txt", "a/y.log"]
    assert len(found) == 10


def test_excluded_files_stay_and_some_come_back(root):
    found = names(root, without=["**/*.log", "skip", "!skip/keep"])
    assert "a/y.log" not in found
    assert "skip/drop" not in found
    assert found[found.index("skip/keep") - 1] == "skip"


def test_only_wanted_paths_and_the_folders_on_the_way(root):
    assert names(root, only=["b/c/z"]) == ["b", "b/c", "b/c/z"]
    assert names(root, only=["a/*.txt"]) == ["a", "a/x.txt"]
    assert names(root, only=["nothing"]) == []
    assert len(names(root, only=["."])) == 10


def test_links_are_followed_but_not_out_of_the_directory(root):
    (root / "way").symlink_to("b")
    (root / "out").symlink_to("/etc")
    (root / "loop").symlink_to("loop")
    assert names(root, only=["way/c"]) == ["b", "b/c", "b/c/z", "way"]
    assert names(root, only=["out/passwd"]) == ["out"]
    assert names(root, only=["loop"]) == ["loop"]


def test_hard_links_name_the_first(root):
    (root / "again").hardlink_to(root / "top")
    entries = {entry.name: entry for entry in LocalTree(str(root)).entries()}
    assert entries["again"].kind is Kind.REGULAR
    assert (entries["top"].kind, entries["top"].link) == (Kind.HARD_LINK, "again")


def test_sockets_stay_behind(root):
    import socket

    with socket.socket(socket.AF_UNIX) as bound:
        here = os.open(root, os.O_PATH)
        bound.bind(f"/proc/self/fd/{here}/s")
        os.close(here)
        assert "s" not in names(root)
