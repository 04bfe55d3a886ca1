"""COPY's rules about sources and destinations; contexts and images that try to escape.

A root file system of a few files, a context from a tar, and what is there afterwards.
"""

import io
import stat
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest

from sampan.builder.context import read_context
from sampan.builder.directory import DirectoryTree
from sampan.builder.modes import parse_mode
from sampan.builder.placing import CopyFailed, Placement, lay_out, place
from sampan.builder.selection import SourceMissing, SourceOutside, select, select_with_parents
from sampan.builder.step_mounts import SourceNotThere, find_source
from sampan.errors import InvalidArgument, SampanError


def member(name, content=None, *, link="", kind=tarfile.REGTYPE, mode=0o644):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.mtime = kind, link, mode, 1_000_000_000
    info.size = len(content or b"")
    info.uid = info.gid = 1234
    return info, content or b""


def folder(name, mode=0o755):
    return member(name, kind=tarfile.DIRTYPE, mode=mode)


def symlink(name, target):
    return member(name, kind=tarfile.SYMTYPE, link=target)


def packed(*members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for info, content in members:
            out.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def root(tmp_path):
    made = tmp_path / "root"
    for name in ("etc", "real"):
        (made / name).mkdir(parents=True)
    (made / "etc" / "passwd").write_text("me:x:7:8::/:\n")
    (made / "etc" / "group").write_text("me:x:8:\n")
    (made / "way").symlink_to("/real")
    (made / "file").write_text("old")
    return made


FILES = (
    member("a.txt", b"a"),
    member("b.txt", b"b", mode=0o755),
    folder("dir", 0o750),
    member("dir/c", b"c"),
    folder("dir/sub"),
    symlink("dir/link", "../a.txt"),
    symlink("to-a", "a.txt"),
    symlink("to-dir", "/dir"),
)


def copied(root, tmp_path, sources, destination, members=FILES, **more):
    choose = select_with_parents if more.pop("parents", False) else select
    settings = {
        "destination": destination,
        "chown": "",
        "chmod": None,
        "keep_owner": False,
        "unpack": False,
        **more,
    }
    with read_context(io.BytesIO(packed(*members)), tmp_path) as tree:
        selected = []
        for source in sources:
            selected += choose(tree, source, keyword="COPY", from_context=True)
        place(root, selected, Placement(**settings))
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if not str(path.relative_to(root)).startswith(("etc", "way"))
    )


BEFORE = ["file", "real"]


@pytest.mark.parametrize(
    ("sources", "destination", "added"),
    [
        (["/a.txt"], "/x", ["x"]),
        (["../a.txt"[3:]], "/x", ["x"]),
        (["dir/../a.txt"], "/x", ["x"]),
        (["*.txt"], "/t/", ["t", "t/a.txt", "t/b.txt"]),
        (["?.txt", "nosuch*"], "/t/", ["t", "t/a.txt", "t/b.txt"]),
        (["[a]*"], "/t/", ["t", "t/a.txt"]),
        (["dir"], "/d", ["d", "d/c", "d/link", "d/sub"]),
        (["dir/"], "/real", ["real/c", "real/link", "real/sub"]),
        (["a.txt"], "/t/", ["t", "t/a.txt"]),
        (["a.txt"], "/real", ["real/a.txt"]),
        (["a.txt"], "/t/u/v", ["t", "t/u", "t/u/v"]),
        (["a.txt"], "/way/", ["real/a.txt"]),
        (["a.txt"], "/way/x", ["real/x"]),
        (["to-a"], "/x", ["x"]),
        (["to-dir"], "/d", ["d", "d/c", "d/link", "d/sub"]),
        (["d*/c"], "/t/", ["t", "t/c"]),
    ],
)
def test_where_things_go(root, tmp_path, sources, destination, added):
    assert copied(root, tmp_path, sources, destination) == sorted(BEFORE + added)


def test_links_in_directories_stay_links_and_named_ones_are_followed(root, tmp_path):
    copied(root, tmp_path, ["dir"], "/d")
    assert (root / "d" / "link").readlink() == Path("../a.txt")
    copied(root, tmp_path, ["to-a"], "/x")
    assert (root / "x").read_text() == "a"
    assert not (root / "x").is_symlink()


def test_metadata(root, tmp_path):
    copied(root, tmp_path, ["b.txt", "dir"], "/t/")
    found = (root / "t" / "b.txt").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, 0, 0o755)
    assert found.st_mtime == 1_000_000_000
    copied(root, tmp_path, ["a.txt"], "/o/x", chown="me")
    assert ((root / "o" / "x").stat().st_uid, (root / "o" / "x").stat().st_gid) == (7, 8)
    copied(root, tmp_path, ["dir"], "/m", chmod=parse_mode("u=rwX,go="))
    assert stat.S_IMODE((root / "m" / "c").stat().st_mode) == 0o600
    assert stat.S_IMODE((root / "m" / "sub").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("sources", "destination", "error"),
    [
        (["nosuch"], "/x", SourceMissing),
        (["../x"], "/x", SourceOutside),
        (["dir"], "/file", CopyFailed),
        (["a.txt"], "/file/", CopyFailed),
        (["a.txt"], "/file/x", CopyFailed),
        (["a[b"], "/x/", InvalidArgument),
    ],
)
def test_refused(root, tmp_path, sources, destination, error):
    with pytest.raises(error):
        copied(root, tmp_path, sources, destination)
    assert (root / "file").read_text() == "old"


