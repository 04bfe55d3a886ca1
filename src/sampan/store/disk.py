"""Disk space as `du` counts it: allocated blocks, each inode once, directories included."""

import os
import stat
from contextlib import suppress
from pathlib import Path

_BLOCK = 512  # the unit of st_blocks, whatever the file system's own


def allocated_bytes(path: Path, *, below_only: bool = False) -> int:
    """Of a file, or of a directory with all below it. What vanishes meanwhile doesn't count.

    `below_only` leaves the directory itself out, so that an empty one counts nothing.
    """
    total = 0
    seen: set[tuple[int, int]] = set()
    with suppress(OSError):
        found = path.lstat()
        if not below_only:
            total = found.st_blocks * _BLOCK
        pending = [os.fspath(path)] if stat.S_ISDIR(found.st_mode) else []
        while pending:
            total += _of_entries(pending, seen)
    return total


def _of_entries(pending: list[str], seen: set[tuple[int, int]]) -> int:
    """The next directory's entries; those that are directories become pending."""
    total = 0
    with suppress(OSError), os.scandir(pending.pop()) as entries:
        for entry in entries:
            with suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode):
                    pending.append(entry.path)
                elif found.st_nlink > 1:
                    if (found.st_dev, found.st_ino) in seen:
                        continue
                    seen.add((found.st_dev, found.st_ino))
                total += found.st_blocks * _BLOCK
    return total
