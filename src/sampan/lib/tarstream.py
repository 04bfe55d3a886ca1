"""Tar archives as streams: one pass, no seeking, bounded memory.

Read: ustar, GNU (long names, sparse files, base-256 numbers) and PAX (also the three PAX shapes of
sparse files, xattrs as SCHILY.xattr.*). Global PAX headers are passed over, as Docker does.

    reader = TarReader(source)
    for entry in reader:            # data of an entry is gone when the next one is asked for
        reader.copy_to(descriptor)  # or reader.read(n)

The reader only says what the archive says: names may be absolute, hold ".." or anything else.
Whoever extracts must check them (store/extractor.py). Names are str with surrogate escapes.
Messages of damage are those of Go's archive/tar, which Docker's clients show; like there, an
archive may end at any entry's end, even unpadded. Writing is in lib/tarwriter.py.
"""

import os
import struct
from collections.abc import Iterator
from enum import Enum
from typing import Protocol

import msgspec

from sampan.lib import tarsparse
from sampan.lib.tarpax import CorruptTar, invalid, number, pax_number, pax_records, pax_time_ns

__all__ = [
    "BLOCK",
    "CHUNK",
    "XATTR_PREFIX",
    "Bytes",
    "CorruptTar",
    "Entry",
    "Kind",
    "Readable",
    "TarReader",
    "UnexpectedEof",
]

BLOCK = 512
CHUNK = 256 << 10
MAX_SPECIAL = 1 << 20  # one long name or one set of PAX records, as in Go
MAX_SIZE = 1 << 62

XATTR_PREFIX = "SCHILY.xattr."
_HEADER = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12s")
_ZERO = bytes(BLOCK)


class Kind(Enum):
    """What an entry is; values are type flags."""

    REGULAR = b"0"
    HARD_LINK = b"1"
    SYMLINK = b"2"
    CHARACTER = b"3"
    BLOCK_DEVICE = b"4"
    DIRECTORY = b"5"
    FIFO = b"6"
    UNKNOWN = b"?"


_KINDS = {kind.value: kind for kind in Kind} | {
    b"\0": Kind.REGULAR,
    b"7": Kind.REGULAR,
    b"S": Kind.REGULAR,
}
_WITHOUT_DATA = frozenset(
    {Kind.HARD_LINK, Kind.SYMLINK, Kind.CHARACTER, Kind.BLOCK_DEVICE, Kind.DIRECTORY, Kind.FIFO}
)


class UnexpectedEof(CorruptTar):
    def __init__(self) -> None:
        super().__init__("unexpected EOF")


Bytes = bytes | memoryview


