"""Trees of files that COPY reads: the build context, or the file system of another stage.

A tree answers by path relative to its root ("" is the root, no leading slash). Links are followed
inside the tree only: an absolute link starts at its root, ".." stops there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from sampan.errors import InvalidArgument
from sampan.lib.tarstream import Entry, Kind

_LINK_LIMIT = 255  # as Go's filepath.EvalSymlinks


class Tree(Protocol):
    """Blocking; entries' names are their paths."""

    def find(self, path: str) -> Entry | None:
        """What is at `path`, links not followed anywhere."""
        ...

    def names(self, path: str) -> list[str]:
        """What a directory holds, sorted."""
        ...

    def digest(self, entry: Entry) -> str:
        """sha256 of a regular file's content, hexadecimal."""
        ...

    def data(self, entry: Entry) -> Iterator[bytes | memoryview]:
        """A regular file's content, in pieces."""
        ...


class LinkLoop(InvalidArgument):
    def __init__(self, path: str) -> None:
        super().__init__(f"too many links: {path}")


@dataclass(frozen=True, slots=True)
class Found:
    """`path` has all links resolved."""

    path: str
    entry: Entry


def resolve(tree: Tree, path: str) -> Found | None:
    """Follow links inside the tree, the last component too."""
    done: list[str] = []
    rest = path.split("/")[::-1]
    links = 0
    entry = tree.find("")
    while rest:
        part = rest.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            del done[-1:]
            continue
        entry = tree.find("/".join([*done, part]))
        if entry is None:
            return None
        if entry.kind is not Kind.SYMLINK:
            done.append(part)
            continue
        links += 1
        if links > _LINK_LIMIT:
            raise LinkLoop(path)
        if entry.link.startswith("/"):
            done.clear()
        rest.extend(entry.link.split("/")[::-1])
    final = "/".join(done)
    entry = tree.find(final)
    return None if entry is None else Found(final, entry)


def walk(tree: Tree, path: str) -> Iterable[Entry]:
    """Everything below a directory, parents first, sorted within each; links aren't followed."""
    pending = [iter(_below(tree, path))]  # no recursion: images can nest deeply
    while pending:
        name = next(pending[-1], None)
        if name is None:
            pending.pop()
            continue
        entry = tree.find(name)
        if entry is None:
            continue
        yield entry
        if entry.kind is Kind.DIRECTORY:
            pending.append(iter(_below(tree, name)))


def _below(tree: Tree, path: str) -> list[str]:
    return [f"{path}/{name}" if path else name for name in tree.names(path)]
