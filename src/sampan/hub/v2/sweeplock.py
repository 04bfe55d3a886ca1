"""The lock that gc holds while it takes blobs away: one file in the root, for all processes.

Whoever meets a blob in state `deleting` waits here until the removal is over. It is held for one
batch at a time, never across a whole collection.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SweepLock:
    """Blocks the thread. Each holder opens the file anew, so threads exclude each other too."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def hold(self) -> Iterator[None]:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
