"""A build context that arrives file by file: names first, then contents, in any order and mixed.

    index = arrivals.announce(entry)     # for regular files; None when no content is expected
    arrivals.data(index, chunk) ...; arrivals.end(index)
    tree = arrivals.tree()

Like a context from a tar (context.py) it is an index and one spool. Each file gets the place in
the spool that its announced size needs; one that turns out longer is moved behind the others.
"""

import hashlib
import os
from pathlib import Path

import msgspec

from sampan.builder.context import Blob, ContextTree
from sampan.errors import InvalidArgument
from sampan.lib.tarstream import Entry, Kind
from sampan.store.members import strict_parts

_DEPTH_LIMIT = 255
_GROWTH_LIMIT_BYTES = 64 << 20  # a file that grows while it is sent may grow by this


class UnknownFile(InvalidArgument):
    def __init__(self, index: int) -> None:
        super().__init__(f"content of file {index} was not asked for")


class _Incoming:
    """A file whose content is on its way."""

    def __init__(self, path: str, offset: int, room: int) -> None:
        self.path = path
        self.offset = offset
        self.room = room
        self.size_bytes = 0
        self.excess = bytearray()
        self.digest = hashlib.sha256()


class Arrivals:
    """Close it, unless `tree` took the spool over."""

    def __init__(self, scratch: Path) -> None:
        self._spool = os.open(scratch, os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
        self._end = 0
        self._entries: dict[str, Entry] = {}
        self._blobs: dict[str, Blob] = {}
        self._incoming: dict[int, _Incoming] = {}
        self._count = 0

    def close(self) -> None:
        os.close(self._spool)

    def announce(self, entry: Entry) -> int | None:
        """Counted from 0 over all entries. Raises InvalidArgument for names that can't be."""
        index = self._count
        self._count += 1
        parts = strict_parts(entry.name)
        if len(parts) > _DEPTH_LIMIT:
            raise InvalidArgument("the build context has too many levels of directories")
        path = "/".join(parts)
        if not path or entry.kind is Kind.UNKNOWN:
            return None
        if entry.kind is Kind.HARD_LINK:
            target = "/".join(strict_parts(entry.link))
            if target not in self._entries:
                raise InvalidArgument(f"link target {entry.link!r} doesn't exist in the context")
            entry = msgspec.structs.replace(entry, kind=Kind.HARD_LINK, link=target)
        self._entries[path] = msgspec.structs.replace(entry, name=path, uid=0, gid=0)
        if entry.kind is not Kind.REGULAR:
            return None
        self._incoming[index] = _Incoming(path, self._end, entry.size_bytes)
        self._end += entry.size_bytes
        return index

    def data(self, index: int, chunk: bytes) -> int:
        """Returns the number of bytes of this file so far. Raises UnknownFile."""
        file = self._incoming.get(index)
        if file is None:
            raise UnknownFile(index)
        fits = max(min(len(chunk), file.room - file.size_bytes), 0)
        _write(self._spool, chunk[:fits], file.offset + file.size_bytes)
        file.excess += chunk[fits:]
        if len(file.excess) > _GROWTH_LIMIT_BYTES:
            raise InvalidArgument(f"{file.path} changed while it was sent")
        file.digest.update(chunk)
        file.size_bytes += len(chunk)
        return file.size_bytes

    def end(self, index: int) -> None:
        file = self._incoming.pop(index, None)
        if file is None:
            raise UnknownFile(index)
        if file.excess:
            whole = os.pread(self._spool, file.room, file.offset) + file.excess
            file.offset = self._end
            self._end += len(whole)
            _write(self._spool, whole, file.offset)
        self._blobs[file.path] = Blob(file.offset, file.digest.hexdigest())
        entry = self._entries[file.path]
        self._entries[file.path] = msgspec.structs.replace(entry, size_bytes=file.size_bytes)

    def tree(self) -> ContextTree:
        """When all contents are here."""
        for path, entry in self._entries.items():
            if entry.kind is Kind.HARD_LINK:
                target = self._entries[entry.link]
                if target.kind is Kind.REGULAR:
                    self._blobs[path] = self._blobs[entry.link]
                self._entries[path] = msgspec.structs.replace(target, name=path)
        return ContextTree(self._spool, self._entries, self._blobs)


def _write(descriptor: int, data: bytes, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest = rest[written:]
        offset += written
