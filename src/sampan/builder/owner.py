"""`--chown=user:group`: numbers as they are, names by the root file system's passwd and group."""

import os
from collections.abc import Iterator
from pathlib import Path

from sampan.errors import InvalidArgument
from sampan.linux.beneath import open_regular_beneath

_FILE_LIMIT = 8 << 20
_MAX_ID = (1 << 31) - 1
_MAX_DIGITS = 20


class UnknownOwner(InvalidArgument):
    def __init__(self, *, field: str, kind: str, name: str) -> None:
        super().__init__(
            "unable to convert uid/gid chown string to host mapping: "
            f"can't find {field} for {kind} {name}: no such {kind}: {name}"
        )


def resolve_owner(root: Path, text: str) -> tuple[int, int]:
    """A missing group means the number of the user. Raises UnknownOwner, InvalidArgument."""
    user, colon, group = text.partition(":")
    if not user or (colon and not group) or ":" in group:
        raise InvalidArgument(f"invalid chown string parse: {text}")
    uid = _number(user)
    if uid is None:
        uid = _look_up(root, "etc/passwd", user)
        if uid is None:
            raise UnknownOwner(field="uid", kind="user", name=user)
    if not colon:
        found = _look_up(root, "etc/group", user) if _number(user) is None else None
        return uid, uid if found is None else found
    gid = _number(group)
    if gid is None:
        gid = _look_up(root, "etc/group", group)
        if gid is None:
            raise UnknownOwner(field="gid", kind="group", name=group)
    return uid, gid


def _number(text: str) -> int | None:
    if not text.isdecimal():
        return None
    value = int(text[:_MAX_DIGITS])
    if len(text) > _MAX_DIGITS or value > _MAX_ID:
        raise InvalidArgument(f"invalid chown string parse: {text}")
    return value


def _look_up(root: Path, path: str, name: str) -> int | None:
    """The third field of the line that begins with `name`."""
    for fields in _lines(root, path):
        if fields[0] == name and len(fields) > 2 and fields[2].isdecimal():
            return _number(fields[2])
    return None


def _lines(root: Path, path: str) -> Iterator[list[str]]:
    try:
        descriptor = open_regular_beneath(root, path)
    except OSError:
        return
    with os.fdopen(descriptor, "rb") as source:
        for line in source.read(_FILE_LIMIT).decode("utf-8", "replace").splitlines():
            yield line.strip().split(":")
