"""What a new volume gets from the image: the directory's content, ownership and modes.

Docker's rule: only an empty volume is filled, and the volume's own directory takes over the owner
and mode of the image's directory. Hard links inside the tree stay hard links.

The source is the image's, which nobody changes meanwhile. The volume may already be in use by a
container that does: so everything is written by the extractor, which no planted link leads out.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from sampan.lib.fileentry import entry_of, kind_of
from sampan.lib.tarstream import CHUNK, Entry, Kind, TarReader
from sampan.store.extractor import Extractor

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def copy_tree(source: Path, target: Path) -> None:
    """Copy the content of directory `source` into the directory `target`, attributes included."""
    with Extractor(target, layer=False) as extractor:
        for path, entry in _entries(source):
            extractor.add(entry, _Data(path))
        extractor.finish()
    _take_over(source, target)


def _take_over(source: Path, target: Path) -> None:
    facts = source.stat()
    held = os.open(target, _DIRECTORY)
    try:
        os.fchown(held, facts.st_uid, facts.st_gid)
        os.fchmod(held, stat.S_IMODE(facts.st_mode))
        os.utime(held, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    finally:
        os.close(held)


def _entries(source: Path) -> Iterator[tuple[str, Entry]]:
    """(path of the host, what it is), parents first. No recursion: images can nest deeply."""
    links: dict[tuple[int, int], str] = {}
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(f"{source}/{folder}") as found:
            names = [entry.name for entry in found]
        for name in names:
            inner = f"{folder}/{name}" if folder else name
            entry = _entry(f"{source}/{inner}", inner, links)
            if entry is None:
                continue
            yield f"{source}/{inner}", entry
            if entry.kind is Kind.DIRECTORY:
                pending.append(inner)


def _entry(path: str, name: str, links: dict[tuple[int, int], str]) -> Entry | None:
    facts = os.lstat(path)
    kind = kind_of(facts)
    if kind is None:
        return None
    link = os.readlink(path) if kind is Kind.SYMLINK else ""  # noqa: PTH115 - hot, and no Path
    if facts.st_nlink > 1 and kind is not Kind.DIRECTORY:
        first = links.setdefault((facts.st_dev, facts.st_ino), name)
        if first != name:
            kind, link = Kind.HARD_LINK, first
    xattrs = _xattrs(path) if kind in {Kind.REGULAR, Kind.DIRECTORY} else {}
    return entry_of(name, facts, kind, link=link, xattrs=xattrs)


def _xattrs(path: str) -> dict[str, bytes]:
    names = os.listxattr(path, follow_symlinks=False)
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in names}


class _Data(TarReader):
    """What the extractor takes a member's data from: here, a file."""

    def __init__(self, path: str) -> None:
        self._path = path

    def copy_to(self, descriptor: int) -> None:
        source = os.open(self._path, _FILE)
        try:
            while piece := memoryview(os.read(source, CHUNK)):
                while piece:
                    piece = piece[os.write(descriptor, piece) :]
        finally:
            os.close(source)
