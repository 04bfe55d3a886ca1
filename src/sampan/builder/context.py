"""The build context: a tar stream, read once, into an index and one spool of file contents.

Nothing of the archive becomes a path on this machine: member names are keys of the index, contents
lie one after the other in an unnamed file, links are only followed inside the index. While a file
is spooled its sha256 is taken, so that COPY needs no second look.

A context that isn't a tar but one Dockerfile (`remote` may bring one) is `single_dockerfile`.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import msgspec

from sampan.builder.directory import DirectoryTree
from sampan.builder.dockerfile.ignore import IgnoreRules
from sampan.builder.trees import resolve, walk
from sampan.errors import InvalidArgument
from sampan.lib.tarstream import CHUNK, Entry, Kind, Readable, TarReader
from sampan.store.decompress import decompressed
from sampan.store.members import BadEntry, clean_parts, strict_parts

_BUFFER_BYTES = 1 << 20
_TEXT_LIMIT = 8 << 20  # a Dockerfile or .dockerignore longer than this is a mistake
_MAX_DEPTH = 255
_ROOT = Entry(name="", kind=Kind.DIRECTORY, mode=0o755)


class ContextFileMissing(InvalidArgument):
    def __init__(self, path: str) -> None:
        super().__init__(f"Cannot locate specified Dockerfile: {path}")


class ContextPathForbidden(InvalidArgument):
    def __init__(self, path: str) -> None:
        super().__init__(f"forbidden path outside the build context: {path} ()")


class NotAFile(InvalidArgument):
    def __init__(self, path: str) -> None:
        super().__init__(f"unexpected error reading Dockerfile: read {path}: is a directory")


class Blob(msgspec.Struct, frozen=True):
    """Where a file's content lies in the spool; `digest` is its sha256."""

    offset: int
    digest: str


class ContextTree:
    """See trees.Tree. Close it to free the spool; trees made by `without` share it."""

    def __init__(self, spool: int, entries: dict[str, Entry], blobs: dict[str, Blob]) -> None:
        self._spool = spool
        self._blobs = blobs
        self._entries = {"": _ROOT}
        self._names: dict[str, list[str]] = {"": []}
        for path, entry in entries.items():
            self._place(path, entry)
        for names in self._names.values():
            names.sort()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._spool)

    def find(self, path: str) -> Entry | None:
        return self._entries.get(path)

    def names(self, path: str) -> list[str]:
        return self._names.get(path, [])

    def digest(self, entry: Entry) -> str:
        return self._blobs[entry.name].digest

    def data(self, entry: Entry) -> Iterator[bytes]:
        at, end = self._blobs[entry.name].offset, 0
        end = at + entry.size_bytes
        while at < end:
            piece = os.pread(self._spool, min(end - at, CHUNK), at)
            yield piece
            at += len(piece)

    def without(self, excluded: Callable[[str], bool]) -> "ContextTree":
        """The same context as COPY may see it. A folder stays while something in it does."""
        kept = {path: entry for path, entry in self._entries.items() if path and not excluded(path)}
        return ContextTree(self._spool, kept, self._blobs)

    def read_text(self, path: str) -> str:
        """A text file of the context, by a name that the client gave.

        Raises ContextPathForbidden, ContextFileMissing, NotAFile.
        """
        try:
            wanted = "/".join(strict_parts(path))
        except InvalidArgument:
            raise ContextPathForbidden(path) from None
        found = resolve(self, wanted)
        if found is None:
            raise ContextFileMissing(path)
        if found.entry.kind is not Kind.REGULAR:
            raise NotAFile(path)
        if found.entry.size_bytes > _TEXT_LIMIT:
            raise InvalidArgument(f"{path} is too large")
        return b"".join(self.data(found.entry)).decode("utf-8", "surrogateescape")

    def _place(self, path: str, entry: Entry) -> None:
        if path in self._entries:
            self._entries[path] = entry
            return
        folder, _, name = path.rpartition("/")
        above = self._entries.get(folder)
        if above is not None and above.kind is not Kind.DIRECTORY:
            raise BadEntry("open", path, "not a directory")
        if folder not in self._names:
            implied = Entry(name=folder, kind=Kind.DIRECTORY, mode=0o755)
            self._place(folder, implied)
        self._entries[path] = entry
        self._names[folder].append(name)
        if entry.kind is Kind.DIRECTORY:
            self._names.setdefault(path, [])


