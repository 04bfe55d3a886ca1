"""Puts selected files into a root file system, with COPY's rules about what the destination is.

- a directory source: its contents go into the destination, which becomes a directory
- a file: below the destination if that ends in "/" or is a directory, else it is the destination
- ADD: a local archive (told by content) is unpacked into the destination
- parents that are missing are made, mode 0755, owned like the files (the classic builder's way)

Links in the image are followed inside the root only. Names in --chown are looked up in the root's
own passwd and group files.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sampan.builder.modes import ModeChange
from sampan.builder.owner import resolve_owner
from sampan.builder.selection import Selected
from sampan.builder.trees import Tree
from sampan.errors import InvalidArgument
from sampan.lib.tarstream import BLOCK, CorruptTar, Entry, Kind, TarReader
from sampan.linux.beneath import make_dirs_beneath, resolve_beneath
from sampan.store.apply import plain_extract
from sampan.store.decompress import Compression, CorruptCompression, decompressed
from sampan.store.extractor import BadEntry, DirectoryInTheWay, Extractor


class CopyFailed(InvalidArgument):
    def __init__(self, reason: str) -> None:
        super().__init__(f"failed to copy files: {reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """`keep_owner` is for --from; `downloads` names files that are no local archives.

    Archives are unpacked when `unpack` says so; None is ADD's rule: local ones, not downloads.
    """

    destination: str
    chown: str
    chmod: ModeChange | None
    keep_owner: bool
    unpack: bool | None
    downloads: frozenset[str] = frozenset()

    def unpacks(self, name: str) -> bool:
        return name not in self.downloads if self.unpack is None else self.unpack

    def mode_of(self, entry: Entry) -> int:
        if self.chmod is None or entry.kind is Kind.SYMLINK:
            return entry.mode
        return self.chmod(entry.mode, entry.kind is Kind.DIRECTORY)


def place(root: Path, selected: Sequence[Selected], placement: Placement) -> None:
    """Raises CopyFailed, and InvalidArgument for archives and owners that can't be."""
    owner = resolve_owner(root, placement.chown) if placement.chown else None
    try:
        for one in selected:
            _place_one(root, one, placement, owner)
    except (BadEntry, DirectoryInTheWay) as error:
        raise CopyFailed(error.message) from error
    except NotADirectoryError as error:
        raise CopyFailed(f"{placement.destination}: not a directory") from error


def lay_out(tree: Tree, path: str, target: Path) -> Path:
    """Copy what is at `path` in the tree (no links in it) to `target`, owners and modes kept.

    A directory goes into `target`, made if need be; a file becomes it. Returns `target`.
    """
    entry = tree.find(path)
    assert entry is not None
    one = Selected(tree, path, "", entry)
    if one.is_directory:
        target.mkdir(exist_ok=True)
        target.chmod(entry.mode)
    root, base = (target, "") if one.is_directory else (target.parent, target.name)
    with Extractor(root, layer=False) as extractor:
        for name, found in one.entries():
            placed = msgspec.structs.replace(found, name=name or base)
            extractor.add(placed, _data(tree, found))
        extractor.finish()
    return target


def _place_one(
    root: Path, one: Selected, placement: Placement, owner: tuple[int, int] | None
) -> None:
    into_folder = placement.destination.endswith("/")
    if one.merges:
        is_new = not resolve_beneath(root, placement.destination).exists()
        folder = _folder(root, placement.destination, owner)
        if is_new and one.path and not one.above:
            folder.chmod(placement.mode_of(one.entry))
        _place_files(root, folder, one, placement, owner)
        return
    if placement.unpacks(one.name) and _is_archive(one):
        folder = _folder(root, placement.destination, owner)
        source = _Source(one.tree.data(one.entry))
        into = "/" + str(folder.relative_to(root))
        plain_extract(source, root, into=into, owner=owner, keep_directories=True)
        return
    target = resolve_beneath(root, placement.destination)
    if into_folder or target.is_dir():
        target = _folder(root, placement.destination, owner) / one.name
    target = _through_links(root, target)
    _make_parents(root, target.parent, owner)
    _place_files(root, target, one, placement, owner)


def _folder(root: Path, destination: str, owner: tuple[int, int] | None) -> Path:
    folder = resolve_beneath(root, destination)
    _make_parents(root, folder, owner)
    return folder


def _make_parents(root: Path, folder: Path, owner: tuple[int, int] | None) -> None:
    path = "/" + str(folder.relative_to(root))
    make_dirs_beneath(root, path, owner=owner or (0, 0))


def _through_links(root: Path, target: Path) -> Path:
    """A link to a file is written through, a dangling one is replaced."""
    try:
        if not stat.S_ISLNK(target.lstat().st_mode):
            return target
    except (FileNotFoundError, NotADirectoryError):
        return target
    real = resolve_beneath(root, "/" + str(target.relative_to(root)))
    return real if real.exists() else target


def _place_files(
    root: Path,
    target: Path,
    one: Selected,
    placement: Placement,
    owner: tuple[int, int] | None,
) -> None:
    base = target.relative_to(root).parts
    with Extractor(root, layer=False, keep_directories=True) as extractor:
        for name, entry in one.entries():
            path = "/".join((*base, name)) if name else "/".join(base)
            placed = _owned(entry, placement, owner)
            extractor.add(msgspec.structs.replace(placed, name=path), _data(one.tree, entry))
        extractor.finish()


def _owned(entry: Entry, placement: Placement, owner: tuple[int, int] | None) -> Entry:
    uid, gid = owner or ((entry.uid, entry.gid) if placement.keep_owner else (0, 0))
    return msgspec.structs.replace(entry, uid=uid, gid=gid, mode=placement.mode_of(entry))


class _Source:
    """A file of a tree as a stream."""

    def __init__(self, pieces: Iterator[bytes | memoryview]) -> None:
        self._pieces = pieces
        self._left = b""

    def read(self, size: int, /) -> bytes:
        if not self._left:
            self._left = bytes(next(self._pieces, b""))
        piece, self._left = self._left[:size], self._left[size:]
        return piece


class _Data(TarReader):
    """What the extractor takes a member's data from: here, a file of a tree."""

    def __init__(self, tree: Tree, entry: Entry) -> None:
        self._tree = tree
        self._member = entry

    def copy_to(self, descriptor: int) -> None:
        for piece in self._tree.data(self._member):
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(descriptor, rest) :]


def _data(tree: Tree, entry: Entry) -> _Data:
    return _Data(tree, entry)


def _is_archive(one: Selected) -> bool:
    """By content: something compressed that is a tar inside, or a tar."""
    if one.entry.kind is not Kind.REGULAR or one.entry.size_bytes == 0:
        return False
    source = _Source(one.tree.data(one.entry))
    try:
        compression, plain = decompressed(source)
        if compression is Compression.PLAIN and one.entry.size_bytes < BLOCK:
            return False
        return next(iter(TarReader(plain)), None) is not None
    except (CorruptTar, CorruptCompression):
        return False
