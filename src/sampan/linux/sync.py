"""Getting bytes to the disk: the calls that the os module lacks."""

import ctypes
import os

_SYNC_FILE_RANGE_WRITE = 2  # <linux/fs.h>

_libc = ctypes.CDLL(None, use_errno=True)


def syncfs(descriptor: int) -> None:
    """Write out the whole file system that the descriptor is on, and wait."""
    if _libc.syncfs(ctypes.c_int(descriptor)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"syncfs: {os.strerror(number)}")


def start_writeback(descriptor: int, offset: int, length: int) -> None:
    """Ask the kernel to begin writing a range out. Only a hint: its failure means nothing."""
    _libc.sync_file_range(
        ctypes.c_int(descriptor),
        ctypes.c_int64(offset),
        ctypes.c_int64(length),
        ctypes.c_uint(_SYNC_FILE_RANGE_WRITE),
    )
