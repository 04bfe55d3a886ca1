"""What makes a daemon the only one of its instance: a locked file in the data root, a PID file.

Both are locked by the kernel (flock): that ends with the process however it dies, and a PID that
was used again can't mislead. The PID file is for people and init scripts.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from sampan.errors import Conflict
from sampan.lib.atomicfile import write_atomic


class DataRootInUse(Conflict):
    def __init__(self, root: Path, owner: str) -> None:
        who = f" (pid {owner})" if owner else ""
        super().__init__(f"failed to start daemon: {root} is in use by another daemon{who}")


class PidfileTaken(Conflict):
    def __init__(self, path: Path, pid: str) -> None:
        super().__init__(
            f"failed to start daemon: process with PID {pid} is still running: "
            f"pid file found, ensure sampan is not running or delete {path}"
        )


class DataRootLock:
    """Held from construction to `release`. Raises DataRootInUse."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o710)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(self._descriptor, 32).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise DataRootInUse(path.parent, owner) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._descriptor)


class Pidfile:
    """Our PID in a file that is locked while we live, so that a stale one is never in the way.

    Raises PidfileTaken when another process holds it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._descriptor = self._open_locked()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}".encode(), 0)

    def _open_locked(self) -> int:
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._names(descriptor):
                    return descriptor
            except OSError:
                owner = os.read(descriptor, 32).decode(errors="replace").strip()
                os.close(descriptor)
                raise PidfileTaken(self._path, owner) from None
            os.close(descriptor)  # its owner removed it between our open and our lock

    def _names(self, descriptor: int) -> bool:
        """Whether the path still leads to the file that is open."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(descriptor))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def engine_id(path: Path) -> str:
    """The identity of the data root: made once, kept for ever."""
    with suppress(FileNotFoundError):
        return path.read_text().strip()
    from uuid import uuid4

    made = str(uuid4())
    write_atomic(path, made.encode())
    return made