class Readable(Protocol):
    def read(self, size: int, /) -> Bytes:
        """At most `size` bytes; fewer don't mean the end, none do."""
        ...


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One member. `size_bytes` is the file's size; a sparse file's data is less."""

    name: str
    kind: Kind = Kind.REGULAR
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size_bytes: int = 0
    mtime_ns: int = 0
    link: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: dict[str, bytes] = {}
    sparse: tuple[tuple[int, int], ...] | None = None


class TarReader:
    """Iterates over entries; `read` and `copy_to` give the data of the present one."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._buffer = memoryview(b"")
        self._at = 0
        self._left = 0  # data bytes of this entry not yet handed out
        self._padding = 0
        self._entry: Entry | None = None

    def __iter__(self) -> Iterator[Entry]:
        while (entry := self._next()) is not None:
            yield entry

    def read(self, size: int = CHUNK) -> memoryview:
        """Up to `size` bytes of data as stored; empty at the entry's end."""
        size = min(size, self._left)
        if size == 0:
            return memoryview(b"")
        if self._at == len(self._buffer):
            self._refill()
        piece = self._buffer[self._at : self._at + size]
        self._at += len(piece)
        self._left -= len(piece)
        return piece

    def read_all(self, limit: int) -> bytes:
        """The whole data of a small entry. Raises CorruptTar beyond `limit`."""
        if self._left > limit:
            raise CorruptTar(f"archive member of {self._left} bytes is too long")
        return b"".join(self._pieces())

    def copy_to(self, descriptor: int) -> None:
        """Write the data to an open, empty file; holes of sparse files stay holes."""
        entry = self._entry
        if entry is not None and entry.sparse is not None:
            self._copy_sparse(descriptor, entry)
            return
        while self._left:
            piece = self.read()
            while piece:
                piece = piece[os.write(descriptor, piece) :]

    def drain(self) -> None:
        """Read the source to its end: a digest covers what follows the end of the archive."""
        while self._source.read(CHUNK):
            pass

    def _copy_sparse(self, descriptor: int, entry: Entry) -> None:
        assert entry.sparse is not None
        os.ftruncate(descriptor, entry.size_bytes)
        for offset, length in entry.sparse:
            end = offset + length
            while offset < end:
                piece = self.read(end - offset)
                if not piece:
                    raise UnexpectedEof
                while piece:
                    written = os.pwrite(descriptor, piece, offset)
                    piece = piece[written:]
                    offset += written

    def _pieces(self) -> Iterator[bytes]:
        while self._left:
            yield bytes(self.read())

    def _refill(self) -> None:
        data = self._source.read(CHUNK)
        if not data:
            raise UnexpectedEof
        self._buffer = memoryview(data)
        self._at = 0

    def _skip(self, size: int) -> None:
        while size:
            if self._at == len(self._buffer):
                self._refill()
            step = min(size, len(self._buffer) - self._at)
            self._at += step
            size -= step

    def _block(self) -> bytes | None:
        """The next 512 bytes; None at a clean end of the source."""
        start = self._at
        if len(self._buffer) - start >= BLOCK:
            self._at = start + BLOCK
            return bytes(self._buffer[start : self._at])
        got = bytes(self._buffer[start:])
        self._at = len(self._buffer)
        while len(got) < BLOCK:
            data = self._source.read(CHUNK)
            if not data:
                if got:
                    raise UnexpectedEof
                return None
            missing = BLOCK - len(got)
            got += data[:missing]
            self._buffer = memoryview(data)
            self._at = min(missing, len(data))
        return got

    def _special(self, size: int) -> bytes:
        if size > MAX_SPECIAL:
            invalid()
        self._left = size
        data = b"".join(self._pieces())
        self._skip(-size % BLOCK)
        return data

    def _next(self) -> Entry | None:
        left, padding = self._left, self._padding
        self._left = self._padding = 0
        self._skip(left)
        try:
            self._skip(padding)
        except UnexpectedEof:  # the docker CLI's build contexts may end right after the last data
            return None
        records: dict[str, bytes] = {}
        long_names: dict[str, bytes] = {}  # GNU's
        while True:
            header = self._block()
            if header is None or header == _ZERO:
                return None
            fields = _fields(header)
            flag = fields[7]
            size = number(fields[4])
            if not 0 <= size < MAX_SIZE:
                invalid()
            if flag == b"x":
                records = pax_records(self._special(size))  # a second one replaces the first
            elif flag == b"g":
                self._special(size)
            elif flag == b"L":
                long_names["path"] = self._special(size).partition(b"\0")[0]
            elif flag == b"K":
                long_names["linkpath"] = self._special(size).partition(b"\0")[0]
            else:
                return self._start(header, fields, size, records | long_names)

    def _start(
        self, header: bytes, fields: tuple[bytes, ...], size: int, records: dict[str, bytes]
    ) -> Entry:
        if records:
            size = pax_number(records, "size", size)
        entry = _entry(fields, size, records)
        sparse = self._sparse_map(header, records)
        stored = 0 if entry.kind in _WITHOUT_DATA else size
        if sparse is not None:
            consumed, real_size, runs = sparse
            stored -= consumed
            tarsparse.check(runs, real_size, stored, invalid)
            entry = msgspec.structs.replace(entry, size_bytes=real_size, sparse=runs)
        self._left = stored
        self._padding = 0 if entry.kind in _WITHOUT_DATA else -size % BLOCK
        self._entry = entry
        return entry

    def _sparse_map(
        self, header: bytes, records: dict[str, bytes]
    ) -> tuple[int, int, tuple[tuple[int, int], ...]] | None:
        """(bytes of data that were the map, real size, runs); None for an ordinary file."""
        if header[156:157] == b"S":
            return tarsparse.old_gnu(header, self._need_block, number)
        if not any(key.startswith("GNU.sparse.") for key in records):
            return None
        try:
            return tarsparse.pax(records, self._need_block)
        except (ValueError, KeyError):
            invalid()

    def _need_block(self) -> bytes:
        block = self._block()
        if block is None:
            raise UnexpectedEof
        return block


def _fields(header: bytes) -> tuple[bytes, ...]:
    fields: tuple[bytes, ...] = _HEADER.unpack(header)
    stored = number(fields[6])
    if sum(header) - sum(header[148:156]) + 256 != stored:
        signed = sum(byte - 256 if byte > 127 else byte for byte in header)
        own = sum(byte - 256 if byte > 127 else byte for byte in header[148:156])
        if signed - own + 256 != stored:
            invalid()
    return fields


def _entry(fields: tuple[bytes, ...], size: int, records: dict[str, bytes]) -> Entry:
    name = fields[0].partition(b"\0")[0]
    if fields[14][0] and fields[9].startswith(b"ustar\0"):  # the prefix is POSIX only
        name = fields[14].partition(b"\0")[0] + b"/" + name
    kind = _KINDS.get(fields[7], Kind.UNKNOWN)
    link = fields[8].partition(b"\0")[0]
    uid, gid, mtime_ns = number(fields[2]), number(fields[3]), number(fields[5]) * 1_000_000_000
    xattrs: dict[str, bytes] = {}
    if records:
        name, link = records.get("path", name), records.get("linkpath", link)
        name = records.get("GNU.sparse.name", name)
        uid, gid = pax_number(records, "uid", uid), pax_number(records, "gid", gid)
        if "mtime" in records:
            mtime_ns = pax_time_ns(records["mtime"])
        for key, value in records.items():
            if key.startswith(XATTR_PREFIX):
                xattrs[key[len(XATTR_PREFIX) :]] = value
    if kind is Kind.REGULAR and fields[7] == b"\0" and name.endswith(b"/"):
        kind = Kind.DIRECTORY  # how the oldest tars marked them
    return Entry(
        name=os.fsdecode(name),
        kind=kind,
        mode=number(fields[1]) & 0o7777,
        uid=uid,
        gid=gid,
        size_bytes=0 if kind in _WITHOUT_DATA else size,
        mtime_ns=mtime_ns,
        link=os.fsdecode(link),
        device=(number(fields[12]), number(fields[13])),
        xattrs=xattrs,
    )
