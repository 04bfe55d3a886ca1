"""Reading back what the `journald` driver sent: the journal's entries of one container.

The systemd journal is read by its own program, `journalctl --output=json`: the format of its files
is its own affair. An entry is a JSON object a line; a value is a string, a list of bytes if it
isn't UTF-8 text, a list of these if the field came several times. `read` gives what is there now;
with `stop`, also what is still to come, until `stop` is done and nothing is left.
"""

import asyncio
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

import msgspec

from sampan.errors import Unavailable, Unsupported
from sampan.logs.jsonfile import Record

_ID_FIELD = "CONTAINER_ID_FULL"
_STDERR_PRIORITY = "3"
_LINE_BYTES = 4 << 20  # an entry in JSON; bytes that aren't text take up to five times the place
_BATCH = 500
_KILL_AFTER_S = 5.0
_SYNC_S = 10.0
_OWN = frozenset(
    {
        *("MESSAGE", "MESSAGE_ID", "PRIORITY", "CODE_FILE", "CODE_LINE", "CODE_FUNC", "ERRNO"),
        *("SYSLOG_FACILITY", "SYSLOG_IDENTIFIER", "SYSLOG_PID", "SYSLOG_TIMESTAMP"),
        *("CONTAINER_NAME", "CONTAINER_ID", _ID_FIELD, "CONTAINER_TAG", "IMAGE_NAME"),
        *("CONTAINER_PARTIAL_MESSAGE", "CONTAINER_PARTIAL_ID"),
        *("CONTAINER_PARTIAL_ORDINAL", "CONTAINER_PARTIAL_LAST"),
    }
)


class NoJournal(Unsupported):
    def __init__(self) -> None:
        super().__init__(
            "configured logging driver does not support reading",
            hint="journald's entries are read by journalctl, which isn't installed",
        )


class JournalFailed(Unavailable):
    def __init__(self, said: str) -> None:
        super().__init__(f"error reading the journal: {said}")


def parse_entry(line: bytes) -> tuple[Record, str] | None:
    """The record and its cursor; None for what is no entry of a container."""
    try:
        # Any: journalctl's values are of the shapes that the module's docstring names
        fields: dict[str, Any] = msgspec.json.decode(line)
        time_ns = int(fields["__REALTIME_TIMESTAMP"]) * 1000
        text = _value(fields["MESSAGE"])
        cursor = str(fields["__CURSOR"])
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return None
    if fields.get("CONTAINER_PARTIAL_MESSAGE") != "true":
        text += b"\n"
    stream = "stderr" if fields.get("PRIORITY") == _STDERR_PRIORITY else "stdout"
    attrs = {
        name: _value(value).decode(errors="replace")
        for name, value in fields.items()
        if not name.startswith("_") and name not in _OWN
    }
    return Record(stream, time_ns, text, attrs or None), cursor


def _value(value: object) -> bytes:
    """A field that came several times counts with its first value. Raises TypeError."""
    if isinstance(value, str):
        return value.encode()
    if value is None:  # longer than journalctl shows, which --all forbids
        return b""
    if isinstance(value, list):
        if all(isinstance(one, int) for one in value):
            return bytes(value)
        return _value(value[0])
    raise TypeError(type(value))


def _seconds(time_ns: int) -> str:
    return f"{time_ns // 1_000_000_000}.{time_ns % 1_000_000_000 // 1000:06d}"


class Journal:
    """`program`: journalctl, with options that say which journal (tests)."""

    def __init__(self, program: Sequence[str] = ("journalctl",)) -> None:
        self._program = tuple(program)

    def check(self) -> None:
        """Raises NoJournal."""
        if shutil.which(self._program[0]) is None:
            raise NoJournal

    async def read(
        self,
        container_id: str,
        *,
        tail: int | None = None,
        since_ns: int = 0,
        until_ns: int = 0,
        stop: "asyncio.Future[Any] | None" = None,
    ) -> AsyncGenerator[list[Record], None]:
        """Batches, oldest first. Raises JournalFailed."""
        last = [f"--lines={tail}"] if tail is not None and tail >= 0 else []
        since = [f"--since=@{_seconds(since_ns)}"] if since_ns else []
        if stop is None:
            until = [f"--until=@{_seconds(until_ns)}"] if until_ns else []
            async for batch, _ in self._entries(container_id, [*last, *since, *until]):
                yield batch
            return
        cursor = ""
        following = [*(last or ["--no-tail"]), *since, "--follow"]
        async for batch, last_cursor in self._entries(container_id, following, stop):
            cursor = last_cursor
            wanted = [one for one in batch if not until_ns or one.time_ns <= until_ns]
            yield wanted
            if len(wanted) < len(batch):
                return
        await self._sync()
        rest = [f"--after-cursor={cursor}"] if cursor else [*last, *since]
        async for batch, _ in self._entries(container_id, rest):
            yield batch

    async def _sync(self) -> None:
        """What was sent is in the files afterwards. Without the journal's daemon it is anyway."""
        process = await asyncio.create_subprocess_exec(
            *(*self._program, "--sync"), stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL
        )
        try:
            async with asyncio.timeout(_SYNC_S):
                await process.wait()
        except TimeoutError:
            await _end(process)

    async def _entries(
        self,
        container_id: str,
        options: Sequence[str],
        stop: "asyncio.Future[Any] | None" = None,
    ) -> AsyncIterator[tuple[list[Record], str]]:
        """Batches with the last cursor of each, until the program ends or `stop` is done."""
        process = await asyncio.create_subprocess_exec(
            *(*self._program, "--quiet", "--no-pager", "--all", "--output=json"),
            *(*options, f"{_ID_FIELD}={container_id}"),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            limit=_LINE_BYTES,
        )
        try:
            async for lines in _batches(process, stop):
                found = [entry for entry in map(parse_entry, lines) if entry is not None]
                if found:
                    yield [record for record, _ in found], found[-1][1]
            if stop is None and await process.wait():
                assert process.stderr is not None
                said = (await process.stderr.read()).decode(errors="replace").strip()
                raise JournalFailed(said or f"journalctl ended with {process.returncode}")
        finally:
            await _end(process)


async def _batches(
    process: Process, stop: "asyncio.Future[Any] | None"
) -> AsyncIterator[list[bytes]]:
    """Lines as they come, many at once while there are many."""
    assert process.stdout is not None
    lines: list[bytes] = []
    reading = asyncio.ensure_future(process.stdout.readline())
    try:
        while True:
            waits: set[asyncio.Future[Any]] = {reading} if stop is None else {reading, stop}
            done, _ = await asyncio.wait(
                waits, timeout=0 if lines else None, return_when=asyncio.FIRST_COMPLETED
            )
            if reading in done:
                line = reading.result()
                if not line:
                    break
                lines.append(line)
                reading = asyncio.ensure_future(process.stdout.readline())
            if lines and (len(lines) >= _BATCH or reading not in done):
                yield lines
                lines = []
            if stop is not None and stop.done() and reading not in done:
                break
        if lines:
            yield lines
    finally:
        reading.cancel()


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _KILL_AFTER_S)
        except TimeoutError:
            process.kill()
            await process.wait()