def read_context(source: Readable, scratch: Path) -> ContextTree:
    """Read a tar, plain or compressed. Raises InvalidArgument or DataLoss for a bad archive."""
    _, plain = decompressed(source)
    reader = TarReader(plain)
    spool = os.open(scratch, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    try:
        entries, blobs = _index(reader, _Spooling(spool), scratch)
        reader.drain()
        return ContextTree(spool, entries, blobs)
    except BaseException:
        os.close(spool)
        raise


def directory_context(folder: Path, scratch: Path) -> ContextTree:
    """The files of a directory of ours; it may go away afterwards."""
    spool = os.open(scratch, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    try:
        files, spooling = DirectoryTree(folder), _Spooling(spool)
        entries, blobs = {}, {}
        for entry in walk(files, ""):
            if entry.kind is Kind.REGULAR:
                offset, digest = spooling.size_bytes, hashlib.sha256()
                for piece in files.data(entry):
                    digest.update(piece)
                    spooling.append(piece)
                blobs[entry.name] = Blob(offset, digest.hexdigest())
            entries[entry.name] = msgspec.structs.replace(entry, uid=0, gid=0)
        spooling.flush()
        return ContextTree(spool, entries, blobs)
    except BaseException:
        os.close(spool)
        raise


def single_dockerfile(text: bytes, name: str, scratch: Path) -> ContextTree:
    """A context that holds one file."""
    spool = os.open(scratch, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
    os.write(spool, text)
    entry = Entry(name=name, size_bytes=len(text))
    return ContextTree(spool, {name: entry}, {name: Blob(0, hashlib.sha256(text).hexdigest())})


def ignore_rules(context: ContextTree, dockerfile: str) -> IgnoreRules:
    """`<Dockerfile>.dockerignore` wins over `.dockerignore` at the root."""
    for name in (f"{dockerfile}.dockerignore", ".dockerignore"):
        try:
            return IgnoreRules(context.read_text(name))
        except (ContextFileMissing, ContextPathForbidden, NotAFile):
            continue
    return IgnoreRules()


class _Spooling:
    """Appends contents through a buffer, so that small files don't cost a write each."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = bytearray()
        self.size_bytes = 0

    def append(self, data: bytes | memoryview) -> None:
        self._buffer += data
        self.size_bytes += len(data)
        if len(self._buffer) >= _BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        rest = memoryview(self._buffer)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        self._buffer = bytearray()


def _index(
    reader: TarReader, spool: _Spooling, scratch: Path
) -> tuple[dict[str, Entry], dict[str, Blob]]:
    entries: dict[str, Entry] = {}
    blobs: dict[str, Blob] = {}
    for entry in reader:
        parts = clean_parts(entry.name)
        if len(parts) > _MAX_DEPTH:
            raise InvalidArgument("the build context has too many levels of directories")
        path = "/".join(parts)
        kind = entry.kind
        if not path or kind is Kind.UNKNOWN:
            continue
        if kind is Kind.HARD_LINK:
            target = "/".join(clean_parts(entry.link))
            if target not in blobs:
                raise InvalidArgument(f"link target {entry.link!r} doesn't exist in the context")
            blobs[path] = blobs[target]
            entry = entries[target]
        elif kind is Kind.REGULAR:
            blobs[path] = _spool_file(reader, entry, spool, scratch)
        entries[path] = msgspec.structs.replace(entry, name=path, uid=0, gid=0, sparse=None)
    spool.flush()
    return entries, blobs


def _spool_file(reader: TarReader, entry: Entry, spool: _Spooling, scratch: Path) -> Blob:
    offset = spool.size_bytes
    digest = hashlib.sha256()
    if entry.sparse is not None:
        # Rare: laid out in a file of its own first, because its holes have no data in the tar.
        with tempfile.TemporaryFile(dir=scratch) as whole:
            reader.copy_to(whole.fileno())
            whole.seek(0)
            while piece := whole.read(CHUNK):
                digest.update(piece)
                spool.append(piece)
        return Blob(offset, digest.hexdigest())
    while data := reader.read():
        digest.update(data)
        spool.append(data)
    return Blob(offset, digest.hexdigest())
