"""Files of a container on the wire: path stat (`X-Docker-Container-Path-Stat`) and changes.

File modes are Go's os.FileMode: the nine permission bits of Unix with the type and special bits
at other places (Go, io/fs/fs.go).
"""

import base64
import stat

from sampan.wire.codec import Wire, encode

_TYPES = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
}
_SPECIAL = {stat.S_ISUID: 1 << 23, stat.S_ISGID: 1 << 22, stat.S_ISVTX: 1 << 20}


class PathStat(Wire, frozen=True, kw_only=True):
    """`size` in bytes, `mode` as Go's FileMode, `mtime` RFC 3339."""

    name: str
    size: int
    mode: int
    mtime: str
    linkTarget: str

    def header(self) -> str:
        """The header's value: base64 of the JSON."""
        return base64.b64encode(encode(self).strip()).decode()


class FilesystemChange(Wire, frozen=True, kw_only=True):
    """`Kind`: 0 modified, 1 added, 2 deleted."""

    Path: str
    Kind: int


def go_mode(mode: int) -> int:
    """Go's FileMode for a Unix st_mode."""
    special = sum(bit for flag, bit in _SPECIAL.items() if mode & flag)
    return (mode & 0o777) | _TYPES.get(stat.S_IFMT(mode), 0) | special
