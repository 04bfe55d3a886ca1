"""Mounts and rooted paths against the running kernel (needs root)."""

import errno
import os
import stat
from pathlib import Path

import pytest

from sampan.linux import libc, mounts
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
    with os.fdopen(mounts.open_beneath(root, path, os.O_RDONLY)) as file:
        assert file.read() == "inside"
    assert mounts.resolve_beneath(root, path) == root / "etc/passwd"


def test_link_loops_end(root):
    for call in (
        lambda: mounts.open_beneath(root, "loop", os.O_RDONLY),
        lambda: mounts.resolve_beneath(root, "loop"),
    ):
        with pytest.raises(OSError) as failure:
            call()
        assert failure.value.errno == errno.ELOOP


def test_directories_are_made_where_links_point(root):
    assert mounts.make_dirs_beneath(root, "folder/deeper", mode=0o711) == root / "etc/new/deeper"
    assert (root / "etc/new").stat().st_mode & 0o777 == 0o711
    assert mounts.make_parents_beneath(root, "/a/b/c") == root / "a/b"
    assert not (root / "a/b/c").exists()


def inside(root: Path, path: str, *, directory: bool) -> Path:
    held = mounts.open_target_beneath(root, path, directory=directory)
    try:
        return Path(os.readlink(f"/proc/self/fd/{held}"))  # noqa: PTH115
    finally:
        os.close(held)


def test_mount_targets_are_made(root):
    assert inside(root, "x/file", directory=False).is_file()
    assert inside(root, "x/folder", directory=True).is_dir()
    assert inside(root, "/absolute", directory=False) == root / "etc/passwd"
    with pytest.raises(IsADirectoryError):
        mounts.open_target_beneath(root, "etc", directory=False)


def test_a_mount_point_that_becomes_a_link_leads_nowhere(arena, monkeypatch):
    """CVE-2018-15664 and its kin: the target is swapped between its check and the mount."""
    source, root, outside = arena / "source", arena / "root", arena / "outside"
    for folder in (source, root / "shared/target", outside):
        folder.mkdir(parents=True)
    (source / "mark").touch()
    opened = mounts.open_target_beneath

    def swapped(*args, **facts):
        found = opened(*args, **facts)
        (root / "shared/target").rename(root / "shared/was")
        (root / "shared/target").symlink_to(outside)
        return found

    monkeypatch.setattr(mounts, "open_target_beneath", swapped)
    mounts.bind_beneath(source, root, "shared/target")
    assert list(outside.iterdir()) == []
    assert (root / "shared/was/mark").exists()


def test_mounts_on_top_of_a_bind_do_not_spread_to_its_source(arena):
    source, root, other = arena / "source", arena / "root", arena / "other"
    for folder in (source / "sub", root, other):
        folder.mkdir(parents=True)
    (other / "mark").touch()
    mounts.bind(source, source)
    libc.mount("", source, "", libc.MS_SHARED)
    mounts.bind_beneath(source, root, "data")
    mounts.bind_beneath(other, root, "data/sub", readonly=True)
    assert (root / "data/sub/mark").exists()
    assert list((source / "sub").iterdir()) == []
    with pytest.raises(OSError, match="Read-only"):
        (root / "data/sub/new").touch()


def test_only_regular_files_are_opened_for_reading(root):
    os.mkfifo(root / "etc/fifo")
    os.mknod(root / "etc/device", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    for name in ("etc/fifo", "etc/device", "etc"):
        with pytest.raises(OSError, match="not a regular file"):
            mounts.open_regular_beneath(root, name)
    with os.fdopen(mounts.open_regular_beneath(root, "absolute")) as found:
        assert found.read() == (root / "etc/passwd").read_text()


def test_names_end_at_no_nul(root):
    for call in (
        lambda: mounts.open_beneath(root, "etc/passwd\0/x", os.O_RDONLY),
        lambda: mounts.resolve_beneath(root, "etc\0x"),
    ):
        with pytest.raises(FileNotFoundError):
            call()
