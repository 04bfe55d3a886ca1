"""What may not be in an archive, and the names of what may.

Messages have the form of Docker's: the call that fails, with the path seen from the tree's root.
"""

import errno
import os

from sampan.errors import Internal, InvalidArgument

OPAQUE_XATTR = "trusted.overlay.opaque"
WHITEOUT_PREFIX = ".wh."
OPAQUE_NAME = ".wh..wh..opq"
META_PREFIX = ".wh..wh."

Parts = tuple[str, ...]

# what the kernel says about names; everything else is a failure of the machine
_BAD_NAMES = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG})
# what it says about an archive's xattrs, sizes and devices
_BAD_FACTS = frozenset({errno.EINVAL, errno.E2BIG, errno.ERANGE, errno.EFBIG, errno.EOVERFLOW})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class EscapingEntry(InvalidArgument):
    def __init__(self, name: str) -> None:
        super().__init__(f"archive member {name!r} is outside of the target directory")


class BadEntry(InvalidArgument):
    def __init__(self, action: str, name: str, reason: str) -> None:
        super().__init__(f"{action} /{name.lstrip('/')}: {reason}")


class DirectoryInTheWay(InvalidArgument):
    def __init__(self, name: str) -> None:
        super().__init__(f'cannot overwrite directory "{name}" with non-directory')


class FileInTheWay(InvalidArgument):
    def __init__(self, name: str) -> None:
        super().__init__(f'cannot overwrite non-directory "{name}" with directory "{name}"')


class NoSpace(Internal):
    def __init__(self, what: str) -> None:
        super().__init__(f"write {what}: no space left on device")


def is_full(error: OSError) -> bool:
    return error.errno in _FULL


def explained(error: OSError, name: str) -> Exception:
    """What an OSError means for the member that was being extracted."""
    if error.errno in _BAD_NAMES | _BAD_FACTS:
        return BadEntry("open", name, os.strerror(error.errno).lower())
    if is_full(error):
        return NoSpace(f"/{name.lstrip('/')}")
    return error


def clean_parts(name: str) -> Parts:
    """The components of a member's name; ".." is taken lexically and stops at the root.

    So Docker takes the names of layers, contexts and archives for ADD: as if chrooted.
    """
    return _parts(name)[0]


def strict_parts(name: str) -> Parts:
    """The same, but raises EscapingEntry for a name that climbs above the root."""
    parts, climbs = _parts(name)
    if climbs:
        raise EscapingEntry(name)
    return parts


def _parts(name: str) -> tuple[Parts, bool]:
    parts: list[str] = []
    climbs = False
    for part in name.split("/"):
        if part == "..":
            climbs |= not parts
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return tuple(parts), climbs
