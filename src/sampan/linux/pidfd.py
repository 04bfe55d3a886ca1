"""Process descriptors: a process named for as long as the descriptor is open, without pid reuse."""

import asyncio
import os
import signal
from typing import Self


class PidFd:
    """Owns a pidfd. Not only for children; of others no exit status can be had."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def open(cls, pid: int) -> Self:
        """Raises ProcessLookupError when there's no such process."""
        return cls(os.pidfd_open(pid))

    def send_signal(self, number: int) -> None:
        """Raises ProcessLookupError when the process has ended."""
        signal.pidfd_send_signal(self._fd, number)

    async def wait(self) -> None:
        """Return once the process has ended."""
        loop = asyncio.get_running_loop()
        ended = loop.create_future()

        def wake() -> None:
            if not ended.done():
                ended.set_result(None)

        loop.add_reader(self._fd, wake)
        try:
            await ended
        finally:
            loop.remove_reader(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def start_tick(pid: int) -> int | None:
    """Clock tick at which process `pid` started (proc(5) stat, field 22); None if there's none.

    With the pid it names one process until the next boot.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as source:  # noqa: PTH123 - procfs, hot path
            return int(source.read().rsplit(b")", 1)[1].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return None
