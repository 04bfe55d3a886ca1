import io
import os
import socket
import stat
import tarfile

import pytest

from sampan.store.apply import extract, plain_extract
from sampan.store.archive import TreeWriter
from sampan.store.diff import changes, write_layer, write_path, write_tree


@pytest.fixture
def tree(tmp_path, make_tar):
    """`tree(name, files...)` extracts a layer into a directory of its own."""

    def make(name, files=None, members=()):
        root = tmp_path / name
        root.mkdir()
        extract(io.BytesIO(make_tar(files, members)), root)
        return root

    return make


def listed(upper, *lowers):
    return [("CAD"[change.kind], change.path) for change in changes(upper, list(lowers))]


def archive_of(root, write=write_layer):
    out = io.BytesIO()
    write(root, out)
    return out.getvalue()


def names(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getnames()


def test_changes_are_listed_as_docker_diff_does(tree):
    low = tree("low", {"etc/": None, "etc/passwd": b"1", "etc/gone": b"1", "bin/x": b"1"})
    up = tree("up", {"etc/passwd": b"2", "etc/.wh.gone": b"", "etc/new": b"", "srv/a/b": b""})
    assert listed(up, low) == [
        ("C", "/etc"),
        ("D", "/etc/gone"),
        ("A", "/etc/new"),
        ("C", "/etc/passwd"),
        ("A", "/srv"),
        ("A", "/srv/a"),
        ("A", "/srv/a/b"),
    ]


def test_the_lower_view_is_the_merged_one(tree):
    base = tree("base", {"a": b"", "d/x": b"", "d/y": b""})
    middle = tree("middle", {".wh.a": b"", "d/.wh..wh..opq": b"", "d/x": b""})
    up = tree("up", {"a": b"", "d/x": b"", "d/y": b""})
    assert listed(up, middle, base) == [("A", "/a"), ("C", "/d"), ("C", "/d/x"), ("A", "/d/y")]


def test_what_an_opaque_directory_hides_is_deleted(tree):
    low = tree("low", {"d/x": b"", "d/y": b""})
    up = tree("up", {"d/.wh..wh..opq": b"", "d/x": b""})
    assert listed(up, low) == [("C", "/d"), ("C", "/d/x"), ("D", "/d/y")]


def test_whiteouts_of_what_was_never_there_are_no_change(tree):
    assert listed(tree("up", {".wh.a": b""}), tree("low")) == []


def test_a_layer_comes_back_as_it_went_in(tree, make_tar):
    member = make_tar.member
    up = tree(
        "up",
        {"d/": None, "d/.wh.gone": b"", "o/.wh..wh..opq": b"", "o/f": b"data"},
        [
            member("suid", mode=0o4755, uid=5, mtime=77),
            member("hard", tarfile.LNKTYPE, linkname="suid"),
            member("soft", tarfile.SYMTYPE, linkname="../x"),
            member("null", tarfile.CHRTYPE, devmajor=1, devminor=3),
            member("noted", pax_headers={"SCHILY.xattr.user.note": "n"}),
        ],
    )
    data = archive_of(up)
    assert names(data) == [
        "d", "d/.wh.gone", "hard", "noted", "null", "o", "o/.wh..wh..opq", "o/f", "soft", "suid",
    ]  # fmt: skip
    again = tree("again")
    extract(io.BytesIO(data), again)
    assert archive_of(again) == data
    assert (again / "suid").stat().st_mode & 0o7777 == 0o4755
    assert (again / "suid").stat().st_nlink == 2
    assert os.getxattr(again / "noted", "user.note") == b"n"


def test_archives_do_not_depend_on_access_times_or_order_of_creation(tmp_path):
    for name, order in (("one", "abc"), ("two", "cba")):
        (tmp_path / name).mkdir()
        for file in order:
            (tmp_path / name / file).write_text(file)
            os.utime(tmp_path / name / file, ns=(hash(name) % 10**9, 5 * 10**9 + 123))
    assert archive_of(tmp_path / "one") == archive_of(tmp_path / "two")


def test_sockets_and_overlays_marks_are_left_out(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "s"))
        (root / "d").mkdir()
        os.setxattr(root / "d", "trusted.overlay.opaque", b"y")
        data = archive_of(root, write_tree)
    assert names(data) == ["d"]
    assert b"trusted" not in data


def test_a_tree_goes_out_with_prefix_and_without_what_is_not_kept(tree):
    root = tree("root", {"a/": None, "a/x": b"1", "b/y": b"2"})
    out = io.BytesIO()
    write_tree(root, out, prefix="p/", keep=lambda path: path != "b")
    assert names(out.getvalue()) == ["p/a", "p/a/x"]


def test_one_path_goes_out_under_another_name(tree):
    root = tree("root", {"a/": None, "a/x": b"1", "f": b"2"})
    folder = os.open(root, os.O_RDONLY)
    try:
        for name, expected in (("a", ["new", "new/x"]), ("f", ["new"])):
            out = io.BytesIO()
            write_path(folder, name, out, as_name="new")
            assert names(out.getvalue()) == expected
        with pytest.raises(FileNotFoundError):
            write_path(folder, "missing", io.BytesIO(), as_name="new")
    finally:
        os.close(folder)


def test_links_in_a_tree_are_never_followed(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    (root / "way").symlink_to("../outside")
    data = archive_of(root, write_tree)
    assert names(data) == ["way"]


def test_deep_trees_are_written_and_read(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / ("d/" * 400)).mkdir(parents=True)
    data = archive_of(root, write_tree)
    again = tmp_path / "again"
    again.mkdir()
    plain_extract(io.BytesIO(data), again)
    assert stat.S_ISDIR((again / ("d/" * 400)).stat().st_mode)


def test_what_became_a_device_meanwhile_is_not_opened(tmp_path):
    """A container may swap a file between the look at it and its reading."""
    os.mkfifo(tmp_path / "swapped")  # opening it for reading would wait for a writer
    out = io.BytesIO()
    writer = TreeWriter(out, layer=False)
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        writer._add_file(folder, "swapped", "swapped")
    finally:
        os.close(folder)
    assert out.getvalue() == b""
