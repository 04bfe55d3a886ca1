"""Output cut into lines of 16 KiB at most, as Docker's copier does.

What a read(2) brought may end inside a line; the rest waits in the `Cutter` of its stream. A line
that is longer than `LINE_BYTES` becomes several pieces, none of which ends inside a UTF-8
sequence; only the last one ends with a newline.
"""

from __future__ import annotations

LINE_BYTES = 16384


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


class Cutter:
    """One stream's lines; `rest` is the text after the last newline."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Pieces that are whole now; one without a newline goes on in the next piece."""
        text = self.rest + data
        pieces = split_long(text)
        self.rest = b"" if not pieces or pieces[-1].endswith(b"\n") else pieces.pop()
        return pieces
