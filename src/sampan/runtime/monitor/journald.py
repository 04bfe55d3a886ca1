"""A container's lines as entries of the systemd journal, in its native protocol.

An entry is one datagram of fields: `NAME=value\\n`, or `NAME\\n<length, 64 bit LE><value>\\n` for a
value with newlines or other control characters. One that is too large for a datagram is written to
a sealed memfd whose descriptor is sent instead. Fields are those of dockerd: CONTAINER_ID,
CONTAINER_ID_FULL, CONTAINER_NAME, CONTAINER_TAG, IMAGE_NAME, SYSLOG_IDENTIFIER, the chosen labels
and variables; MESSAGE and PRIORITY (6 for stdout, 3 for stderr). Pieces of a line longer than
16 KiB carry CONTAINER_PARTIAL_MESSAGE=true except for the last one, and all of them
CONTAINER_PARTIAL_ID, _ORDINAL and _LAST.
"""

from __future__ import annotations

import _socket
import _struct
import os

_PRIORITIES = {"stdout": b"6", "stderr": b"3"}
_LENGTH = _struct.Struct("<Q")
_F_ADD_SEALS, _ALL_SEALS = 1033, 0xF  # <linux/fcntl.h>


def field(name: str, value: bytes) -> bytes:
    if b"\n" in value:
        return name.encode() + b"\n" + _LENGTH.pack(len(value)) + value + b"\n"
    return name.encode() + b"=" + value + b"\n"


class Journal:
    def __init__(self, settings: dict[str, object]) -> None:
        fields = settings["fields"]
        assert isinstance(fields, dict)
        self._common = b"".join(field(str(k), str(v).encode()) for k, v in fields.items())
        self._parts = {"stdout": ("", 0), "stderr": ("", 0)}  # of a long line: its id and count

    def encode(self, stream: str, piece: bytes) -> bytes:
        return (
            self._common
            + b"PRIORITY="
            + _PRIORITIES[stream]
            + b"\n"
            + self._partial(stream, last=piece.endswith(b"\n"))
            + field("MESSAGE", piece.removesuffix(b"\n"))
        )

    def _partial(self, stream: str, *, last: bool) -> bytes:
        """The part of a long line that a piece is; nothing for a line of one piece."""
        name, count = self._parts[stream]
        if last and not count:
            return b""
        name = name or os.urandom(32).hex()
        self._parts[stream] = ("", 0) if last else (name, count + 1)
        return (
            (b"" if last else b"CONTAINER_PARTIAL_MESSAGE=true\n")
            + field("CONTAINER_PARTIAL_ID", name.encode())
            + field("CONTAINER_PARTIAL_ORDINAL", b"%d" % (count + 1))
            + field("CONTAINER_PARTIAL_LAST", b"true" if last else b"false")
        )


def send_large(sock: _socket.socket, message: bytes | memoryview) -> None:
    """Send what doesn't fit into a datagram."""
    import fcntl  # rarely needed

    fd = os.memfd_create("journal-entry", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(message)
        while view:
            view = view[os.write(fd, view) :]
        fcntl.fcntl(fd, _F_ADD_SEALS, _ALL_SEALS)
        rights = _struct.pack("i", fd)
        sock.sendmsg([b""], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
    finally:
        os.close(fd)
