"""Mounts as the OCI runtime is told them: what may not be mounted over, and held sources."""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from sampan.engine.containers import spec_mounts
from sampan.engine.containers.record import MountPoint
from sampan.errors import InvalidArgument, NotFound
from sampan.runtime.spec_builder import SpecMount


@pytest.mark.parametrize("place", ["/proc", "/proc/sys", "/proc/self/attr", "/x/../proc"])
def test_mounts_over_proc_are_refused(tmp_path, place):
    """CVE-2019-16884 and CVE-2019-19921: a volume there hides what the runtime masks."""
    with pytest.raises(InvalidArgument, match="/proc"):
        spec_mounts._check_not_in_proc(SpecMount("bind", str(tmp_path), place))
    with pytest.raises(InvalidArgument, match="/proc"):
        spec_mounts._check_not_in_proc(SpecMount("tmpfs", "tmpfs", place))


def test_the_hosts_proc_and_files_of_lxcfs_may_be_mounted(tmp_path):
    spec_mounts._check_not_in_proc(SpecMount("bind", "/proc", "/proc"))
    spec_mounts._check_not_in_proc(SpecMount("bind", str(tmp_path / "m"), "/proc/meminfo"))
    spec_mounts._check_not_in_proc(SpecMount("bind", str(tmp_path), "/host/proc"))


def pinned(point, folder):
    """What lies at the source that the runtime is told, after somebody had time to meddle."""
    pins = folder / "pins"
    pins.mkdir()
    with ExitStack() as held:
        yield Path(spec_mounts._mount(spec_mounts._pinned(point, pins, held)).source)
    assert list(pins.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_a_subpath_is_what_it_was_when_it_was_looked_up(tmp_path):
    """A container that shares the volume may put a link to the host there later."""
    volume, host = tmp_path / "volume", tmp_path / "host"
    for folder in (volume / "sub", host):
        folder.mkdir(parents=True)
    (volume / "sub/own").touch()
    point = MountPoint("volume", "/data", source=str(volume), subpath="sub", rw=True)
    for source in pinned(point, tmp_path):
        (volume / "sub").rename(volume / "was")
        (volume / "sub").symlink_to(host)
        assert [path.name for path in source.iterdir()] == ["own"]
    assert (volume / "was/own").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_a_subpath_may_be_a_file(tmp_path):
    (tmp_path / "file").write_text("text")
    point = MountPoint("volume", "/data", source=str(tmp_path), subpath="file", rw=True)
    for source in pinned(point, tmp_path):
        assert source.read_text() == "text"
    assert (tmp_path / "file").read_text() == "text"


@pytest.mark.parametrize("link", ["/nosuch", "../../../../../etc"])
def test_links_of_a_volume_do_not_lead_out_of_it(tmp_path, link):
    (tmp_path / "sub").symlink_to(link)
    point = MountPoint("volume", "/data", source=str(tmp_path), subpath="sub", rw=True)
    with ExitStack() as held, pytest.raises(NotFound, match="cannot access path"):
        spec_mounts._pinned(point, tmp_path, held)
