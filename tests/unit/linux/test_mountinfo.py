"""Which mount a path lies on, seen on mounts made here."""

import os
import subprocess

import pytest

from sampan.linux.mountinfo import mount_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")


@pytest.fixture
def mounted(tmp_path):
    path = tmp_path / "with space"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "t", path], check=True)
    yield path
    while path.is_mount():
        subprocess.run(["umount", "-R", path], check=True)


@pytest.mark.parametrize(
    ("kind", "shared", "slave"), [("private", False, False), ("shared", True, False)]
)
def test_propagation_of_the_mount_above(mounted, kind, shared, slave):
    subprocess.run(["mount", f"--make-{kind}", mounted], check=True)
    (mounted / "deep" / "er").mkdir(parents=True)
    found = mount_of(mounted / "deep" / "er")
    assert (found.point, found.shared, found.slave) == (str(mounted), shared, slave)


def test_slave_has_a_master(mounted):
    subprocess.run(["mount", "--make-shared", mounted], check=True)
    (mounted / "below").mkdir()
    subprocess.run(["mount", "--bind", mounted, mounted / "below"], check=True)
    subprocess.run(["mount", "--make-slave", mounted / "below"], check=True)
    found = mount_of(mounted / "below" / "deep")
    assert (found.point, found.slave) == (str(mounted / "below"), True)


def test_uppermost_mount_counts(mounted):
    subprocess.run(["mount", "--make-shared", mounted], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "on-top", mounted], check=True)
    subprocess.run(["mount", "--make-private", mounted], check=True)
    shared = mount_of(mounted).shared
    subprocess.run(["umount", mounted], check=True)
    assert not shared


def test_links_are_followed_and_neighbours_are_no_parents(mounted, tmp_path):
    (tmp_path / "link").symlink_to(mounted)
    assert mount_of(tmp_path / "link").point == str(mounted)
    (tmp_path / "with space too").mkdir()
    assert mount_of(tmp_path / "with space too").point != str(mounted)
