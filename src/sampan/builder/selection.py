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
from dataclasses import dataclass, replace

from sampan.builder.dockerfile.glob import matcher
from sampan.builder.dockerfile.ignore import IgnoreRules
from sampan.builder.trees import Tree, resolve, walk
from sampan.errors import InvalidArgument
from sampan.lib.tarstream import Entry, Kind

_FOLDER = Entry(name="", kind=Kind.DIRECTORY, mode=0o755)
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
    """One source after expansion: `path` in `tree`, links resolved; `called` is its path as the
    source says it, `name` the last element of that.

    `above` are the folders that --parents keeps: paths below the destination, outermost first, the
    last of them the entry's own. `excluded` are the patterns of --exclude.
    """

    tree: Tree
    path: str
    name: str
    entry: Entry
    called: str = ""
    above: tuple[str, ...] = ()
    excluded: IgnoreRules | None = None

    @property
    def is_directory(self) -> bool:
        return self.entry.kind is Kind.DIRECTORY

    @property
    def merges(self) -> bool:
        """Its entries go into the destination, which is a directory; else it may become it."""
        return self.is_directory or bool(self.above)

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """(path below the destination, entry); for a lone file the path is empty."""
        if not self.merges:
            if not self._excludes(self.name):
                yield "", self.entry
            return
        prefix = ""
        if self.above:
            prefix = self.above[-1]
            if self._excludes(prefix):
                return
            yield from self._folders()
            yield prefix, self.entry
            if not self.is_directory:
                return
            prefix += "/"
        cut = len(self.path) + 1 if self.path else 0
        for entry in walk(self.tree, self.path):
            path = prefix + entry.name[cut:]
            if not self._excludes(path):
                yield path, entry

    def _folders(self) -> Iterator[tuple[str, Entry]]:
        """As they are in the tree; links on the way were followed, so they become directories."""
        up = len(self.above) - 1
        for index, path in enumerate(self.above[:-1]):
            folder = "/".join(self.path.split("/")[: index - up])
            found = self.tree.find(folder)
            is_folder = found is not None and found.kind is Kind.DIRECTORY
            yield path, found if found is not None and is_folder else _FOLDER

    def _excludes(self, path: str) -> bool:
        return self.excluded is not None and self.excluded.excluded(path)


def select_with_parents(
    tree: Tree, source: str, *, keyword: str, from_context: bool
) -> list[Selected]:
    """COPY --parents: folders are kept, those after `/./` when the source has it; `**` is any
    depth. Raises as `select`."""
    before = source.partition("/./")[0] if "/./" in source else ""
    kept_from = len(_clean(before, keyword, climbs=not from_context).split("/")) if before else 0
    found = []
    for one in select(tree, source, keyword=keyword, from_context=from_context):
        parts = one.called.split("/")[kept_from:]
        above = tuple("/".join(parts[: length + 1]) for length in range(len(parts)))
        found.append(replace(one, above=above) if any(parts) else one)
    return found


def select(tree: Tree, source: str, *, keyword: str, from_context: bool) -> list[Selected]:
    """Expand one source. Raises SourceMissing, SourceOutside; a pattern may select nothing."""
    path = _clean(source, keyword, climbs=not from_context)
    if not _MAGIC.search(path):
        found = _selected(tree, path)
        if found is None:
            raise SourceMissing(keyword, path, from_context=from_context)
        return [found]
    try:
        parts = path.split("/")
        for part in parts:
            matcher(part)
    except re.error as error:
        raise InvalidArgument(f"{keyword} failed: syntax error in pattern") from error
    matches = (_selected(tree, match) for match in _matches(tree, "", parts))
    return [match for match in matches if match is not None]


def _selected(tree: Tree, path: str) -> Selected | None:
    found = resolve(tree, path)
    if found is None:
        return None
    return Selected(tree, found.path, path.rpartition("/")[2], found.entry, called=path)


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


def _matches(tree: Tree, folder: str, parts: list[str]) -> Iterator[str]:
    """Paths as called: links on the way are followed by `resolve`, not written out."""
    first, rest = parts[0], parts[1:]
    if first == "**":
        yield from _matches_at_any_depth(tree, folder, rest)
        return
    found = resolve(tree, folder)
    if found is None or found.entry.kind is not Kind.DIRECTORY:
        return
    matches = matcher(first)
    for name in tree.names(found.path):
        if not matches(name):
            continue
        path = f"{folder}/{name}" if folder else name
        if rest:
            yield from _matches(tree, path, rest)
        else:
            yield path


def _matches_at_any_depth(tree: Tree, folder: str, rest: list[str]) -> Iterator[str]:
    """`**`: this folder and all below it, links to folders left out."""
    found = resolve(tree, folder)
    if found is None or found.entry.kind is not Kind.DIRECTORY:
        return
    if not rest:
        yield from (entry.name for entry in walk(tree, found.path))
        return
    seen: set[str] = set()
    folders = [found.path]
    folders += [one.name for one in walk(tree, found.path) if one.kind is Kind.DIRECTORY]
    for one in folders:
        for path in _matches(tree, one, rest):
            if path not in seen:
                seen.add(path)
                yield path


def content_hash(selected: Sequence[Selected], files: dict[str, str] | None = None) -> str:
    """The address as history shows it. `files` gets the hash of each entry, by its path."""
    hashes = [_hash_one(one, {} if files is None else files) for one in selected]
    if len(hashes) == 1:
        return hashes[0]
    joined = ",".join(hashes).encode()
    return f"multi:{hashlib.sha256(joined).hexdigest()}"


def _hash_one(selected: Selected, files: dict[str, str]) -> str:
    tree = selected.tree
    if not selected.merges:
        hashed = files[selected.path] = _hash_entry(tree, selected.name, selected.entry)
        return f"file:{hashed}"
    digest = hashlib.sha256()
    prefix = f"{selected.path}/" if selected.path else ""
    for name, entry in selected.entries():
        hashed = files[prefix + name] = _hash_entry(tree, name, entry)
        digest.update(hashed.encode())
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
