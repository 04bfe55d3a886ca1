"""A file of a file system as the entry of an archive. Pure: from what stat said."""

import os
import stat

from sampan.lib.tarstream import Entry, Kind

_KINDS = {
    stat.S_IFREG: Kind.REGULAR,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK_DEVICE,
    stat.S_IFIFO: Kind.FIFO,
}
_DEVICES = frozenset({Kind.CHARACTER, Kind.BLOCK_DEVICE})


def kind_of(found: os.stat_result) -> Kind | None:
    """None: a socket, which is of no use without its listener."""
    return _KINDS.get(stat.S_IFMT(found.st_mode))


def entry_of(
    name: str,
    found: os.stat_result,
    kind: Kind,
    *,
    link: str = "",
    xattrs: dict[str, bytes] | None = None,
) -> Entry:
    rdev = found.st_rdev
    return Entry(
        name=name,
        kind=kind,
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        size_bytes=found.st_size if kind is Kind.REGULAR else 0,
        mtime_ns=found.st_mtime_ns,
        link=link,
        device=(os.major(rdev), os.minor(rdev)) if kind in _DEVICES else (0, 0),
        xattrs=xattrs or {},
    )
