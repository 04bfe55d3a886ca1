"""Differences: what a layer directory changes, and layer directories back as archives.

`changes` lists what `docker diff` shows. `write_layer` writes an upper directory as a layer
archive, `write_tree` a whole (mounted) tree. Archives are reproducible: sorted, whole seconds, no
access or change times, no names of owners, hard links to the first name.

Sockets are left out, as in every container engine. Of the xattrs only `security.capability` and
`user.*` go along: the others belong to this machine.
"""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from sampan.lib.tarstream import Entry, Kind
from sampan.lib.tarwriter import TarWriter, Writable
from sampan.store.extractor import OPAQUE_NAME, OPAQUE_XATTR, WHITEOUT_PREFIX

_NANOS = 1_000_000_000
_KINDS = {
    stat.S_IFREG: Kind.REGULAR,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK_DEVICE,
    stat.S_IFIFO: Kind.FIFO,
}


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
    _compare(os.fspath(upper), [os.fspath(lower) for lower in lowers], "", found)
    return sorted(found, key=lambda change: change.path)


def _compare(upper: str, below: list[str], path: str, found: list[Change]) -> None:
    """`below`: the directories of the stack that make up the lower view of this directory."""
    here = _sorted_entries(upper)
    opaque = path != "" and is_opaque(upper)
    for entry in here:
        inside = f"{path}/{entry.name}"
        was = _find(below, entry.name)
        if is_whiteout(entry.stat(follow_symlinks=False)):
            if was is not None:
                found.append(Change(ChangeKind.DELETED, inside))
            continue
        kind = ChangeKind.ADDED if was is None else ChangeKind.MODIFIED
        found.append(Change(kind, inside))
        if entry.is_dir(follow_symlinks=False):
            _compare(entry.path, _subdirectories(below, entry.name), inside, found)
    if opaque:
        names = {entry.name for entry in here}
        gone = _visible_names(below) - names
        found.extend(Change(ChangeKind.DELETED, f"{path}/{name}") for name in gone)


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


def is_whiteout(found: os.stat_result) -> bool:
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def is_opaque(directory: str) -> bool:
    try:
        return os.getxattr(directory, OPAQUE_XATTR, follow_symlinks=False) == b"y"
    except OSError:
        return False


def _sorted_entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:  # of a tree that is in use
        return []


# --- archives -------------------------------------------------------------------------------


def write_layer(upper: Path, out: Writable) -> None:
    """The directory of one snapshot as a layer archive: whiteouts become `.wh.` files."""
    _write(upper, out, layer=True)


def write_tree(
    root: Path, out: Writable, *, prefix: str = "", keep: Callable[[str], bool] | None = None
) -> None:
    """A whole tree as an archive, without its root directory.

    `prefix` goes before all names; `keep` is asked for each path (relative to `root`), and a
    directory that isn't kept takes what is in it along.
    """
    _write(root, out, layer=False, prefix=prefix, keep=keep)


def _write(
    root: Path,
    out: Writable,
    *,
    layer: bool,
    prefix: str = "",
    keep: Callable[[str], bool] | None = None,
) -> None:
    writer = TarWriter(out)
    links: dict[tuple[int, int], str] = {}
    for name, path, found in _walk(os.fspath(root), "", layer=layer):
        if keep is None or keep(name):
            add_path(writer, prefix + name, path, found, links=links, layer=layer)
    writer.finish()


def _walk(directory: str, prefix: str, *, layer: bool) -> Iterator[tuple[str, str, os.stat_result]]:
    """(name in the archive, path, stat), each directory before what is in it."""
    for entry in _sorted_entries(directory):
        name = prefix + entry.name
        try:
            found = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        yield name, entry.path, found
        if stat.S_ISDIR(found.st_mode):
            yield from _walk(entry.path, f"{name}/", layer=layer)


def add_path(
    writer: TarWriter,
    name: str,
    path: str,
    found: os.stat_result,
    *,
    links: dict[tuple[int, int], str],
    layer: bool = False,
) -> None:
    """Add one file, with hard links to what is in `links` already (device, inode -> name)."""
    if layer and is_whiteout(found):
        folder, _, last = name.rpartition("/")
        hidden = f"{folder}/{WHITEOUT_PREFIX}{last}" if folder else WHITEOUT_PREFIX + last
        writer.add(Entry(name=hidden, mode=0))
        return
    kind = _KINDS.get(stat.S_IFMT(found.st_mode))
    if kind is None:
        return
    if kind is not Kind.DIRECTORY and found.st_nlink > 1:
        first = links.setdefault((found.st_dev, found.st_ino), name)
        if first != name:
            writer.add(_entry(name, path, found, Kind.HARD_LINK, link=first))
            return
    if kind is Kind.REGULAR:
        _add_file(writer, name, path)
        return
    writer.add(_entry(name, path, found, kind))
    if layer and kind is Kind.DIRECTORY and is_opaque(path):
        writer.add(Entry(name=f"{name}/{OPAQUE_NAME}", mode=0))


def _add_file(writer: TarWriter, name: str, path: str) -> None:
    """The size is taken from the open file, so that it is that of the bytes that follow."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    with open(descriptor, "rb", buffering=0) as source:  # noqa: PTH123 - a descriptor
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode):
            writer.add(_entry(name, path, found, Kind.REGULAR), source)


def _entry(name: str, path: str, found: os.stat_result, kind: Kind, *, link: str = "") -> Entry:
    if kind is Kind.SYMLINK:
        link = os.readlink(path)  # noqa: PTH115 - hot, and no Path
    device = (0, 0)
    if kind in {Kind.CHARACTER, Kind.BLOCK_DEVICE}:
        device = (os.major(found.st_rdev), os.minor(found.st_rdev))
    return Entry(
        name=name,
        kind=kind,
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        size_bytes=found.st_size if kind is Kind.REGULAR else 0,
        mtime_ns=found.st_mtime_ns // _NANOS * _NANOS,
        link=link,
        device=device,
        xattrs=_xattrs(path) if kind in {Kind.REGULAR, Kind.DIRECTORY} else {},
    )


def _xattrs(path: str) -> dict[str, bytes]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return {}
    return {
        name: os.getxattr(path, name, follow_symlinks=False)
        for name in names
        if name == "security.capability" or (name.startswith("user.") and "overlay" not in name)
    }
