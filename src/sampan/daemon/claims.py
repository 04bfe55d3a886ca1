"""What makes a daemon the only one of its instance: a locked file in the data root, a PID file.

The lock is the kernel's (flock): it ends with the process however that dies. The PID file is for
people and init scripts; a stale one is replaced.
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
    def __init__(self, path: Path, pid: int) -> None:
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


def write_pidfile(path: Path) -> None:
    """Raises PidfileTaken when the process that it names runs and isn't us."""
    with suppress(FileNotFoundError, ValueError):
        pid = int(path.read_text())
        if pid != os.getpid() and Path(f"/proc/{pid}").exists():
            raise PidfileTaken(path, pid)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, f"{os.getpid()}".encode(), mode=0o644, durable=False)


def engine_id(path: Path) -> str:
    """The identity of the data root: made once, kept for ever."""
    with suppress(FileNotFoundError):
        return path.read_text().strip()
    from uuid import uuid4

    made = str(uuid4())
    write_atomic(path, made.encode())
    return made
