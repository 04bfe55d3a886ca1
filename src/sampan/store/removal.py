"""Removes trees that strangers filled.

Containers and archives can nest directories far deeper than a recursion or the number of open
files allows, and beyond the longest path that the kernel takes. So removal goes through directory
descriptors, follows no links, and moves what lies too deep to the top, where it has its turn.
"""

import os
import secrets
import stat
from pathlib import Path

_DEPTH = 64
_DIR_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: Path | str, *, dir_fd: int | None = None) -> None:
    """Remove a directory with all that is in it. Raises OSError; what was removed stays so."""
    top = os.open(path, _DIR_FLAGS, dir_fd=dir_fd)
    try:
        while names := os.listdir(top):  # noqa: PTH208 - a descriptor
            for name in names:
                _remove(top, name, top)
    finally:
        os.close(top)
    os.rmdir(path, dir_fd=dir_fd)


def _remove(folder: int, name: str, top: int) -> None:
    stack = _enter(folder, name, [])
    try:
        while stack:
            current, names, parent, own_name = stack[-1]
            if not names:
                os.close(stack.pop()[0])
                os.rmdir(own_name, dir_fd=parent)
            elif len(stack) < _DEPTH:
                _enter(current, names.pop(), stack)
            else:
                below = names.pop()
                if _is_directory(current, below):
                    os.rename(below, secrets.token_hex(16), src_dir_fd=current, dst_dir_fd=top)
                else:
                    os.unlink(below, dir_fd=current)
    finally:
        for descriptor, _, _, _ in stack:
            os.close(descriptor)


Level = tuple[int, list[str], int, str]  # descriptor, names left, parent's descriptor, own name


def _enter(folder: int, name: str, stack: list[Level]) -> list[Level]:
    """Unlink a file, or put a directory on the stack."""
    if _is_directory(folder, name):
        descriptor = os.open(name, _DIR_FLAGS, dir_fd=folder)
        names = os.listdir(descriptor)  # noqa: PTH208 - a descriptor
        stack.append((descriptor, names, folder, name))
    else:
        os.unlink(name, dir_fd=folder)
    return stack


def _is_directory(folder: int, name: str) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
