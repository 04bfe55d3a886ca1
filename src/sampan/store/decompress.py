"""Compressed streams, told by their first bytes: gzip, zstd, bzip2, xz; anything else is plain.

Several members one after the other are one stream, zeros after the last are ignored (tape
padding). Output is bounded per read, so a small input that expands to gigabytes takes no memory.
"""

import bz2
import lzma
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol, cast

import zstandard
from isal import igzip_lib

from sampan.errors import DataLoss
from sampan.lib.tarstream import CHUNK, Bytes, Readable

MAGIC_BYTES = 6


class Compression(StrEnum):
    PLAIN = "plain"
    GZIP = "gzip"
    ZSTD = "zstd"
    BZIP2 = "bzip2"
    XZ = "xz"


_MAGIC = (
    (b"\x1f\x8b\x08", Compression.GZIP),
    (b"\x28\xb5\x2f\xfd", Compression.ZSTD),
    (b"BZh", Compression.BZIP2),
    (b"\xfd7zXZ\0", Compression.XZ),
)


class CorruptCompression(DataLoss):
    def __init__(self, compression: Compression, reason: str) -> None:
        super().__init__(f"{compression}: {reason}")


def detect(beginning: bytes) -> Compression:
    """Needs the first MAGIC_BYTES bytes, or all there are."""
    for magic, compression in _MAGIC:
        if beginning.startswith(magic):
            return compression
    return Compression.PLAIN


class Joined:
    """A stream with its first bytes put back."""

    def __init__(self, beginning: bytes, source: Readable) -> None:
        self._beginning = beginning
        self._source = source

    def read(self, size: int, /) -> Bytes:
        if self._beginning:
            piece, self._beginning = self._beginning[:size], self._beginning[size:]
            return piece
        return self._source.read(size)


def peek(source: Readable, size: int) -> tuple[bytes, Readable]:
    """The first bytes (fewer at the end), and a stream that still has them."""
    beginning = b""
    while len(beginning) < size:
        piece = source.read(CHUNK)
        if not piece:
            break
        beginning += piece
    return beginning[:size], Joined(beginning, source)


def decompressed(source: Readable) -> tuple[Compression, Readable]:
    """What the stream is, and its plain bytes. Reading raises CorruptCompression."""
    beginning, whole = peek(source, MAGIC_BYTES)
    compression = detect(beginning)
    if compression is Compression.PLAIN:
        return compression, whole
    return compression, _Decompressing(whole, compression)


class _Decompressor(Protocol):
    """The interface that bz2, lzma and isal share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: Bytes, max_length: int) -> bytes: ...


class _Zstd:
    """zstandard in that interface; its blocks bound the output (128 KiB each)."""

    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        self._waiting = memoryview(b"")

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inner.unused_data) + bytes(self._waiting)

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    def decompress(self, data: Bytes, max_length: int) -> bytes:
        if data:  # only asked for when nothing waits
            self._waiting = memoryview(data)
        piece, self._waiting = self._waiting[:_ZSTD_STEP], self._waiting[_ZSTD_STEP:]
        return bytes(self._inner.decompress(piece))


_ZSTD_STEP = 1024  # holds at most 256 blocks, 32 MiB

_MAKERS: dict[Compression, Callable[[], _Decompressor]] = {
    Compression.GZIP: lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP),
    Compression.ZSTD: _Zstd,
    Compression.BZIP2: bz2.BZ2Decompressor,
    Compression.XZ: lambda: lzma.LZMADecompressor(memlimit=256 << 20),
}
_FAILURES: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    lzma.LZMAError,
    zstandard.ZstdError,
    cast("type[Exception]", igzip_lib.IsalError),  # the stub takes it for an instance
)


class _Decompressing:
    def __init__(self, source: Readable, compression: Compression) -> None:
        self._source = source
        self._compression = compression
        self._inner = _MAKERS[compression]()

    def read(self, size: int, /) -> Bytes:
        while True:
            if self._inner.eof and not self._next_member():
                return b""
            data: Bytes = b""
            if self._inner.needs_input:
                data = self._source.read(CHUNK)
                if not data:
                    raise CorruptCompression(self._compression, "unexpected EOF")
            try:
                found = self._inner.decompress(data, size)
            except _FAILURES as error:
                raise CorruptCompression(self._compression, str(error)) from error
            if found:
                return found

    def _next_member(self) -> bool:
        """Start on the stream that follows; False when there is none."""
        rest = self._inner.unused_data
        while True:
            rest = rest.lstrip(b"\0")
            if len(rest) >= MAGIC_BYTES:
                break
            data = self._source.read(CHUNK)
            if not data:
                break
            rest += data
        if not rest:
            return False
        if detect(rest) is not self._compression:
            raise CorruptCompression(self._compression, "invalid header after the end")
        self._source = Joined(rest, self._source)
        self._inner = _MAKERS[self._compression]()
        return True
