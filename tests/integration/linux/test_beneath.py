"""Paths from outside: whatever links they lead through, they end beneath their root."""

import errno
import os
import stat
from pathlib import Path

import pytest

from sampan.linux import beneath, libc, mounts

pytestmark = pytest.mark.integration


@pytest.fixture
def arena(tmp_path):
    yield tmp_path
    mounts.unmount_below(tmp_path)
    assert mounts.mounts_below(tmp_path) == []


@pytest.fixture
def root(tmp_path):
    made = tmp_path / "root"
    (made / "etc").mkdir(parents=True)
    (made / "etc/passwd").write_text("inside")
    (made / "absolute").symlink_to("/etc/passwd")
    (made / "climbing").symlink_to("../../../etc/passwd")
    (made / "loop").symlink_to("loop")
    (made / "folder").symlink_to("/etc/new")
    return made


@pytest.mark.parametrize("path", ["absolute", "/climbing", "/../../etc/passwd", "etc/../absolute"])
def test_links_never_leave_the_root(root, path):
    with os.fdopen(beneath.open_beneath(root, path, os.O_RDONLY)) as file:
        assert file.read() == "inside"
    assert beneath.resolve_beneath(root, path) == root / "etc/passwd"


def test_link_loops_end(root):
    for call in (
        lambda: beneath.open_beneath(root, "loop", os.O_RDONLY),
        lambda: beneath.resolve_beneath(root, "loop"),
    ):
        with pytest.raises(OSError) as failure:
            call()
        assert failure.value.errno == errno.ELOOP


def test_directories_are_made_where_links_point(root):
    assert beneath.make_dirs_beneath(root, "folder/deeper", mode=0o711) == root / "etc/new/deeper"
    assert (root / "etc/new").stat().st_mode & 0o777 == 0o711
    assert beneath.make_parents_beneath(root, "/a/b/c") == root / "a/b"
    assert not (root / "a/b/c").exists()


def inside(root: Path, path: str, *, directory: bool) -> Path:
    held = beneath.open_target_beneath(root, path, directory=directory)
    try:
        return Path(os.readlink(f"/proc/self/fd/{held}"))  # noqa: PTH115
    finally:
        os.close(held)


def test_mount_targets_are_made(root):
    assert inside(root, "x/file", directory=False).is_file()
    assert inside(root, "x/folder", directory=True).is_dir()
    assert inside(root, "/absolute", directory=False) == root / "etc/passwd"
    with pytest.raises(IsADirectoryError):
        beneath.open_target_beneath(root, "etc", directory=False)


def test_a_mount_point_that_becomes_a_link_leads_nowhere(arena, monkeypatch):
    """CVE-2018-15664 and its kin: the target is swapped between its check and the mount."""
    source, root, outside = arena / "source", arena / "root", arena / "outside"
    for folder in (source, root / "shared/target", outside):
        folder.mkdir(parents=True)
    (source / "mark").touch()
    opened = beneath.open_target_beneath

    def swapped(*args, **facts):
        found = opened(*args, **facts)
        (root / "shared/target").rename(root / "shared/was")
        (root / "shared/target").symlink_to(outside)
        return found

    monkeypatch.setattr(beneath, "open_target_beneath", swapped)
    beneath.bind_beneath(source, root, "shared/target")
    assert list(outside.iterdir()) == []
    assert (root / "shared/was/mark").exists()


def test_mounts_on_top_of_a_bind_do_not_spread_to_its_source(arena):
    source, root, other = arena / "source", arena / "root", arena / "other"
    for folder in (source / "sub", root, other):
        folder.mkdir(parents=True)
    (other / "mark").touch()
    mounts.bind(source, source)
    libc.mount("", source, "", libc.MS_SHARED)
    beneath.bind_beneath(source, root, "data")
    beneath.bind_beneath(other, root, "data/sub", readonly=True)
    assert (root / "data/sub/mark").exists()
    assert list((source / "sub").iterdir()) == []
    with pytest.raises(OSError, match="Read-only"):
        (root / "data/sub/new").touch()


def test_only_regular_files_are_opened_for_reading(root):
    os.mkfifo(root / "etc/fifo")
    os.mknod(root / "etc/device", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    for name in ("etc/fifo", "etc/device", "etc"):
        with pytest.raises(OSError, match="not a regular file"):
            beneath.open_regular_beneath(root, name)
    with os.fdopen(beneath.open_regular_beneath(root, "absolute")) as found:
        assert found.read() == (root / "etc/passwd").read_text()


def test_names_end_at_no_nul(root):
    for call in (
        lambda: beneath.open_beneath(root, "etc/passwd\0/x", os.O_RDONLY),
        lambda: beneath.resolve_beneath(root, "etc\0x"),
    ):
        with pytest.raises(FileNotFoundError):
            call()
