"""gRPC's own layer above HTTP/2: message frames and how a status travels in trailers.

A message is a byte (0: not compressed), its length in four bytes, and the body; a DATA frame may
hold several messages or a part of one. The message of a status is percent-encoded, its details are
a google.rpc.Status in base64 without padding. Pure.
"""

import base64
import binascii
import struct
from collections.abc import Mapping
from urllib.parse import quote, unquote

from sampan.errors import InvalidArgument
from sampan.wire.buildkit.common import Code, Status
from sampan.wire.buildkit.protobuf import BadMessage, decode, encode

MESSAGE_LIMIT_BYTES = 32 << 20

_HEADER = struct.Struct(">BI")
_PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")

Headers = list[tuple[str, str]]


class BadFrame(InvalidArgument):
    def __init__(self, reason: str) -> None:
        super().__init__(f"invalid gRPC frame: {reason}")


def frame(message: bytes) -> bytes:
    return _HEADER.pack(0, len(message)) + message


class Deframer:
    """Collects DATA into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are complete now. Raises BadFrame."""
        self._buffer += data
        found, position = [], 0
        while len(self._buffer) - position >= _HEADER.size:
            compressed, length = _HEADER.unpack_from(self._buffer, position)
            if compressed:
                raise BadFrame("compressed messages were not negotiated")
            if length > MESSAGE_LIMIT_BYTES:
                raise BadFrame(f"a message of {length} bytes is too large")
            end = position + _HEADER.size + length
            if end > len(self._buffer):
                break
            found.append(bytes(self._buffer[position + _HEADER.size : end]))
            position = end
        del self._buffer[:position]
        return found


def trailers(status: Status) -> Headers:
    found = [("grpc-status", str(int(status.code)))]
    if status.message:
        found.append(("grpc-message", quote(status.message, safe=_PRINTABLE)))
    if status.details:
        packed = base64.b64encode(encode(status)).decode().rstrip("=")
        found.append(("grpc-status-details-bin", packed))
    return found


def read_trailers(headers: Mapping[str, str]) -> Status:
    """The status of a call that has ended; UNKNOWN when there is none."""
    try:
        code = int(headers.get("grpc-status", ""))
    except ValueError:
        code = Code.UNKNOWN
    message = unquote(headers.get("grpc-message", ""))
    packed = headers.get("grpc-status-details-bin", "")
    if not packed:
        return Status(code, message)
    try:
        details = decode(Status, base64.b64decode(packed + "=" * (-len(packed) % 4))).details
    except (binascii.Error, BadMessage):
        details = []
    return Status(code, message, details)
