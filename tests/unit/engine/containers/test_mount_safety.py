"""Mounts as the OCI runtime is told them: what may not be mounted over, and held sources."""

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


def test_a_subpath_is_what_it_was_when_it_was_looked_up(tmp_path):
    """A container that shares the volume may put a link to the host there later."""
    volume, host = tmp_path / "volume", tmp_path / "host"
    for folder in (volume / "sub", host):
        folder.mkdir(parents=True)
    (volume / "sub/own").touch()
    point = MountPoint("volume", "/data", source=str(volume), subpath="sub", rw=True)
    with ExitStack() as held:
        mount = spec_mounts._mount(spec_mounts._pinned(point, held))
        (volume / "sub").rename(volume / "was")
        (volume / "sub").symlink_to(host)
        assert [path.name for path in Path(mount.source).iterdir()] == ["own"]
    assert not Path(mount.source).exists()


@pytest.mark.parametrize("link", ["/etc", "../../../../../etc"])
def test_links_of_a_volume_do_not_lead_out_of_it(tmp_path, link):
    (tmp_path / "sub").symlink_to(link)
    point = MountPoint("volume", "/data", source=str(tmp_path), subpath="sub", rw=True)
    with ExitStack() as held, pytest.raises(NotFound, match="cannot access path"):
        spec_mounts._mount(spec_mounts._pinned(point, held))
