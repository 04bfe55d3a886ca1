"""The files of one log, held open: the current one and its rotated predecessors.

A writer may rotate at any moment: names then mean other files. A `Segment` is a file, not a name,
and goes on being readable when it is renamed, compressed or deleted.
"""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from sampan.logs.jsonfile import Parser, highest_number

BLOCK_BYTES = 1 << 16
_HEAD_BYTES = 512
_UNPACKED_BYTES = 1 << 18  # of compressed text at a time: a block of it may be a thousand blocks
_GZIP_WINDOW = 31  # zlib: a gzip header is wanted


class Segment:
    """One file of a log. `lines` gives whole lines from `offset` on and moves it."""

    def __init__(self, path: Path) -> None:
        self.compressed = path.suffix == ".gz"
        self.offset = 0
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def identity(self) -> tuple[int, int]:
        facts = os.fstat(self._fd)
        return facts.st_dev, facts.st_ino

    @property
    def size_bytes(self) -> int:
        return os.fstat(self._fd).st_size

    def is_file(self, path: Path) -> bool:
        try:
            facts = path.stat()
        except FileNotFoundError:
            return False
        return self.identity == (facts.st_dev, facts.st_ino)

    def is_same_text(self, other: "Segment") -> bool:
        """Also when one is the compressed form of the other: as long, and it begins the same."""
        return self.identity == other.identity or (
            self.compressed != other.compressed
            and self.text_bytes == other.text_bytes
            and self.head() == other.head() != b""
        )

    @property
    def text_bytes(self) -> int:
        """Length of the plain text, modulo 2^32 (the last field of gzip, RFC 1952)."""
        size = self.size_bytes
        if not self.compressed:
            return size % (1 << 32)
        return int.from_bytes(os.pread(self._fd, 4, max(0, size - 4)), "little")

    def head(self) -> bytes:
        """The first bytes of the text, the same before and after compression."""
        raw = os.pread(self._fd, _HEAD_BYTES * 2, 0)
        if not self.compressed:
            return raw[:_HEAD_BYTES]
        try:
            return zlib.decompressobj(_GZIP_WINDOW).decompress(raw, _HEAD_BYTES)
        except zlib.error:
            return b""

    def lines(self) -> Iterator[list[bytes]]:
        """Batches of whole lines (without newline); a last part without newline stays unread."""
        rest = b""
        for block in self._blocks():
            *whole, rest = (rest + block).split(b"\n")
            if whole:
                if not self.compressed:
                    self.offset += sum(map(len, whole)) + len(whole)
                yield whole

    def _blocks(self) -> Iterator[bytes]:
        if self.compressed:
            yield from self._unpacked()
            return
        position = self.offset
        while block := os.pread(self._fd, BLOCK_BYTES, position):
            position += len(block)
            yield block

    def _unpacked(self) -> Iterator[bytes]:
        """A damaged end is left out."""
        unpacker = zlib.decompressobj(_GZIP_WINDOW)
        position = 0
        try:
            while block := os.pread(self._fd, BLOCK_BYTES, position):
                position += len(block)
                while block:
                    yield unpacker.decompress(block, _UNPACKED_BYTES)
                    block = unpacker.unconsumed_tail
            yield unpacker.flush()
        except zlib.error:
            return

    def count_lines(self) -> int:
        return sum(len(batch) for batch in self.lines())

    def seek_tail(self, count: int) -> int:
        """Go to the last `count` whole lines of a plain file; returns how many there are."""
        position = self.size_bytes
        newlines = 0  # the one before the wanted lines is number count + 1 from the end
        while position > 0:
            start = max(0, position - BLOCK_BYTES)
            block = os.pread(self._fd, position - start, start)
            cut = len(block)
            while (cut := block.rfind(b"\n", 0, cut)) >= 0:
                newlines += 1
                if newlines > count:
                    self.offset = start + cut + 1
                    return count
            position = start
        self.offset = 0
        return newlines

    def first_time_ns(self) -> int | None:
        """Of the first record; None when it can't be told from the first bytes."""
        record = Parser().parse(self.head_line())
        return None if record is None else record.time_ns

    def head_line(self) -> bytes:
        for batch in self.lines() if self.compressed else self._head_lines():
            return batch[0]
        return b""

    def _head_lines(self) -> Iterator[list[bytes]]:
        whole = os.pread(self._fd, BLOCK_BYTES, 0).split(b"\n")[:-1]
        if whole:
            yield whole

    def seek_time(self, since_ns: int) -> None:
        """Go to where no record before it is of `since_ns` or later (times only grow), or so."""
        low, high = 0, self.size_bytes
        parser = Parser()
        while high - low > BLOCK_BYTES:
            middle = (low + high) // 2
            block = os.pread(self._fd, BLOCK_BYTES, middle)
            start = block.find(b"\n") + 1
            end = block.find(b"\n", start)
            record = parser.parse(block[start:end]) if start and end > 0 else None
            if record is None:  # a line longer than a block, or damage: search no further
                break
            if record.time_ns < since_ns:
                low = middle + start
            else:
                high = middle
        self.offset = low


def open_segments(path: Path) -> list[Segment]:
    """All files of the log, oldest first; the caller closes them.

    They are opened from the youngest on. Rotation moves files the same way, so it may show one
    twice, which is seen, but can't hide one that isn't deleted.
    """
    opened: list[Segment] = []
    try:
        for number in range(highest_number(path) + 2):
            segment = _open(path.with_name(f"{path.name}.{number}") if number else path)
            if segment is None:
                continue
            if opened and segment.is_same_text(opened[-1]):
                segment.close()
            else:
                opened.append(segment)
    except BaseException:
        close_all(opened)
        raise
    return opened[::-1]


def _open(path: Path) -> Segment | None:
    """In either form. The compressed one is there before the plain one is removed."""
    for name in (path, path.with_name(f"{path.name}.gz")):
        try:
            return Segment(name)
        except FileNotFoundError:
            continue
    return None


def close_all(segments: list[Segment]) -> None:
    for segment in segments:
        segment.close()
