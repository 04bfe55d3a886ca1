# ruff: noqa: PTH115, PTH208 - names are what is compared
"""Archives that mean harm change nothing outside of the tree; the others come out as they went in.

The shapes are those of known holes: CVE-2018-15664 and -2019-14271 (links while copying),
CVE-2021-30465 (mount targets), CVE-2021-41091, "zip slip", tar hard links to /etc/shadow.
"""

import io
import os
import stat
import tarfile

import pytest

from sampan.errors import InvalidArgument, SampanError
from sampan.store.apply import extract, plain_extract

SYMLINK, HARD, DIR = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE


@pytest.fixture
def world(tmp_path):
    """A tree to fill, and a secret outside that nobody may touch."""
    root = tmp_path / "root"
    root.mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    return root


@pytest.fixture
def untouched(world):
    yield
    outside = world.parent / "outside"
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_text() == "secret"
    assert outside.stat().st_nlink == 2
    assert (outside / "secret").stat().st_nlink == 1
    assert sorted(path.name for path in world.parent.iterdir()) == ["outside", "root"]


def layer(data, root):
    return extract(io.BytesIO(data), root)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("../outside/new", "outside/new"),
        ("a/../../outside/new", "outside/new"),
        ("/../outside/new", "outside/new"),
        ("/../../../x", "x"),
        ("./../x", "x"),
    ],
)
def test_names_that_climb_stop_at_the_root(world, make_tar, name, place):
    """As in dockerd, which works in a chroot."""
    for member in (make_tar.member(name), make_tar.member(name, SYMLINK, linkname="x")):
        layer(make_tar(members=[member]), world)
        assert os.path.lexists(world / place)
        (world / place).unlink()
        (world / "deep").mkdir(exist_ok=True)
        plain_extract(io.BytesIO(make_tar(members=[member])), world, into="/deep")
        assert os.path.lexists(world / "deep" / place)
        if not name.startswith("/"):
            with pytest.raises(InvalidArgument, match="outside of the target"):
                plain_extract(
                    io.BytesIO(make_tar(members=[member])),
                    world,
                    into="/deep",
                    refuse_climbing=True,
                )


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("name", ["..", "a/../..", "/.."])
def test_the_root_above_the_root_is_the_root(world, make_tar, name):
    layer(make_tar(members=[make_tar.member(name, DIR)]), world)
    with pytest.raises(InvalidArgument, match="is a directory"):
        layer(make_tar(members=[make_tar.member(name)]), world)


@pytest.mark.usefixtures("untouched")
def test_a_hard_link_that_climbs_finds_what_is_in_the_root(world, make_tar):
    members = [
        (make_tar.member("f", size=1), b"x"),
        make_tar.member("d/h", HARD, linkname="../../f"),
    ]
    layer(make_tar(members=members), world)
    assert (world / "d/h").stat().st_ino == (world / "f").stat().st_ino


@pytest.mark.usefixtures("untouched")
def test_absolute_names_are_relative_to_the_tree(world, make_tar):
    layer(make_tar({"/etc/passwd": b"mine"}), world)
    assert (world / "etc/passwd").read_text() == "mine"


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("target", ["../outside", "/../../outside", "{tmp}/outside"])
@pytest.mark.parametrize("extractor", [extract, plain_extract])
def test_links_never_lead_out(world, make_tar, target, extractor):
    target = target.format(tmp=world.parent)
    members = [
        make_tar.member("way", SYMLINK, linkname=target),
        (make_tar.member("way/secret", size=4), b"evil"),
        (make_tar.member("way/new/deep", size=4), b"evil"),
    ]
    with pytest.raises(InvalidArgument, match="open /way/secret: no such file or directory"):
        extractor(io.BytesIO(make_tar(members=members)), world)
    # where a process chrooted to the tree finds the target, it is that one
    inside = make_tar.member(str(world.parent / "outside"), DIR)
    extractor(io.BytesIO(make_tar(members=[inside, make_tar.member("outside", DIR)])), world)
    extractor(io.BytesIO(make_tar(members=members)), world)
    assert os.readlink(world / "way") == target
    found = [path for path in world.rglob("secret") if not path.is_symlink()]
    assert [path.read_text() for path in found] == ["evil"]


