"""Filling a volume that a running container may already change: nothing is written outside."""

import os

import pytest

from sampan.volumes import copyup


@pytest.fixture
def trees(tmp_path):
    source, target, outside = (tmp_path / name for name in ("source", "target", "outside"))
    for folder in (source / "folder", target, outside):
        folder.mkdir(parents=True)
    (source / "folder/file").write_text("from the image")
    (outside / "file").write_text("the host's")
    return source, target, outside


def meddle(monkeypatch, when, plant):
    """Call `plant` when the copy comes to `when`."""
    entry = copyup._entry

    def meddled(path, name, links):
        if name == when:
            plant()
        return entry(path, name, links)

    monkeypatch.setattr(copyup, "_entry", meddled)


def test_a_folder_that_becomes_a_link_is_not_followed_out(trees, monkeypatch):
    source, target, outside = trees

    def plant():
        (target / "folder").rename(target / "was")
        (target / "folder").symlink_to(outside)

    meddle(monkeypatch, "folder/file", plant)
    copyup.copy_tree(source, target)
    assert (outside / "file").read_text() == "the host's"
    assert [path.name for path in outside.iterdir()] == ["file"]


def test_a_planted_link_is_not_written_through(trees, monkeypatch):
    source, target, outside = trees

    meddle(
        monkeypatch,
        "folder/file",
        lambda: (target / "folder/file").symlink_to(outside / "file"),
    )
    copyup.copy_tree(source, target)
    assert (outside / "file").read_text() == "the host's"
    assert (target / "folder/file").read_text() == "from the image"


def test_deep_trees_are_copied_whole(trees):
    source, target, _ = trees
    folder = source
    for _ in range(400):
        folder /= "d"
        folder.mkdir()
    (folder / "f").write_text("x")
    copyup.copy_tree(source, target)
    assert (target / folder.relative_to(source) / "f").read_text() == "x"


def test_special_files_and_attributes_come_along(trees):
    source, target, _ = trees
    os.mkfifo(source / "fifo", 0o640)
    os.setxattr(source / "folder/file", "user.mark", b"1")
    os.utime(source / "folder", ns=(5, 5_000_000_007))
    copyup.copy_tree(source, target)
    assert (target / "fifo").is_fifo()
    assert os.getxattr(target / "folder/file", "user.mark") == b"1"
    assert (target / "folder").stat().st_mtime_ns == 5_000_000_007
