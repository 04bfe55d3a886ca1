"""Who a process runs as: `user[:group]` looked up in the container's own passwd and group files.

The files are read beneath the root filesystem (a symlink in the image can't lead out of it), and
at most 1 MiB of each. Numbers need no entry; names do.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from sampan.errors import InvalidArgument
from sampan.linux.beneath import open_regular_beneath

_MAX_BYTES = 1 << 20
_MAX_ID = 2**31 - 1
_MAX_DIGITS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    uid: int = 0
    gid: int = 0
    additional_gids: tuple[int, ...] = ()
    home: str = "/"
    name: str = ""


class UnknownUser(InvalidArgument):
    def __init__(self, name: str) -> None:
        super().__init__(f"unable to find user {name}: no matching entries in passwd file")


class UnknownGroup(InvalidArgument):
    def __init__(self, name: str) -> None:
        super().__init__(f"unable to find group {name}: no matching entries in group file")


class IdOutOfRange(InvalidArgument):
    def __init__(self) -> None:
        super().__init__(f"uids and gids must be in range 0-{_MAX_ID}")


def resolve_user(rootfs: Path, text: str, group_add: list[str] | tuple[str, ...] = ()) -> User:
    """`text` is `name|uid[:name|gid]`, empty for root. Blocks on two small files."""
    passwd = _rows(rootfs, "etc/passwd", 7)
    groups = _rows(rootfs, "etc/group", 4)
    wanted_user, _, wanted_group = text.partition(":")
    entry = _find(passwd, wanted_user or "0")
    if entry is not None:
        uid, gid, name, home = int(entry[2]), int(entry[3]), entry[0], entry[5] or "/"
    elif wanted_user.isdecimal() and len(wanted_user) > _MAX_DIGITS:
        raise IdOutOfRange
    elif wanted_user.isdecimal() or not wanted_user:
        uid, gid, name, home = int(wanted_user or 0), 0, "", "/"
    else:
        raise UnknownUser(wanted_user)
    if wanted_group:
        gid = _group(groups, wanted_group)
        additional = []
    else:
        additional = [int(row[2]) for row in groups if name and name in row[3].split(",")]
    additional += [_group(groups, group) for group in group_add]
    if max(uid, gid, *additional, 0) > _MAX_ID:
        raise IdOutOfRange
    return User(uid=uid, gid=gid, additional_gids=_unique(additional), home=home, name=name)


def _unique(numbers: list[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(numbers))


def _find(rows: list[list[str]], wanted: str) -> list[str] | None:
    """By name first; a number also matches the id."""
    for row in rows:
        if row[0] == wanted or (wanted.isdecimal() and row[2] == wanted):
            return row
    return None


def _group(groups: list[list[str]], wanted: str) -> int:
    row = _find(groups, wanted)
    if row is not None:
        return int(row[2])
    if wanted.isdecimal():
        if len(wanted) > _MAX_DIGITS:
            raise IdOutOfRange
        return int(wanted)
    raise UnknownGroup(wanted)


def _rows(rootfs: Path, path: str, columns: int) -> list[list[str]]:
    """Well-formed rows of a passwd-like file; none if there's no such file."""
    try:
        descriptor = open_regular_beneath(rootfs, path)
    except OSError:
        return []
    with os.fdopen(descriptor, "rb") as source:
        text = source.read(_MAX_BYTES).decode(errors="replace")
    rows = (line.split(":") for line in text.splitlines() if not line.startswith("#"))
    return [row for row in rows if len(row) >= columns and _is_id(row[2]) and _gid_ok(row)]


def _gid_ok(row: list[str]) -> bool:
    return len(row) < 7 or _is_id(row[3])


def _is_id(text: str) -> bool:
    """Digits, and not so many that they take long to read."""
    return text.isdecimal() and len(text) <= _MAX_DIGITS
