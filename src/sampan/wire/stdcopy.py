"""Docker's framing of several streams in one: 8-byte header, then payload.

Header: byte 0 the stream, bytes 1-3 zero, bytes 4-7 the payload's length, big-endian.
"""

import struct
from collections.abc import Iterator
from enum import IntEnum

from sampan.errors import DataLoss

HEADER = struct.Struct(">BxxxL")


class CorruptFrame(DataLoss):
    def __init__(self, stream: int) -> None:
        super().__init__(f"unrecognized stream: {stream}")


class Stream(IntEnum):
    STDIN = 0
    STDOUT = 1
    STDERR = 2
    SYSTEM = 3


def frame(stream: Stream, payload: bytes) -> bytes:
    return HEADER.pack(stream, len(payload)) + payload


class Demultiplexer:
    """Cuts a byte stream into (stream, payload) pairs; a frame may come in any number of parts."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Stream, bytes]]:
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            stream, length = HEADER.unpack_from(self._buffer)
            end = HEADER.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            yield _known(stream), payload


def _known(stream: int) -> Stream:
    try:
        return Stream(stream)
    except ValueError:
        raise CorruptFrame(stream) from None
