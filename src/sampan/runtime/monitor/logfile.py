"""The writing side of the json-file log: one JSON object a line, 16 KiB of text at most.

A monitor writes what a read(2) brought with one write(2): text without characters that JSON
escapes (checked by comparing lengths) becomes records by a single replace, at some GB/s; other
text is escaped by the C encoder first. All lines of one read share a timestamp.
Text after the last newline waits for its end. Rotation follows Docker: a file that has reached
`max_size_bytes` is renamed to `.1` (older ones shift up to `max_files - 1`), or emptied when only
one file is kept; `compress` turns `.1` into `.1.gz` in a child process.
"""

from __future__ import annotations

import _json
import os
import time

LINE_BYTES = 16384
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


def split_long(text: bytes) -> list[bytes]:
    """Cut every line of `text` after 16 KiB, but not inside a UTF-8 sequence."""
    pieces = []
    for line in text.split(b"\n"):
        rest = line
        while len(rest) > LINE_BYTES:
            end = LINE_BYTES
            while end > LINE_BYTES - 4 and rest[end] & 0xC0 == 0x80:
                end -= 1
            pieces.append(rest[:end])
            rest = rest[end:]
        pieces.append(rest + b"\n")
    pieces[-1] = pieces[-1][:-1]
    return [piece for piece in pieces if piece]


def has_long_line(text: bytes) -> bool:
    start = 0
    while len(text) - start > LINE_BYTES:
        newline = text.rfind(b"\n", start, start + LINE_BYTES + 1)
        if newline < 0:
            return True
        start = newline + 1
    return False


def records(text: bytes, tail: str) -> bytes:
    """Whole lines (`text` ends with a newline) as records ending in `tail`."""
    decoded = text.decode("utf-8", "replace")[:-1]
    if _NEWLINE in decoded:
        body = f"\\n{tail}".join(
            ("" if not number else '{"log":"') + _json.encode_basestring(line)[1:-1]
            for number, line in enumerate(decoded.split("\n"))
        )
    else:
        body = _json.encode_basestring(decoded.replace("\n", _NEWLINE))[1:-1]
        body = body.replace(_NEWLINE, f'\\n{tail}{{"log":"')
    return f'{{"log":"{body}\\n{tail}'.encode("utf-8", "replace")


def record(text: bytes, tail: str) -> bytes:
    """A single record of text that may or may not end with a newline."""
    body = _json.encode_basestring(text.decode("utf-8", "replace"))
    return f'{{"log":{body[:-1]}{tail}'.encode("utf-8", "replace")


class LogFile:
    def __init__(
        self,
        path: str,
        *,
        max_size_bytes: int = 0,
        max_files: int = 1,
        compress: bool = False,
        attrs: str = "",
    ) -> None:
        self._path = path
        self._max_size_bytes = max_size_bytes
        self._max_files = max_files
        self._compress = compress
        self._attrs = f'"attrs":{attrs},' if attrs else ""
        self._partial = {"stdout": b"", "stderr": b""}
        self._stamp = Stamp()
        self._compressor = 0
        self._fd = -1
        self._size = 0
        self._open(os.O_APPEND)

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
        self._size += len(data)
        if self._fd < 0:
            return
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:  # disk full: the container goes on, these lines are lost
            return

    def _open(self, mode: int) -> None:
        try:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | mode, 0o640)
            self._size = os.fstat(self._fd).st_size
        except OSError:
            self._fd = -1
            self._size = 0

    def _rotate(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        if self._max_files < 2:
            self._open(os.O_APPEND | os.O_TRUNC)
            return
        self._await_compressor()
        for suffix in ("", ".gz"):
            try:
                os.unlink(f"{self._path}.{self._max_files - 1}{suffix}")
            except FileNotFoundError:
                continue
        for number in range(self._max_files - 1, 0, -1):
            newer = f"{self._path}.{number - 1}" if number > 1 else self._path
            for suffix in ("", ".gz"):
                try:
                    os.rename(newer + suffix, f"{self._path}.{number}{suffix}")
                except FileNotFoundError:
                    continue
        self._open(os.O_APPEND)
        if self._compress:
            self._compressor = os.fork()
            if not self._compressor:
                compress_file(f"{self._path}.1")

    def _await_compressor(self) -> None:
        if self._compressor:
            try:
                os.waitpid(self._compressor, 0)
            except ChildProcessError:
                pass
            self._compressor = 0


def compress_file(path: str) -> None:
    """`path` to `path`.gz; ends the process."""
    import zlib  # only here: most monitors never compress

    status = 1
    try:
        packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        with open(path, "rb") as source, open(f"{path}.gz.part", "wb") as target:
            while block := source.read(1 << 16):
                target.write(packer.compress(block))
            target.write(packer.flush())
        os.rename(f"{path}.gz.part", f"{path}.gz")
        os.unlink(path)
        status = 0
    finally:
        os._exit(status)
