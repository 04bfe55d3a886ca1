"""Which entries COPY and ADD take, and the content address of these.

A source is a path or a pattern (Go's filepath.Match, one element at a time). A directory stands
for its contents. Links in a source's own path are followed inside the tree; links met inside a
directory are copied as links.

The hash covers name, mode, owner, size, kind, link target, device and xattrs of every entry and
the content of files; times don't count. One file is `file:HASH`, one directory `dir:HASH`, more
sources `multi:HASH`.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sampan.builder.dockerfile.glob import Matcher, matcher
from sampan.builder.trees import Tree, resolve, walk
from sampan.errors import InvalidArgument
from sampan.lib.tarstream import Entry, Kind

_MAGIC = re.compile(r"[*?\[\\]")


class SourceMissing(InvalidArgument):
    """`from_context` tells whether .dockerignore may be the reason."""

    def __init__(self, keyword: str, path: str, *, from_context: bool) -> None:
        where = "file not found in build context or excluded by .dockerignore: "
        super().__init__(
            f"{keyword} failed: {where if from_context else ''}stat {path}: file does not exist"
        )


class NoSources(InvalidArgument):
    def __init__(self, keyword: str) -> None:
        super().__init__(f"{keyword} failed: no source files were specified")


class SourceOutside(InvalidArgument):
    def __init__(self, keyword: str, path: str) -> None:
        super().__init__(f"{keyword} failed: forbidden path outside the build context: {path} ()")


@dataclass(frozen=True, slots=True)
class Selected:
    """One source after expansion: `path` in `tree`, links resolved; `name` is how it was called."""

    tree: Tree
    path: str
    name: str
    entry: Entry

    @property
    def is_directory(self) -> bool:
        return self.entry.kind is Kind.DIRECTORY

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """(path below the destination, entry); for a file the path is empty."""
        if not self.is_directory:
            yield "", self.entry
            return
        cut = len(self.path) + 1 if self.path else 0
        for entry in walk(self.tree, self.path):
            yield entry.name[cut:], entry


def select(tree: Tree, source: str, *, keyword: str, from_context: bool) -> list[Selected]:
    """Expand one source. Raises SourceMissing, SourceOutside; a pattern may select nothing."""
    path = _clean(source, keyword, climbs=not from_context)
    if not _MAGIC.search(path):
        found = _selected(tree, path)
        if found is None:
            raise SourceMissing(keyword, path, from_context=from_context)
        return [found]
    try:
        parts = [matcher(part) for part in path.split("/")]
    except re.error as error:
        raise InvalidArgument(f"{keyword} failed: syntax error in pattern") from error
    matches = (_selected(tree, match) for match in _matches(tree, "", parts))
    return [match for match in matches if match is not None]


def _selected(tree: Tree, path: str) -> Selected | None:
    found = resolve(tree, path)
    if found is None:
        return None
    return Selected(tree, found.path, path.rpartition("/")[2], found.entry)


def _clean(source: str, keyword: str, *, climbs: bool) -> str:
    parts: list[str] = []
    for part in source.split("/"):
        if part == "..":
            if not parts and not source.startswith("/") and not climbs:
                raise SourceOutside(keyword, source)
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def _matches(tree: Tree, folder: str, parts: list[Matcher]) -> Iterator[str]:
    first, rest = parts[0], parts[1:]
    for name in tree.names(folder):
        if not first(name):
            continue
        path = f"{folder}/{name}" if folder else name
        if not rest:
            yield path
            continue
        found = resolve(tree, path)
        if found is not None and found.entry.kind is Kind.DIRECTORY:
            yield from _matches(tree, found.path, rest)


def content_hash(selected: Sequence[Selected]) -> str:
    """The address as history shows it."""
    hashes = [_hash_one(one) for one in selected]
    if len(hashes) == 1:
        return hashes[0]
    joined = ",".join(hashes).encode()
    return f"multi:{hashlib.sha256(joined).hexdigest()}"


def _hash_one(selected: Selected) -> str:
    tree = selected.tree
    if not selected.is_directory:
        return f"file:{_hash_entry(tree, selected.name, selected.entry)}"
    digest = hashlib.sha256()
    for name, entry in selected.entries():
        digest.update(_hash_entry(tree, name, entry).encode())
    return f"dir:{digest.hexdigest()}"


def _hash_entry(tree: Tree, name: str, entry: Entry) -> str:
    content = tree.digest(entry) if entry.kind is Kind.REGULAR else ""
    fields = (
        f"{name}\0{entry.kind.name}\0{entry.mode:o}\0{entry.uid}\0{entry.gid}\0{entry.size_bytes}"
        f"\0{entry.link}\0{entry.device}\0{content}"
    )
    text = fields.encode("utf-8", "surrogateescape")
    for key in sorted(entry.xattrs):
        text += key.encode() + b"=" + entry.xattrs[key]
    return hashlib.sha256(text).hexdigest()
