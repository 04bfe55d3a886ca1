"""Names in the order that people expect: digits compare as numbers, so net2 before net10."""

from __future__ import annotations


def natural_order(name: str) -> list[tuple[int, str]]:
    """A key for sorting."""
    parts: list[tuple[int, str]] = []
    digits = ""
    for character in name + "\0":
        if character.isdecimal():
            digits += character
            continue
        if digits:
            parts.append((int(digits), ""))
            digits = ""
        parts.append((ord(character), character))
    return parts
