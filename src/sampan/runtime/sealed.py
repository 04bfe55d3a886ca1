"""OCI runtimes in sealed memory files.

A container's process could overwrite the runtime through /proc/<pid>/exe (CVE-2019-5736), so crun
begins by making itself safe: it mounts its binary read-only, opens that, unmounts it and executes
itself once more, for each call anew. That is half of what a short call takes. In a memory file
sealed against every change it finds itself safe already; its own cloned_binary.c says that such a
file may be shared. One is made per program, again when the program was replaced, and goes to every
monitor, which executes it.

Where no such file can be made (vm.memfd_noexec), or where the program's label on disk matters
(SELinux), there is none, and the runtime does what it always did.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
SELINUX = Path("/sys/fs/selinux/enforce")
_MFD_EXEC = 0x10  # Linux 6.3
_ELF = b"\x7fELF"


class SealedPrograms:
    """Descriptors by program path; they stay open until `close`. Not for several threads."""

    def __init__(self, selinux: Path = SELINUX) -> None:
        self._selinux = selinux
        self._kept: dict[str, tuple[tuple[int, ...], int | None]] = {}

    def descriptor(self, path: str) -> int | None:
        """Of a sealed copy of the program as it is now; None if there can't be one."""
        if not Path(path).name.startswith("crun"):  # others may look for what lies beside them
            return None
        try:
            found = os.stat(path)  # noqa: PTH116 - one of its numbers each
        except OSError:
            return None
        state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        kept = self._kept.get(path)
        if kept is None or kept[0] != state:
            self._drop(path)
            kept = self._kept[path] = (state, None if self._selinux.exists() else _sealed(path))
        return kept[1]

    def close(self) -> None:
        for path in list(self._kept):
            self._drop(path)

    def _drop(self, path: str) -> None:
        _, descriptor = self._kept.pop(path, ((), None))
        if descriptor is not None:
            os.close(descriptor)


def _sealed(path: str) -> int | None:
    try:
        program = Path(path).read_bytes()
        if not program.startswith(_ELF):
            return None
        writable = _memory_file(Path(path).name)
    except OSError:
        return None
    try:
        _write_all(writable, program)
        fcntl.fcntl(writable, fcntl.F_ADD_SEALS, SEALS)
        # what is open for writing can't be executed, sealed or not
        return os.open(f"/proc/self/fd/{writable}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    finally:
        os.close(writable)


def _memory_file(name: str) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    with suppress(OSError):  # EINVAL: an older kernel, where all are executable
        return os.memfd_create(name, flags | _MFD_EXEC)
    return os.memfd_create(name, flags)


def _write_all(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]