@pytest.mark.usefixtures("untouched")
def test_a_link_is_replaced_and_not_written_through(world, make_tar):
    outside = world.parent / "outside" / "secret"
    data = make_tar(
        members=[
            make_tar.member("file", SYMLINK, linkname=str(outside)),
            (make_tar.member("file", size=4), b"evil"),
        ]
    )
    layer(data, world)
    assert (world / "file").read_text() == "evil"
    assert not (world / "file").is_symlink()


@pytest.mark.usefixtures("untouched")
def test_a_link_planted_before_a_directory_is_replaced(world, make_tar):
    data = make_tar(
        members=[
            make_tar.member("outside", DIR),
            make_tar.member("dir", SYMLINK, linkname="../outside"),
            (make_tar.member("dir/one", size=1), b"1"),
            make_tar.member("dir", DIR, mode=0o777),
            (make_tar.member("dir/two", size=1), b"2"),
        ]
    )
    layer(data, world)
    assert not (world / "dir").is_symlink()
    assert os.listdir(world / "dir") == ["two"]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("target", ["../outside/secret", "{tmp}/outside/secret", "way/secret"])
def test_hard_links_out_of_the_tree_are_refused(world, make_tar, target):
    data = make_tar(
        members=[
            make_tar.member("way", SYMLINK, linkname="../outside"),
            make_tar.member("hard", HARD, linkname=target.format(tmp=world.parent)),
        ]
    )
    with pytest.raises(InvalidArgument):
        layer(data, world)


@pytest.mark.usefixtures("untouched")
def test_a_hard_link_to_a_link_links_the_link(world, make_tar):
    data = make_tar(
        members=[
            make_tar.member("soft", SYMLINK, linkname=str(world.parent / "outside/secret")),
            make_tar.member("hard", HARD, linkname="soft"),
            (make_tar.member("hard", size=4), b"evil"),
        ]
    )
    layer(data, world)
    assert (world / "hard").read_text() == "evil"


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("name", [".wh...", ".wh..", ".wh.", "a/.wh..."])
def test_whiteouts_of_the_parent_are_refused(world, make_tar, name):
    with pytest.raises(InvalidArgument):
        layer(make_tar({name: b""}), world)


@pytest.mark.usefixtures("untouched")
def test_whiteouts_behind_a_link_stay_inside(world, make_tar):
    data = make_tar(
        members=[
            make_tar.member("outside", DIR),
            make_tar.member("way", SYMLINK, linkname="../outside"),
            make_tar.member("way/.wh.secret"),
            make_tar.member("way/.wh..wh..opq"),
        ]
    )
    layer(data, world)
    assert stat.S_ISCHR((world / "outside/secret").stat().st_mode)


@pytest.mark.usefixtures("untouched")
def test_link_loops_end(world, make_tar):
    data = make_tar(
        members=[
            make_tar.member("a", SYMLINK, linkname="b"),
            make_tar.member("b", SYMLINK, linkname="a"),
            make_tar.member("a/file"),
        ]
    )
    with pytest.raises(SampanError):
        layer(data, world)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("target", ["..", "/", "../.."])
def test_a_link_to_the_tree_itself_is_followed_and_ends(world, make_tar, target):
    members = [
        make_tar.member("d", DIR),
        make_tar.member("d/up", SYMLINK, linkname=target),
        (make_tar.member("d/up/file", size=4), b"text"),
    ]
    layer(make_tar(members=members), world)
    assert (world / "file").read_text() == "text"


def test_the_marks_of_overlay_itself_are_dropped(world, make_tar):
    keys = ["trusted.overlay.redirect", "trusted.overlay.opaque", "user.overlay.metacopy"]
    headers = {f"SCHILY.xattr.{key}": "y" for key in keys} | {"SCHILY.xattr.user.note": "n"}
    layer(make_tar(members=[make_tar.member("dir", DIR, pax_headers=headers)]), world)
    assert os.listxattr(world / "dir") == ["user.note"]


