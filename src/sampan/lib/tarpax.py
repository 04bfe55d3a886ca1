"""PAX records and numbers of tar headers: the text formats inside the blocks."""

import os
from typing import NoReturn

from sampan.errors import InvalidArgument


class CorruptTar(InvalidArgument):
    """The bytes aren't a tar archive, or not all of one."""


def invalid() -> NoReturn:
    raise CorruptTar("archive/tar: invalid tar header")


def number(field: bytes) -> int:
    """Octal text, or GNU's base 256 (high bit of the first byte set)."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
        if field[0] & 0x40:
            value -= 1 << (8 * len(field) - 1)
        return value
    text = field.strip(b" \0").partition(b"\0")[0].rstrip(b" ")
    if text.translate(None, b"01234567"):  # int() would also take signs, blanks and underscores
        invalid()
    return int(text or b"0", 8)


def pax_records(data: bytes) -> dict[str, bytes]:
    """Records `length key=value\\n`. Sparse offsets of the oldest shape are joined to a map."""
    found: dict[str, bytes] = {}
    runs: list[bytes] = []
    at = 0
    while at < len(data):
        end, key, value = _record(data, at)
        if key in {b"GNU.sparse.offset", b"GNU.sparse.numbytes"}:
            runs.append(value)
        else:
            if key in {b"path", b"linkpath"} and b"\0" in value:
                invalid()
            found[os.fsdecode(key)] = value
        at = end
    if runs:
        found["GNU.sparse.map"] = b",".join(runs)
    return {key: value for key, value in found.items() if value}


def _record(data: bytes, at: int) -> tuple[int, bytes, bytes]:
    """(where it ends, key, value)"""
    space = data.find(b" ", at, at + 20)
    digits = data[at:space] if space > 0 else b""
    if not digits.isdigit():
        invalid()
    end = at + int(digits)
    if end > len(data) or end <= space + 1 or data[end - 1] != 0x0A:
        invalid()
    key, equals, value = data[space + 1 : end - 1].partition(b"=")
    if not equals or not key:
        invalid()
    return end, key, value


def pax_number(records: dict[str, bytes], key: str, default: int) -> int:
    if key not in records:
        return default
    text = records[key]
    if not text.isdigit() or len(text) > 20:
        invalid()
    return int(text)


def pax_time_ns(text: bytes) -> int:
    whole, _, fraction = text.partition(b".")
    digits = whole.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > 20 or (fraction and not fraction.isdigit()):
        invalid()
    nanos = int(digits) * 1_000_000_000 + int((fraction or b"0")[:9].ljust(9, b"0"))
    return -nanos if whole.startswith(b"-") else nanos
