"""Mounts against the running kernel (needs root)."""

import errno
import os
from pathlib import Path

import pytest

from sampan.linux import mounts
from sampan.linux.mounts import Mount

pytestmark = pytest.mark.integration


@pytest.fixture
def arena(tmp_path):
    yield tmp_path
    mounts.unmount_below(tmp_path)
    assert mounts.mounts_below(tmp_path) == []


def layer(folder: Path, name: str, content: str) -> Path:
    made = folder / name
    made.mkdir(parents=True)
    (made / name).write_text(content)
    (made / "same").write_text(name)
    return made


def overlay_of(arena: Path, count: int) -> tuple[Mount, Path]:
    # names long enough that 130 of them don't fit mount(2)'s page
    lowers = [layer(arena / ("layers-" + "x" * 60), f"layer{n:03}", str(n)) for n in range(count)]
    for name in ("upper", "work", "merged"):
        (arena / name).mkdir()
    mount = mounts.overlay(lowers, upper=arena / "upper", work=arena / "work")
    return mount, arena / "merged"


@pytest.mark.parametrize("count", [1, 130])
def test_overlay_mounts_any_number_of_layers(arena, count):
    mount, target = overlay_of(arena, count)
    mounts.mount_all([mount], target)
    assert (target / "same").read_text() == "layer000"
    assert (target / f"layer{count - 1:03}").read_text() == str(count - 1)
    (target / "new").write_text("n")
    assert (arena / "upper/new").exists()


def test_overlay_by_relative_names_keeps_the_callers_working_directory(arena):
    mount, target = overlay_of(arena, 130)
    before = Path.cwd()
    mounts._mount_overlay_relative(mount, mounts.parse_options(mount.options), target)
    assert (target / "layer129").read_text() == "129"
    assert Path.cwd() == before


def test_a_failed_mount_leaves_none_of_its_predecessors(arena):
    target = arena / "t"
    target.mkdir()
    with pytest.raises(OSError) as failure:
        mounts.mount_all([Mount("tmpfs", "tmpfs"), Mount("bind", str(arena / "missing"))], target)
    assert failure.value.errno == errno.ENOENT
    assert mounts.mounts_below(target) == []


def test_readonly_bind_covers_submounts(arena):
    source, target = arena / "source", arena / "target"
    (source / "sub").mkdir(parents=True)
    target.mkdir()
    mounts.mount_all([Mount("tmpfs", "tmpfs")], source / "sub")
    mounts.bind(source, target, readonly=True)
    for folder in (target, target / "sub"):
        with pytest.raises(OSError) as failure:
            (folder / "file").write_text("")
        assert failure.value.errno == errno.EROFS
    (source / "sub/file").write_text("the source stays writable")


def test_bind_of_a_file_and_idempotent_unmount(arena):
    (arena / "a").write_text("a")
    (arena / "b").write_text("b")
    mounts.bind(arena / "a", arena / "b", propagation="rslave")
    assert (arena / "b").read_text() == "a"
    mounts.unmount(arena / "b")
    mounts.unmount(arena / "b")
    assert (arena / "b").read_text() == "b"


def test_tmpfs_options_are_split_into_flags_and_data(arena):
    target = arena / "t"
    target.mkdir()
    mounts.mount_all(
        [Mount("tmpfs", "tmpfs", ("nosuid", "size=1m", "mode=700", "rprivate"))], target
    )
    assert target.stat().st_mode & 0o777 == 0o700
    assert os.statvfs(target).f_flag & os.ST_NOSUID


def test_mount_points_with_blanks_are_found(arena):
    target = arena / "with blank"
    target.mkdir()
    mounts.mount_all([Mount("tmpfs", "tmpfs")], target)
    assert mounts.mounts_below(arena) == [str(target)]
