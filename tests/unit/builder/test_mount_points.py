"""Mount points that had to be made in a step's layer go away with it, and nothing else does."""

import os
import stat

import pytest

from sampan.builder.step_mounts import SourceNotThere, _hold
from sampan.builder.workspace import _make_stub, _remove_stubs


@pytest.fixture
def upper(tmp_path):
    made = tmp_path / "upper"
    (made / "have").mkdir(parents=True)
    return made


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("is_directory", [True, False])
def test_empty_ones_are_removed(upper, is_directory):
    made = _make_stub(upper, "/have/a/b", is_directory=is_directory)
    assert made == ["have/a", "have/a/b"]
    assert (upper / "have/a/b").is_dir() is is_directory
    _remove_stubs(upper, made)
    assert names(upper) == ["have"]


def test_what_a_step_put_there_stays(upper):
    made = _make_stub(upper, "/a/b", is_directory=True) + _make_stub(
        upper, "/f", is_directory=False
    )
    (upper / "a" / "own").write_text("x")
    (upper / "f").write_text("written")
    _remove_stubs(upper, made)
    assert names(upper) == ["a", "a/own", "f", "have"]


def test_a_link_in_place_of_a_folder_is_not_followed(upper, tmp_path):
    """CVE-2024-23652: the cleaning of mount points removed files of the host."""
    victim = tmp_path / "victim"
    (victim / "b").mkdir(parents=True)
    (victim / "f").touch()
    made = [
        *_make_stub(upper, "/a/b", is_directory=True),
        *_make_stub(upper, "/a/f", is_directory=False),
    ]
    for name in ("b", "f"):
        path = upper / "a" / name
        path.rmdir() if path.is_dir() else path.unlink()
    (upper / "a").rmdir()
    (upper / "a").symlink_to(victim)
    _remove_stubs(upper, made)
    assert names(victim) == ["b", "f"]
    assert (upper / "a").is_symlink()


def test_a_mount_point_behind_a_link_is_made_inside(upper, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (upper / "way").symlink_to(victim)
    _make_stub(upper, "/way/x", is_directory=True)
    assert names(victim) == []
    assert (upper / str(victim)[1:] / "x").is_dir()


@pytest.mark.parametrize("kind", ["fifo", "device", "link to the host", "missing"])
def test_what_can_not_be_the_source_of_a_mount(tmp_path, kind):
    root = tmp_path / "root"
    root.mkdir()
    if kind == "fifo":
        os.mkfifo(root / "s")
    elif kind == "device":
        os.mknod(root / "s", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    elif kind == "link to the host":
        (tmp_path / "host").write_text("x")
        (root / "s").symlink_to(tmp_path / "host")
    with pytest.raises(SourceNotThere):
        _hold(root, "s", tmp_path / "own")
    assert not (tmp_path / "own").exists()
