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
