"""The lines of a help text that list options, as Docker's programs lay them out.

One column of `-s, --name kind`, one of explanations, wrapped at 80 columns.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH = 80
LEAST_TEXT = 24


def option_head(name: str, short: str, kind: str) -> str:
    """`kind` is the word for the value, "" for a switch."""
    head = f"  -{short}, --{name}" if short else f"      --{name}"
    return f"{head} {kind}".rstrip()


def option_lines(entries: Sequence[tuple[str, str]]) -> list[str]:
    """`entries` are heads and explanations, in order."""
    column = max((len(head) for head, _ in entries), default=0) + 3
    lines = []
    for head, text in entries:
        first, *more = wrapped(text, max(LEAST_TEXT, WIDTH - column))
        lines.append(head.ljust(column) + first)
        lines += [" " * column + line for line in more]
    return lines


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width`; line breaks of the text stay."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        lines += _filled(paragraph.split(" "), width)
    return lines


def _filled(words: Iterable[str], width: int) -> list[str]:
    lines, line = [], ""
    for word in words:
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]