def test_the_tree_itself_cannot_become_a_file(world, make_tar):
    for name in (".", "/", "a/.."):
        with pytest.raises(InvalidArgument):
            layer(make_tar(members=[make_tar.member(name, SYMLINK, linkname="x")]), world)
        with pytest.raises(InvalidArgument):
            layer(make_tar(members=[make_tar.member("h", HARD, linkname=name)]), world)


def test_names_that_the_kernel_refuses_are_bad_members(world, make_tar):
    for name in ("n" * 300, "file/below"):
        with pytest.raises(InvalidArgument):
            layer(make_tar({"file": b"", name: b""}), world)


def test_very_deep_paths_are_refused_or_made_but_never_overflow(world, make_tar):
    layer(make_tar({"d/" * 1500 + "f": b"x"}), world)
    layer(make_tar({"d": b"x"}), world)  # and it can be replaced again
    assert (world / "d").read_text() == "x"


def test_unknown_kinds_are_refused(world, make_tar):
    with pytest.raises(InvalidArgument, match="unhandled tar header type"):
        layer(make_tar(members=[make_tar.member("x", b"Z")], fmt=tarfile.USTAR_FORMAT), world)


def test_attributes_come_out_as_they_went_in(world, make_tar):
    data = make_tar(
        members=[
            make_tar.member("dir", DIR, mode=0o1777, uid=5, gid=6, mtime=1000),
            make_tar.member("dir/suid", mode=0o6755, uid=7, gid=8, mtime=1.25),
            make_tar.member("dir/link", SYMLINK, linkname="no/where", uid=9, gid=9, mtime=5),
            make_tar.member("dir/null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o622),
            make_tar.member("dir/pipe", tarfile.FIFOTYPE, mode=0o600),
            make_tar.member("dir/hard", HARD, linkname="dir/suid"),
        ]
    )
    done = layer(data, world)
    found = (world / "dir").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o1777, 5, 6)
    assert found.st_mtime_ns == 1000 * 10**9
    found = (world / "dir/suid").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_mtime_ns) == (
        0o6755, 7, 1_250_000_000
    )  # fmt: skip
    assert found.st_nlink == 2
    link = (world / "dir/link").lstat()
    assert (os.readlink(world / "dir/link"), link.st_uid, link.st_mtime) == ("no/where", 9, 5)
    null = (world / "dir/null").stat()
    assert (stat.S_ISCHR(null.st_mode), null.st_rdev) == (True, os.makedev(1, 3))
    assert stat.S_IMODE(null.st_mode) == 0o622
    assert stat.S_ISFIFO((world / "dir/pipe").stat().st_mode)
    assert done.inodes == 6


def test_capabilities_survive_the_change_of_owner(world, make_tar):
    value = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    headers = {"SCHILY.xattr.security.capability": value.decode("latin-1")}
    layer(make_tar(members=[make_tar.member("ping", uid=5, pax_headers=headers)]), world)
    assert os.getxattr(world / "ping", "security.capability") == value


def test_later_members_replace_earlier_ones(world, make_tar):
    data = make_tar(
        members=[
            (make_tar.member("a/deep/file", size=1), b"1"),
            (make_tar.member("a", size=1), b"2"),
            make_tar.member("a", DIR),
            (make_tar.member("a/file", size=1), b"3"),
            (make_tar.member("a/file", size=2), b"33"),
        ]
    )
    layer(data, world)
    assert [str(path.relative_to(world)) for path in world.rglob("*")] == ["a", "a/file"]
    assert (world / "a/file").read_text() == "33"


def test_a_directory_over_a_directory_merges_and_takes_the_new_mode(world, make_tar):
    data = make_tar(
        members=[
            make_tar.member("a", DIR, mode=0o700),
            make_tar.member("a/x"),
            make_tar.member("a", DIR, mode=0o755),
        ]
    )
    layer(data, world)
    assert (world / "a/x").exists()
    assert stat.S_IMODE((world / "a").stat().st_mode) == 0o755


