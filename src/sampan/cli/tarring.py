"""Local files as a tar stream, made piece by piece while it is being sent."""

from __future__ import annotations

import os
import stat

from sampan.lib.tarstream import Entry, Kind
from sampan.lib.tarwriter import header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK = 1 << 18
BLOCK = 512
NANOS = 1_000_000_000
END = bytes(2 * BLOCK)
_KINDS = {
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFREG: Kind.REGULAR,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK_DEVICE,
    stat.S_IFIFO: Kind.FIFO,
}


class Packer:
    """Turns files into members. Hard links within one stream stay links.

    `owner` overrides the files' owners (build contexts belong to root).
    """

    def __init__(self, *, owner: tuple[int, int] | None = None) -> None:
        self._owner = owner
        self._seen: dict[tuple[int, int], str] = {}

    def file(self, path: str, name: str, *, follow: bool = False) -> Iterator[bytes]:
        """The member for one file or directory (without what is in it); nothing for a socket."""
        found = os.stat(path) if follow else os.lstat(path)  # noqa: PTH116
        kind = _KINDS.get(stat.S_IFMT(found.st_mode))
        if kind is None:
            return
        link = ""
        if kind is Kind.SYMLINK:
            link = os.readlink(path)  # noqa: PTH115
        elif kind is Kind.REGULAR and found.st_nlink > 1:
            identity = (found.st_dev, found.st_ino)
            link = self._seen.setdefault(identity, name)
            link = "" if link == name else link
            kind = Kind.HARD_LINK if link else kind
        yield header(self._entry(found, name, kind, link))
        if kind is Kind.REGULAR:
            yield from _content(path, found.st_size)

    def _entry(self, found: os.stat_result, name: str, kind: Kind, link: str) -> Entry:
        uid, gid = self._owner or (found.st_uid, found.st_gid)
        special = kind in {Kind.CHARACTER, Kind.BLOCK_DEVICE}
        device = (os.major(found.st_rdev), os.minor(found.st_rdev)) if special else (0, 0)
        return Entry(
            name=name,
            kind=kind,
            mode=stat.S_IMODE(found.st_mode),
            uid=uid,
            gid=gid,
            size_bytes=found.st_size if kind is Kind.REGULAR else 0,
            mtime_ns=int(found.st_mtime) * NANOS,  # fractions would need an extra record each
            link=link,
            device=device,
        )

    def tree(
        self, root: str, name: str, skip: Callable[[str, bool], bool] | None = None
    ) -> Iterator[bytes]:
        """Members for everything below `root`, sorted; `name` goes in front of theirs.

        `skip(relative path, is directory)` leaves a member out; the members of a directory that
        is skipped are still asked about.
        """
        yield from self._below(root, "", name, skip)

    def _below(
        self, root: str, inner: str, name: str, skip: Callable[[str, bool], bool] | None
    ) -> Iterator[bytes]:
        with os.scandir(os.path.join(root, inner)) as found:  # noqa: PTH118
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            relative = f"{inner}/{entry.name}" if inner else entry.name
            folder = entry.is_dir(follow_symlinks=False)
            if skip is None or not skip(relative, folder):
                yield from self.file(entry.path, name + relative)
            if folder:
                yield from self._below(root, relative, name, skip)


def _content(path: str, size: int) -> Iterator[bytes]:
    """Exactly `size` bytes: the header is out already, whatever happens to the file meanwhile."""
    left = size
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        while left:
            piece = file.read(min(left, CHUNK)) or bytes(min(left, CHUNK))
            left -= len(piece)
            yield piece
    if size % BLOCK:
        yield bytes(-size % BLOCK)


def bytes_member(name: str, data: bytes, *, mode: int = 0o600) -> Iterator[bytes]:
    """A file made of `data`."""
    yield header(Entry(name=name, mode=mode, size_bytes=len(data)))
    yield data + bytes(-len(data) % BLOCK)
