"""The writing side of the json-file log: one JSON object a line, 16 KiB of text at most.

A monitor writes what a read(2) brought with one write(2): text without characters that JSON
escapes (known by its length without them) becomes records by a single replace, at half a GB/s;
other text is escaped by the C encoder first. All lines of one read share a timestamp.
Text after the last newline waits for its end. A file that has reached `max_size_bytes` is
rotated (rotation.py) before the next record.
"""

from __future__ import annotations

import _json
import os
import time

from sampan.runtime.monitor.lines import LINE_BYTES, has_long_line, split_long
from sampan.runtime.monitor.rotation import Rotation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.runtime.monitor.rotation import Expect

_ESCAPED = bytes(range(32)).replace(b"\n", b"") + b'"\\'  # what JSON escapes besides newlines
_NEWLINE = "\x7f"  # stands for a newline while JSON escapes the rest; JSON leaves it alone


class Stamp:
    """RFC3339Nano of now, with the second's part kept between calls."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def now(self) -> str:
        second, fraction = divmod(time.time_ns(), 1_000_000_000)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        digits = f"{fraction:09d}".rstrip("0")
        return f"{self._text}.{digits}Z" if digits else f"{self._text}Z"


def records(text: bytes, tail: str) -> bytes:
    """Whole lines (`text` ends with a newline) as records ending in `tail`."""
    between = f'\\n{tail}{{"log":"'
    if len(text.translate(None, _ESCAPED)) == len(text) and _is_utf8(text):
        body = text[:-1].replace(b"\n", between.encode())
    else:
        body = _escaped(text.decode("utf-8", "replace")[:-1], between).encode("utf-8", "replace")
    return b'{"log":"%b\\n%b' % (body, tail.encode())


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _escaped(text: str, between: str) -> str:
    if _NEWLINE in text:
        return between.join(_json.encode_basestring(line)[1:-1] for line in text.split("\n"))
    return _json.encode_basestring(text.replace("\n", _NEWLINE))[1:-1].replace(_NEWLINE, between)


def record(text: bytes, tail: str) -> bytes:
    """A single record of text that may or may not end with a newline."""
    body = _json.encode_basestring(text.decode("utf-8", "replace"))
    return f'{{"log":{body[:-1]}{tail}'.encode("utf-8", "replace")


class LogFile:
    holds_back = False  # a disk is waited for in write(2) itself
    pending = False

    def __init__(
        self,
        path: str,
        *,
        max_size_bytes: int = 0,
        max_files: int = 1,
        compress: bool = False,
        attrs: str = "",
        expect: Expect | None = None,
    ) -> None:
        self._path = path
        self._max_size_bytes = max_size_bytes
        self._rotation = Rotation(path, max_files=max_files, compress=compress, expect=expect)
        self._attrs = f'"attrs":{attrs},' if attrs else ""
        self._partial = {"stdout": b"", "stderr": b""}
        self._stamp = Stamp()
        self._fd = -1
        self._size = 0
        self._open()

    def write(self, stream: str, data: bytes) -> None:
        """Log the whole lines in `data` and what waited before it."""
        waiting = self._partial[stream]
        text = waiting + data if waiting else data
        end = text.rfind(b"\n") + 1
        if end == 0 and len(text) <= LINE_BYTES:
            self._partial[stream] = text
            return
        tail = self._tail(stream)
        if has_long_line(text):
            self._write_long(stream, text, tail)
            return
        self._partial[stream] = text[end:]
        self._append(records(text[:end], tail))

    def flush(self) -> None:
        """Log the last lines of streams that ended without a newline."""
        for stream, text in self._partial.items():
            if text:
                self._partial[stream] = b""
                self._append(record(text, self._tail(stream)))

    def close(self) -> None:
        self.flush()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._rotation.close()

    def _tail(self, stream: str) -> str:
        return f'","stream":"{stream}",{self._attrs}"time":"{self._stamp.now()}"}}\n'

    def _write_long(self, stream: str, text: bytes, tail: str) -> None:
        pieces = split_long(text)
        last = pieces[-1]
        whole = last.endswith(b"\n")
        self._partial[stream] = b"" if whole else last
        done = pieces if whole else pieces[:-1]
        self._append(b"".join(record(piece, tail) for piece in done))

    def _append(self, data: bytes) -> None:
        """Write records, rotating before the first that begins at or beyond the limit."""
        if self._max_size_bytes:
            while data and self._size + len(data) > self._max_size_bytes:
                if self._size >= self._max_size_bytes:
                    self._rotate()
                    continue
                cut = data.find(b"\n", self._max_size_bytes - self._size - 1) + 1
                self._put(data[:cut])
                data = data[cut:]
        if data:
            self._put(data)

    def _put(self, data: bytes) -> None:
        if self._fd < 0:
            self._open()
        if self._fd < 0:
            return
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:  # disk full: the container goes on, these lines are lost
            whole = data.rfind(b"\n", 0, len(data) - len(view)) + 1
            os.ftruncate(self._fd, self._size + whole)  # no half record before the next one
            self._size += whole
            return
        self._size += len(data)

    def _open(self) -> None:
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._fd = os.open(self._path, flags, 0o640)
            self._size = os.fstat(self._fd).st_size
            if self._size and os.pread(self._fd, 1, self._size - 1) != b"\n":  # a power cut's
                self._size += os.write(self._fd, b"\n")
        except OSError:
            self._fd = -1
            self._size = 0

    def _rotate(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        try:
            self._rotation.rotate()
        except OSError:  # the folder is gone, or can't be written: go on with what there is
            pass
        self._open()
        if self._fd >= 0 and self._size >= self._max_size_bytes:  # it couldn't be moved away
            os.ftruncate(self._fd, 0)
            self._size = 0
