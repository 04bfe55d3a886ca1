"""Logs of builds: one file each, written while the build runs and read by whoever watches.

    <root>/builds/ID.log     text; at most `MOST_BYTES`, then a line that says so

Written at least twice a second, read in pieces. Escape sequences are taken out, so that a log
is plain text wherever it is shown.
"""

import os
import re
import time
from pathlib import Path

from sampan.lib.workers import Workers

MOST_BYTES = 4 << 20
FLUSH_EVERY_S = 0.4
_TOO_LONG = "\n[the log is too long: the rest isn't kept]\n"
_NOT_TEXT = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.|\r+(?=\n)"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)


class BuildLogs:
    """All methods but `writer` block."""

    def __init__(self, folder: Path, workers: Workers) -> None:
        self._folder = folder
        self._workers = workers

    def path(self, build_id: int) -> Path:
        return self._folder / f"{build_id}.log"

    def writer(self, build_id: int) -> "LogWriter":
        """Goes on at the end of a log that is there."""
        return LogWriter(self.path(build_id), self._workers)

    def read(self, build_id: int, offset: int = 0, size: int = MOST_BYTES) -> bytes:
        """Empty where there is nothing (yet)."""
        try:
            with self.path(build_id).open("rb") as source:
                source.seek(offset)
                return source.read(size)
        except FileNotFoundError:
            return b""

    def list_ids(self) -> list[int]:
        return [int(each.stem) for each in self._folder.glob("*.log") if each.stem.isdecimal()]

    def remove(self, build_id: int) -> None:
        self.path(build_id).unlink(missing_ok=True)


class LogWriter:
    """Used by one task, with `flush` called now and then by another."""

    def __init__(self, path: Path, workers: Workers) -> None:
        self._path = path
        self._workers = workers
        self._waiting: list[str] = []
        self._full = False

    def write(self, text: str) -> None:
        if text:
            self._waiting.append(text)

    def line(self, text: str) -> None:
        self.write(f"[{time.strftime('%H:%M:%S', time.gmtime())}] {text}\n")

    async def flush(self) -> None:
        if self._waiting:
            text, self._waiting = "".join(self._waiting), []
            await self._workers.run(self._append, text)

    def _append(self, text: str) -> None:
        if self._full:
            return
        content = _NOT_TEXT.sub("", text).encode("utf-8", "replace")
        descriptor = os.open(
            self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        with os.fdopen(descriptor, "ab") as out:
            room = MOST_BYTES - os.fstat(descriptor).st_size
            if len(content) > room:
                self._full = True
                content = content[: max(room, 0)] + _TOO_LONG.encode()
            out.write(content)
