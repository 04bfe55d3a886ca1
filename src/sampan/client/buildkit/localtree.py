"""The files of a local directory that a build wants: narrowed to paths, without excluded ones.

Wanted paths may be patterns; links in them are followed inside the directory, and both the link and
what it leads to go along. Directories on the way to a wanted or re-included file go along too. All
names come sorted, each directory before what is in it. Sockets stay behind.
"""

import os
import posixpath
import re
import stat
from collections.abc import Iterator, Sequence

from sampan.builder.dockerfile.glob import matcher
from sampan.builder.dockerfile.ignore import IgnoreRules
from sampan.lib.tarstream import Entry, Kind

CHUNK = 1 << 20  # engines take messages of 4 MiB at most
_LINKS = 255
_MAGIC = re.compile(r"[*?\[\\]")
_KINDS = {
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFREG: Kind.REGULAR,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK_DEVICE,
    stat.S_IFIFO: Kind.FIFO,
}


class LocalTree:
    """One transfer's view of `root`."""

    def __init__(self, root: str, *, without: Sequence[str] = (), only: Sequence[str] = ()) -> None:
        self._root = os.path.realpath(root)
        self._rules = IgnoreRules("\n".join(without))
        self._returns = any(pattern.startswith("!") for pattern in without)
        self._wanted = self._follow(only) if only else None
        self._seen: dict[tuple[int, int], str] = {}

    def entries(self) -> Iterator[Entry]:
        yield from self._below("", [])

    def content(self, entry: Entry) -> Iterator[bytes]:
        path = os.path.join(self._root, entry.name)  # noqa: PTH118 - hot
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            while piece := file.read(CHUNK):
                yield piece

    # --- walking ----------------------------------------------------------------------------

    def _below(self, folder: str, unsent: list[Entry]) -> Iterator[Entry]:
        """`unsent` are the directories on the way that only go along with something in them."""
        try:
            with os.scandir(os.path.join(self._root, folder)) as found:  # noqa: PTH118
                children = sorted(found, key=lambda one: one.name)
        except FileNotFoundError:
            return
        for child in children:
            path = f"{folder}/{child.name}" if folder else child.name
            inside, leads = self._place(path)
            if not (inside or leads):
                continue
            entry = self._entry(child, path)
            if entry is None:
                continue
            kept = inside and not self._rules.excluded(path)
            if kept:
                yield from unsent
                unsent.clear()
                yield entry
            if entry.kind is Kind.DIRECTORY and (kept or leads or self._returns):
                waiting = unsent if kept else [*unsent, entry]
                for below in self._below(path, waiting):
                    unsent.clear()
                    yield below

    def _place(self, path: str) -> tuple[bool, bool]:
        """(it is wanted, it leads to something that is)"""
        if self._wanted is None or "" in self._wanted:
            return True, False
        if any(path == one or path.startswith(f"{one}/") for one in self._wanted):
            return True, False
        return False, any(one.startswith(f"{path}/") for one in self._wanted)

    def _entry(self, child: os.DirEntry[str], path: str) -> Entry | None:
        try:
            found = child.stat(follow_symlinks=False)
            kind = _KINDS.get(stat.S_IFMT(found.st_mode))
            if kind is None:
                return None
            link = os.readlink(child.path) if kind is Kind.SYMLINK else ""  # noqa: PTH115
        except FileNotFoundError:
            return None
        if kind is Kind.REGULAR and found.st_nlink > 1:
            first = self._seen.setdefault((found.st_dev, found.st_ino), path)
            if first != path:
                kind, link = Kind.HARD_LINK, first
        special = kind in {Kind.CHARACTER, Kind.BLOCK_DEVICE}
        return Entry(
            name=path,
            kind=kind,
            mode=stat.S_IMODE(found.st_mode),
            size_bytes=found.st_size if kind is Kind.REGULAR else 0,
            mtime_ns=found.st_mtime_ns,
            link=link,
            device=(os.major(found.st_rdev), os.minor(found.st_rdev)) if special else (0, 0),
        )

    # --- wanted paths -----------------------------------------------------------------------

    def _follow(self, only: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for path in only:
            self._walk("", _parts(path), found, _LINKS)
        return found

    def _walk(self, folder: str, rest: list[str], found: set[str], links: int) -> None:
        if not rest:
            found.add(folder)
            return
        first, rest = rest[0], rest[1:]
        if not _MAGIC.search(first):
            self._step(folder, first, rest, found, links)
            return
        matches = matcher(first)
        try:
            names = os.listdir(os.path.join(self._root, folder))  # noqa: PTH118, PTH208
        except OSError:
            return
        for name in sorted(names):
            if matches(name):
                self._step(folder, name, rest, found, links)

    def _step(self, folder: str, name: str, rest: list[str], found: set[str], links: int) -> None:
        path = f"{folder}/{name}" if folder else name
        try:
            target = os.readlink(os.path.join(self._root, path))  # noqa: PTH115, PTH118
        except OSError:
            self._walk(path, rest, found, links)
            return
        found.add(path)
        if links:
            base = "" if target.startswith("/") else folder
            self._walk("", [*_parts(f"{base}/{target}"), *rest], found, links - 1)


def _parts(path: str) -> list[str]:
    """Beneath the root: `..` stops there."""
    cleaned = posixpath.normpath(f"/{path}").lstrip("/")
    return cleaned.split("/") if cleaned else []