def test_whiteouts_become_overlays_devices_and_marks(world, make_tar):
    layer(make_tar({"dir/": None, "dir/.wh.gone": b"", "opq/.wh..wh..opq": b""}), world)
    found = (world / "dir/gone").stat()
    assert (stat.S_ISCHR(found.st_mode), found.st_rdev) == (True, 0)
    assert os.getxattr(world / "opq", "trusted.overlay.opaque") == b"y"
    assert os.listdir(world / "opq") == []


def test_whiteouts_hide_only_what_is_below_whatever_the_order(world, make_tar):
    layer(make_tar({"d/x": b"mine", ".wh.d": b"", ".wh.f": b"", "f": b"mine"}), world)
    assert (world / "d/x").read_text() == "mine"
    assert os.getxattr(world / "d", "trusted.overlay.opaque") == b"y"
    assert (world / "f").read_text() == "mine"
    layer(make_tar({".wh.e": b"", "e/x": b"mine"}), world)
    assert os.getxattr(world / "e", "trusted.overlay.opaque") == b"y"


def test_plain_archives_take_whiteout_names_literally(world, make_tar):
    plain_extract(io.BytesIO(make_tar({".wh.x": b"1"})), world)
    assert (world / ".wh.x").read_text() == "1"


def test_plain_extraction_follows_links_of_the_tree_inside_it(world, make_tar):
    (world / "run").mkdir()
    (world / "var").mkdir()
    (world / "var/run").symlink_to("/run")
    plain_extract(io.BytesIO(make_tar({"run/pid": b"1"})), world, into="/var")
    plain_extract(io.BytesIO(make_tar({"sock": b"2"})), world, into="/var/run")
    assert (world / "run/pid").read_text() == "1"
    assert (world / "run/sock").read_text() == "2"


def test_a_plain_target_keeps_its_attributes_and_owners_can_be_given(world, make_tar):
    world.chmod(0o711)
    data = make_tar(members=[make_tar.member(".", DIR, mode=0o777), make_tar.member("f", uid=3)])
    plain_extract(io.BytesIO(data), world, owner=(11, 12))
    assert stat.S_IMODE(world.stat().st_mode) == 0o711
    assert ((world / "f").stat().st_uid, (world / "f").stat().st_gid) == (11, 12)


def test_directories_and_files_do_not_replace_each_other_if_asked(world, make_tar):
    (world / "d").mkdir()
    (world / "f").touch()
    with pytest.raises(InvalidArgument, match='cannot overwrite directory "d" with non-directory'):
        plain_extract(io.BytesIO(make_tar({"d": b""})), world, keep_directories=True)
    with pytest.raises(InvalidArgument, match='cannot overwrite non-directory "f"'):
        plain_extract(io.BytesIO(make_tar({"f/": None})), world, keep_directories=True)


def test_many_directories_do_not_exhaust_descriptors(world, make_tar):
    before = len(os.listdir("/proc/self/fd"))
    layer(make_tar({f"d{number}/f": b"" for number in range(500)}), world)
    assert len(list(world.iterdir())) == 500
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_hard_link_to_a_directory_is_a_bad_member(world, make_tar):
    members = [make_tar.member("a", DIR), make_tar.member("b", HARD, linkname="a")]
    with pytest.raises(InvalidArgument, match="operation not permitted"):
        layer(make_tar(members=members), world)


@pytest.mark.parametrize(
    "key", ["SCHILY.xattr.security.capability", "SCHILY.xattr.user." + "k" * 300]
)
def test_attributes_that_the_kernel_refuses_are_bad_members(world, make_tar, key):
    member = make_tar.member("a", pax_headers={key: "nonsense"})
    with pytest.raises(SampanError):
        layer(make_tar(members=[member]), world)


def test_a_directory_that_a_link_loop_replaced_has_no_times(world, make_tar):
    members = [make_tar.member("d/e", DIR), make_tar.member("d", SYMLINK, linkname="d")]
    plain_extract(io.BytesIO(make_tar(members=members)), world)
    assert os.readlink(world / "d") == "d"