# --- contexts that try to escape ------------------------------------------------------------


@pytest.fixture
def victim(tmp_path):
    made = tmp_path / "victim"
    made.mkdir()
    (made / "f").write_text("host")
    return made


@pytest.mark.parametrize("parents", [False, True])
@pytest.mark.parametrize("way", ["absolute", "dots", "chain"])
def test_a_link_out_of_the_context_shows_nothing_of_the_host(root, tmp_path, victim, way, parents):
    members = {
        "absolute": [symlink("out", str(victim))],
        "dots": [symlink("out", "../" * 20 + str(victim)[1:])],
        "chain": [symlink("one", "/"), symlink("out", f"one{victim}")],
    }[way]
    with pytest.raises(SourceMissing):
        copied(root, tmp_path, ["out/f"], "/x", members, parents=parents)
    copied(root, tmp_path, ["."], "/all/", members)
    assert (root / "all" / "out").is_symlink()
    with read_context(io.BytesIO(packed(*members)), tmp_path) as tree:
        for path in ("out", "out/f"):
            with pytest.raises(SourceNotThere):
                find_source(tree, path)


def test_a_link_in_the_image_leads_to_a_place_in_the_image(root, tmp_path, victim):
    (root / "out").symlink_to(victim)
    copied(root, tmp_path, ["a.txt"], "/out/f")
    assert (victim / "f").read_text() == "host"
    assert (root / str(victim)[1:] / "f").read_text() == "a"


def test_a_link_among_the_copied_files_is_not_written_through(root, tmp_path, victim):
    """A context may hold a link and a member below it."""
    members = [symlink("d/l", str(victim)), member("d/l/f", b"planted")]
    with pytest.raises(SampanError):
        copied(root, tmp_path, ["d"], "/x", members)
    assert (victim / "f").read_text() == "host"


@pytest.mark.parametrize("name", ["../f", "a/../../f", "/../f", "a/.."])
def test_member_names_that_climb(root, tmp_path, name):
    with suppress(SampanError):
        copied(root, tmp_path, ["."], "/x/", [member(name, b"x")])
    assert not (tmp_path / "f").exists()
    assert not (root / "f").exists()


def test_hard_links_only_to_files_of_the_context(root, tmp_path, victim):
    for target in (str(victim / "f"), "../victim/f", "nosuch"):
        with pytest.raises(InvalidArgument):
            copied(root, tmp_path, ["."], "/x/", [member("h", kind=tarfile.LNKTYPE, link=target)])
    members = [member("f", b"own"), member("h", kind=tarfile.LNKTYPE, link="f")]
    copied(root, tmp_path, ["h"], "/x", members)
    assert (root / "x").read_text() == "own"


def test_archives_that_add_unpacks_stay_inside(root, tmp_path, victim):
    (root / "t").mkdir()
    evil = packed(symlink("l", str(victim)), member("l/f", b"planted"))
    with pytest.raises(SampanError):
        copied(root, tmp_path, ["e.tar"], "/t/", [member("e.tar", evil)], unpack=None)
    assert (victim / "f").read_text() == "host"
    climbing = packed(member("../../f", b"planted"))
    with suppress(SampanError):
        copied(root, tmp_path, ["e.tar"], "/t/", [member("e.tar", climbing)], unpack=None)
    assert not (tmp_path / "f").exists()


def test_a_bind_of_the_context_is_laid_out_as_it_is(tmp_path):
    members = [folder("d", 0o700), member("d/f", b"x", mode=0o640), symlink("d/l", "/etc")]
    target = tmp_path / "laid"
    with read_context(io.BytesIO(packed(*members)), tmp_path) as tree:
        lay_out(tree, "d", target)
        lay_out(tree, "d/f", tmp_path / "alone")
    assert sorted(path.name for path in target.iterdir()) == ["f", "l"]
    assert (target / "l").readlink() == Path("/etc")
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert (tmp_path / "alone").read_bytes() == b"x"


def test_a_stage_can_not_show_the_host(root, victim):
    """COPY --from and bind mounts through links of a step's making."""
    (root / "out").symlink_to(victim)
    (root / "up").symlink_to("../" * 20 + str(victim)[1:])
    tree = DirectoryTree(root)
    for source in ("out/f", "up/f", "../victim/f"):
        with pytest.raises(SourceMissing):
            select(tree, source, keyword="COPY", from_context=False)


def test_many_files(tmp_path):
    members = [member(f"d{number % 100}/f{number}", b"x") for number in range(20_000)]
    with read_context(io.BytesIO(packed(*members)), tmp_path) as tree:
        [one] = select(tree, "", keyword="COPY", from_context=True)
        assert sum(1 for _ in one.entries()) == 20_100
