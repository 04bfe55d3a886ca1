"""The files of one log, held open: the current one and its rotated predecessors.

A writer may rotate at any moment: names then mean other files. A `Segment` is a file, not a name;
`open_segments` opens all of them in one consistent picture, and `successor` finds what a file was
followed by, even if it was compressed meanwhile (then it's known by its first bytes: every record
carries a time of its own).
"""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from sampan.errors import Unavailable
from sampan.logs.jsonfile import rotated_files

BLOCK_BYTES = 1 << 16
_HEAD_BYTES = 512
_ATTEMPTS = 20
_PATIENCE = 3  # attempts before a missing current file is believed
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
        position = self.offset
        unpacker = zlib.decompressobj(_GZIP_WINDOW) if self.compressed else None
        while block := os.pread(self._fd, BLOCK_BYTES, position):
            position += len(block)
            yield unpacker.decompress(block) if unpacker else block

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


def open_segments(path: Path) -> list[Segment]:
    """All files of the log, oldest first; the caller closes them."""
    for attempt in range(_ATTEMPTS):
        opened: list[Segment] = []
        try:
            opened.extend(Segment(name) for name in [path, *rotated_files(path)])
            consistent = opened[0].is_file(path)
        except FileNotFoundError:  # renamed meanwhile, or there's no current file (any more)
            consistent = attempt > _PATIENCE and not path.exists()
            if consistent:
                close_all(opened)
                opened = [Segment(name) for name in rotated_files(path)]
        if consistent:
            return opened[::-1]
        close_all(opened)
    raise Unavailable(f"the log {path.name} is being rotated too fast to be read")


def successors(path: Path, last: Segment) -> list[Segment]:
    """The files written after `last`, oldest first; empty while it is the current one.

    If `last` itself is gone (more rotations than files kept), all that is left.
    """
    if last.is_file(path):
        return []
    segments = open_segments(path)
    identity, head = last.identity, last.head()
    for index, segment in enumerate(segments):
        same = segment.identity == identity or (segment.compressed and segment.head() == head)
        if same:
            close_all(segments[: index + 1])
            return segments[index + 1 :]
    return segments


def close_all(segments: list[Segment]) -> None:
    for segment in segments:
        segment.close()
