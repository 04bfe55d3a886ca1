"""The user's terminal: raw mode, its size, and the keys that detach from a container."""

from __future__ import annotations

import os
import termios

from sampan.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

DEFAULT_KEYS = "ctrl-p,ctrl-q"
_CONTROL = {"@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, "_": 31}


def size(descriptor: int) -> tuple[int, int]:
    """Rows and columns, (0, 0) when unknown."""
    try:
        found = os.get_terminal_size(descriptor)
    except OSError:
        return 0, 0
    return found.lines, found.columns


class RawMode:
    """Input byte by byte, without echo or signals from keys; put back on leaving."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._saved: list[object] = []

    def __enter__(self) -> None:
        self._saved = termios.tcgetattr(self._descriptor)
        mode = termios.tcgetattr(self._descriptor)
        mode[0] &= ~(
            termios.IGNBRK
            | termios.BRKINT
            | termios.PARMRK
            | termios.ISTRIP
            | termios.INLCR
            | termios.IGNCR
            | termios.ICRNL
            | termios.IXON
        )
        mode[1] &= ~termios.OPOST
        mode[2] = mode[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
        mode[6][termios.VMIN] = 1
        mode[6][termios.VTIME] = 0
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, mode)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._saved)  # type: ignore[arg-type]


def parse_keys(text: str) -> bytes:
    """ "ctrl-p,ctrl-q" or "a,ctrl-x" as the bytes they send. Raises InvalidArgument."""
    keys = bytearray()
    for key in text.split(","):
        name = key.lower()
        if len(key) == 1:
            keys += key.encode("latin-1", "replace")
        elif name.startswith("ctrl-") and len(name) == 6 and name[5].isalpha():
            keys.append(ord(name[5]) - ord("a") + 1)
        elif name.startswith("ctrl-") and name[5:] in _CONTROL:
            keys.append(_CONTROL[name[5:]])
        else:
            raise InvalidArgument(f"Unknown character: '{key}'")
    return bytes(keys)


class DetachKeys:
    """Watches typed bytes for the sequence; a broken-off sequence is passed on."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._seen = 0

    def filter(self, data: bytes) -> tuple[bytes, bool]:
        """What to send on, and whether the user detached."""
        if not self._keys:
            return data, False
        out = bytearray()
        for byte in data:
            if byte == self._keys[self._seen]:
                self._seen += 1
                if self._seen == len(self._keys):
                    return bytes(out), True
                continue
            out += self._keys[: self._seen]
            self._seen = 1 if byte == self._keys[0] else 0
            if not self._seen:
                out.append(byte)
        return bytes(out), False
