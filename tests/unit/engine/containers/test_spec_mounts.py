"""How mounts are written down for the OCI runtime."""

import os
import subprocess

import pytest

from sampan.engine.containers.mounts import NoBindSource
from sampan.engine.containers.record import MountPoint
from sampan.engine.containers.spec_mounts import _mount, make_sources
from sampan.errors import InvalidArgument


def bind(source, **more):
    return MountPoint("bind", "/m", source=str(source), **more)


def test_binds_are_recursive_and_read_only_all_the_way_down(tmp_path):
    assert _mount(bind(tmp_path)).options == ("rbind", "rprivate", "rw")
    assert _mount(bind(tmp_path, rw=False)).options == ("rbind", "rprivate", "rro")
    found = _mount(bind(tmp_path, rw=False, read_only_below=False))
    assert found.options == ("rbind", "rprivate", "ro")


def test_non_recursive_binds_say_nothing_recursive(tmp_path):
    assert _mount(bind(tmp_path, recursive=False)).options == ("bind", "private", "rw")
    assert _mount(bind(tmp_path, recursive=False, rw=False)).options == ("bind", "private", "ro")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_only_shared_mounts_can_be_shared(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "t", source], check=True)
    try:
        subprocess.run(["mount", "--make-private", source], check=True)
        with pytest.raises(InvalidArgument, match=f"is mounted on {source} but it is not a shared"):
            _mount(bind(source, propagation="rshared"))
        with pytest.raises(InvalidArgument, match="not a shared or slave mount"):
            _mount(bind(source, propagation="slave"))
        subprocess.run(["mount", "--make-shared", source], check=True)
        assert "rshared" in _mount(bind(source, propagation="rshared")).options
        assert "slave" in _mount(bind(source, propagation="slave")).options
    finally:
        subprocess.run(["umount", source], check=True)


def test_missing_sources_are_made_only_where_that_was_asked(tmp_path):
    make_sources([bind(tmp_path / "a" / "b", create_source=True)])
    assert (tmp_path / "a" / "b").is_dir()
    with pytest.raises(NoBindSource) as caught:
        make_sources([bind(tmp_path / "c")])
    assert "bind source path does not exist" in caught.value.message
    assert caught.value.hint


"""Mounts as the OCI runtime is told them: what may not be mounted over, and held sources."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from sampan.engine.containers import spec_mounts
from sampan.engine.containers.record import MountPoint
from sampan.errors import InvalidArgument, NotFound
from sampan.runtime.spec_builder import SpecMount


@pytest.mark.parametrize("place", ["/proc", "/proc/sys", "/proc/self/attr", "/proc/kcore"])
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
        mount = spec_mounts._mount(point, held)
        (volume / "sub").rename(volume / "was")
        (volume / "sub").symlink_to(host)
        assert [path.name for path in Path(mount.source).iterdir()] == ["own"]
    assert not Path(mount.source).exists()


@pytest.mark.parametrize("link", ["/etc", "../../../../../etc"])
def test_links_of_a_volume_do_not_lead_out_of_it(tmp_path, link):
    (tmp_path / "sub").symlink_to(link)
    point = MountPoint("volume", "/data", source=str(tmp_path), subpath="sub", rw=True)
    with ExitStack() as held, pytest.raises(NotFound, match="cannot access path"):
        spec_mounts._mount(point, held)
