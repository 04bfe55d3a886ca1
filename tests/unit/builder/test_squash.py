"""Layers merged as directories."""

import os
import stat

from sampan.builder.squash import merge
from sampan.store.extractor import OPAQUE_XATTR


def layer(root, name, files):
    """`files`: path -> text, None for a whiteout, "/" for an opaque directory."""
    top = root / name
    top.mkdir()
    for path, what in files.items():
        target = top / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if what is None:
            os.mknod(target, stat.S_IFCHR | 0o600, os.makedev(0, 0))
        elif what == "/":
            target.mkdir(exist_ok=True)
            os.setxattr(target, OPAQUE_XATTR, b"y")
        else:
            target.write_text(what)
    return top


def merged(root, *layers):
    """Uppermost last."""
    into = root / "into"
    into.mkdir()
    made = [layer(root, f"layer{number}", files) for number, files in enumerate(layers)]
    merge(made[::-1], into)
    return into


def shown(into):
    found = {}
    for path in sorted(into.rglob("*")):
        name, mode = str(path.relative_to(into)), path.lstat().st_mode
        if stat.S_ISCHR(mode):
            found[name] = None
        elif stat.S_ISREG(mode):
            found[name] = path.read_text()
        elif OPAQUE_XATTR in os.listxattr(path):
            found[name] = "/"
    return found


def test_the_uppermost_entry_counts_and_folders_are_merged(tmp_path):
    into = merged(tmp_path, {"d/a": "1", "d/b": "1", "x": "1"}, {"d/b": "2", "d/c": "2"})
    assert shown(into) == {"d/a": "1", "d/b": "2", "d/c": "2", "x": "1"}


def test_a_removal_hides_what_is_below_and_stays(tmp_path):
    assert shown(merged(tmp_path, {"d/a": "1", "f": "1"}, {"d": None, "f": None})) == {
        "d": None,
        "f": None,
    }


def test_a_folder_made_again_hides_what_was_there(tmp_path):
    assert shown(merged(tmp_path, {"d/a": "1"}, {"d": None}, {"d/b": "3"})) == {
        "d": "/",
        "d/b": "3",
    }
    (tmp_path / "second").mkdir()
    opaque = merged(tmp_path / "second", {"d/a": "1"}, {"d": "/", "d/b": "2"}, {"d/c": "3"})
    assert shown(opaque) == {"d": "/", "d/b": "2", "d/c": "3"}


def test_attributes_of_folders_are_the_uppermost_ones(tmp_path):
    lower, upper = layer(tmp_path, "l", {"d/a": "1"}), layer(tmp_path, "u", {"d/b": "1"})
    (upper / "d").chmod(0o711)
    os.chown(upper / "d", 5, 6)
    os.utime(upper / "d", ns=(1, 2_000_000_000))
    into = tmp_path / "into"
    into.mkdir()
    merge([upper, lower], into)
    found = (into / "d").stat()
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o711, 5, 6)
    assert found.st_mtime_ns == 2_000_000_000
