"""A container's output on ours.

Without a terminal the engine sends frames: an 8-byte header (stream, three zeros, the payload's
length), then the payload. The payload goes to descriptor 1 or 2 as it comes, without waiting for
the frame's end.
"""

from __future__ import annotations

import os

from sampan.cli.command import Exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

STDOUT = 1
STDERR = 2
SYSTEM_ERROR = 3
HEADER_SIZE = 8


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            import select

            select.select([], [descriptor], [])


class Demultiplexer:
    """Sends a byte stream's parts where they belong; a frame may come in any number of parts."""

    __slots__ = ("_error", "_header", "_left", "_stream")

    def __init__(self) -> None:
        self._header = b""
        self._left = 0
        self._stream = STDOUT
        self._error = b""

    def feed(self, data: bytes) -> None:
        """Raises Exit when the engine reports a failure inside the stream."""
        while data:
            if not self._left:
                missing = HEADER_SIZE - len(self._header)
                self._header += data[:missing]
                data = data[missing:]
                if len(self._header) < HEADER_SIZE:
                    return
                self._stream = self._header[0]
                self._left = int.from_bytes(self._header[4:8], "big")
                self._header = b""
                continue
            part, data = data[: self._left], data[self._left :]
            self._left -= len(part)
            self._deliver(part)

    def _deliver(self, part: bytes) -> None:
        if self._stream == SYSTEM_ERROR:
            self._error += part
            if not self._left:
                text = self._error.decode("utf-8", "replace")
                raise Exit(1, f"error from daemon in stream: {text}")
            return
        write_all(STDERR if self._stream == STDERR else STDOUT, part)


def copy_output(chunks: Iterable[bytes], *, framed: bool) -> None:
    """Copies until the stream ends. Raises Exit; see Demultiplexer."""
    if not framed:
        for chunk in chunks:
            write_all(STDOUT, chunk)
        return
    frames = Demultiplexer()
    for chunk in chunks:
        frames.feed(chunk)
