"""Writes tar archives that depend on nothing but what is put in.

ustar where that holds everything; else PAX records in front (long or non-ASCII names, big numbers,
fractions of seconds, xattrs). No access or change times, no user names, no process ids: equal
input gives equal bytes.
"""

import os
from typing import Protocol

from sampan.errors import InvalidArgument
from sampan.lib.tarstream import BLOCK, CHUNK, XATTR_PREFIX, Bytes, Entry, Kind, Readable

_OCTAL_7 = 0o7777777
_OCTAL_11 = 0o77777777777
_NANOS = 1_000_000_000


class Writable(Protocol):
    def write(self, data: Bytes, /) -> object: ...


class TarWriter:
    """Members go out in the order added; `finish` writes the end."""

    def __init__(self, out: Writable) -> None:
        self._out = out

    def add(self, entry: Entry, data: Readable | None = None) -> None:
        """Write one member; exactly `size_bytes` are taken from `data`.

        A file that shrinks meanwhile is filled up with zeros: the header is already out.
        """
        self._out.write(header(entry))
        if data is not None and entry.kind is Kind.REGULAR and entry.size_bytes:
            self._copy(data, entry.size_bytes)

    def add_bytes(self, entry: Entry, data: bytes) -> None:
        if entry.size_bytes != len(data):
            raise InvalidArgument("archive/tar: size doesn't match the data")
        self._out.write(header(entry))
        self._out.write(data + bytes(-len(data) % BLOCK))

    def finish(self) -> None:
        self._out.write(bytes(2 * BLOCK))

    def _copy(self, data: Readable, size: int) -> None:
        left = size
        while left:
            piece = data.read(min(left, CHUNK)) or bytes(min(left, CHUNK))
            self._out.write(piece)
            left -= len(piece)
        if size % BLOCK:
            self._out.write(bytes(-size % BLOCK))


def header(entry: Entry) -> bytes:
    """The header block, with PAX blocks in front if needed."""
    records: dict[str, bytes] = {}
    name, prefix = _split_name(entry, records)
    link = os.fsencode(entry.link)
    if len(link) > 100 or not link.isascii():
        records["linkpath"] = link
        link = link[:100]
    seconds, nanos = divmod(entry.mtime_ns, _NANOS)
    if nanos or not 0 <= seconds <= _OCTAL_11:
        records["mtime"] = _seconds(entry.mtime_ns)
        seconds = min(max(seconds, 0), _OCTAL_11)
    uid = _bounded(records, "uid", entry.uid, _OCTAL_7)
    gid = _bounded(records, "gid", entry.gid, _OCTAL_7)
    size = entry.size_bytes if entry.kind is Kind.REGULAR else 0
    size = _bounded(records, "size", size, _OCTAL_11)
    for key in sorted(entry.xattrs):
        records[XATTR_PREFIX + key] = entry.xattrs[key]
    block = _block(
        name,
        entry.kind.value,
        prefix=prefix,
        mode=entry.mode & 0o7777,
        owner=(uid, gid),
        size=size,
        mtime=seconds,
        link=link,
        device=entry.device,
    )
    if not records:
        return block
    return _pax(name, records) + block


def _split_name(entry: Entry, records: dict[str, bytes]) -> tuple[bytes, bytes]:
    """(name, prefix), each in its field's length; a record where that can't be."""
    name = os.fsencode(entry.name)
    if entry.kind is Kind.DIRECTORY and not name.endswith(b"/"):
        name += b"/"
    if not name.isascii():
        records["path"] = name
        return name[:100], b""
    if len(name) <= 100:
        return name, b""
    cut = name.rfind(b"/", 0, 156)
    rest = name[cut + 1 :]
    if cut > 0 and 0 < len(rest) <= 100:
        return rest, name[:cut]
    records["path"] = name
    return name[:100], b""


def _seconds(mtime_ns: int) -> bytes:
    whole, nanos = divmod(abs(mtime_ns), _NANOS)
    text = f"{whole}.{nanos:09d}".rstrip("0").rstrip(".")
    return (f"-{text}" if mtime_ns < 0 else text).encode()


def _bounded(records: dict[str, bytes], key: str, value: int, limit: int) -> int:
    if value <= limit:
        return value
    records[key] = b"%d" % value
    return 0


def _pax(name: bytes, records: dict[str, bytes]) -> bytes:
    body = b"".join(_record(key, records[key]) for key in sorted(records))
    short = b"PaxHeaders.0/" + name.rstrip(b"/").rpartition(b"/")[2]
    block = _block(short[:100], b"x", size=len(body))
    return block + body + bytes(-len(body) % BLOCK)


def _record(key: str, value: bytes) -> bytes:
    """`length key=value\\n`, where the length counts its own digits."""
    rest = b" " + os.fsencode(key) + b"=" + value + b"\n"
    size = len(rest) + len(str(len(rest)))
    if len(str(size)) + len(rest) != size:
        size = len(rest) + len(str(size))
    return b"%d" % size + rest


def _block(
    name: bytes,
    flag: bytes,
    *,
    prefix: bytes = b"",
    mode: int = 0o644,
    owner: tuple[int, int] = (0, 0),
    size: int = 0,
    mtime: int = 0,
    link: bytes = b"",
    device: tuple[int, int] = (0, 0),
) -> bytes:
    start = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0" % (
        name.ljust(100, b"\0"), mode, *owner, size, mtime,
    )  # fmt: skip
    end = b"%s%sustar\x0000%s%07o\0%07o\0%s" % (
        flag, link.ljust(100, b"\0"), bytes(64), *device, prefix.ljust(155, b"\0"),
    )  # fmt: skip
    checksum = sum(start) + sum(end) + 8 * 0x20
    return (start + b"%06o\0 " % checksum + end).ljust(BLOCK, b"\0")
