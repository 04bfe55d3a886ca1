"""Differences: what a layer directory changes against the layers below it.

`changes` lists what `docker diff` shows. `write_layer` turns the directory of one snapshot back
into a layer archive, `write_tree` writes a whole (mounted) tree; how is in store/archive.py.
"""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from sampan.lib.tarwriter import Writable
from sampan.store.archive import TreeWriter, is_opaque, is_whiteout


class ChangeKind(IntEnum):
    """Numbers of the Engine API."""

    MODIFIED = 0
    ADDED = 1
    DELETED = 2


@dataclass(frozen=True, slots=True)
class Change:
    kind: ChangeKind
    path: str  # absolute inside the container


# --- what changed ---------------------------------------------------------------------------


def changes(upper: Path, lowers: list[Path]) -> list[Change]:
    """Changes of `upper` against the stack below it (uppermost first), sorted by path.

    Directories that are in `upper` only because something in them changed count as modified.
    """
    found: list[Change] = []
    # (directory of upper, directories of the stack that make up the lower view of it, its path)
    pending = [(os.fspath(upper), [os.fspath(lower) for lower in lowers], "")]
    while pending:
        directory, below, path = pending.pop()
        here = _sorted_entries(directory)
        for entry in here:
            change = _change(entry, below, path)
            if change is not None:
                found.append(change)
            if entry.is_dir(follow_symlinks=False):
                pending.append(
                    (entry.path, _subdirectories(below, entry.name), f"{path}/{entry.name}")
                )
        if path and is_opaque(directory):
            gone = _visible_names(below) - {entry.name for entry in here}
            found.extend(Change(ChangeKind.DELETED, f"{path}/{name}") for name in gone)
    return sorted(found, key=lambda change: change.path)


def _change(entry: os.DirEntry[str], below: list[str], path: str) -> Change | None:
    was = _find(below, entry.name)
    inside = f"{path}/{entry.name}"
    if is_whiteout(entry.stat(follow_symlinks=False)):
        return None if was is None else Change(ChangeKind.DELETED, inside)
    return Change(ChangeKind.ADDED if was is None else ChangeKind.MODIFIED, inside)


def _find(below: list[str], name: str) -> os.stat_result | None:
    """What the lower view shows under the name."""
    for directory in below:
        try:
            found = os.lstat(f"{directory}/{name}")
        except (FileNotFoundError, NotADirectoryError):
            continue
        return None if is_whiteout(found) else found
    return None


def _subdirectories(below: list[str], name: str) -> list[str]:
    """The directories that the lower view merges under the name."""
    found = []
    for directory in below:
        path = f"{directory}/{name}"
        try:
            mode = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if not stat.S_ISDIR(mode.st_mode):
            break
        found.append(path)
        if is_opaque(path):
            break
    return found


def _visible_names(below: list[str]) -> set[str]:
    shown: set[str] = set()
    hidden: set[str] = set()
    for directory in below:
        for entry in _sorted_entries(directory):
            if entry.name in shown or entry.name in hidden:
                continue
            gone = is_whiteout(entry.stat(follow_symlinks=False))
            (hidden if gone else shown).add(entry.name)
    return shown


def _sorted_entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:  # of a tree that is in use
        return []


# --- archives -------------------------------------------------------------------------------


def write_layer(
    upper: Path,
    out: Writable,
    *,
    keep: Callable[[str], bool] | None = None,
    latest_ns: int | None = None,
) -> None:
    """The directory of one snapshot as a layer archive: whiteouts become `.wh.` files.

    `keep` is asked for each path relative to `upper`. Younger files than `latest_ns` get that time.
    """
    writer = TreeWriter(out, layer=True, keep=keep, latest_ns=latest_ns)
    writer.add_root(upper)
    writer.finish()


def write_tree(
    root: Path | int,
    out: Writable,
    *,
    prefix: str = "",
    keep: Callable[[str], bool] | None = None,
    latest_ns: int | None = None,
) -> None:
    """A whole tree as an archive, without its root directory.

    `root` may be a directory descriptor. `prefix` goes before all names; `keep` is asked for each
    path (relative to `root`), and a directory that isn't kept takes what is in it along.
    """
    writer = TreeWriter(out, layer=False, prefix=prefix, keep=keep, latest_ns=latest_ns)
    writer.add_root(root)
    writer.finish()


def write_path(folder: int, name: str, out: Writable, *, as_name: str) -> None:
    """One file or directory with all in it, called `as_name` in the archive.

    `folder` is a descriptor of the directory that holds it, opened for reading. A symlink goes as
    a link. Raises FileNotFoundError.
    """
    writer = TreeWriter(out, layer=False)
    writer.add_one(folder, name, as_name)
    writer.finish()
