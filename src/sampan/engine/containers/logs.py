"""`docker logs`: a container's stored output, and what is still to come.

Reading goes on in worker threads, a batch of records at a time; following waits for the log file to
grow and ends once the container has ended and its log is drained. What went to the systemd journal
comes back from there (`logs.journal`).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import quote_plus

from sampan.engine.containers.live import LiveContainers
from sampan.engine.containers.record import Container
from sampan.engine.containers.registry import ContainerRegistry
from sampan.errors import InvalidArgument, Unsupported
from sampan.lib import gotime
from sampan.lib.workers import Workers
from sampan.logs import reader
from sampan.logs.journal import Journal
from sampan.logs.jsonfile import Record
from sampan.wire.stdcopy import Stream, frame

BATCH_BYTES = 256 * 1024
BATCH_RECORDS = 512
JOURNALD = "journald"
STREAMS = {"stdout": Stream.STDOUT, "stderr": Stream.STDERR}


class NotReadable(Unsupported):
    def __init__(self) -> None:
        super().__init__("configured logging driver does not support reading")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """`tail` None means all; times in nanoseconds, 0 for no bound."""

    stdout: bool = True
    stderr: bool = True
    follow: bool = False
    timestamps: bool = False
    details: bool = False
    tail: int | None = None
    since_ns: int = 0
    until_ns: int = 0


class LogReading:
    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        live: LiveContainers,
        journal: Journal,
        workers: Workers,
    ) -> None:
        self._registry = registry
        self._live = live
        self._journal = journal
        self._workers = workers

    def open(self, text: str, options: LogOptions) -> tuple[bool, AsyncIterator[bytes]]:
        """Whether the output is raw (a terminal's) and its chunks, framed otherwise.

        Raises NoSuchContainer, InvalidArgument (no stream chosen) and NotReadable at once.
        """
        container = self._registry.get(text)
        if not (options.stdout or options.stderr):
            raise InvalidArgument("Bad parameters: you must choose at least one stream")
        if container.host.LogConfig.Type == JOURNALD:
            self._journal.check()
        elif not container.log_path:
            raise NotReadable
        return container.config.Tty, self.read(container, options)

    async def records(
        self, container: Container, options: LogOptions
    ) -> AsyncGenerator[list[Record], None]:
        """As `read`, not rendered. Raises NotReadable."""
        if container.host.LogConfig.Type == JOURNALD:
            self._journal.check()
            async for batch in self._from_journal(container, options):
                yield batch
            return
        if not container.log_path:
            raise NotReadable
        path = Path(container.log_path)
        if options.follow:
            async for batch in self._follow(container, path, options):
                yield batch
            return
        found = reader.read(
            path,
            tail=options.tail,
            since_ns=options.since_ns,
            until_ns=options.until_ns,
            stdout=options.stdout,
            stderr=options.stderr,
        )
        while batch := await self._workers.run(list, islice(found, BATCH_RECORDS)):
            yield batch

    async def read(self, container: Container, options: LogOptions) -> AsyncIterator[bytes]:
        render = _Renderer(options, tty=container.config.Tty)
        if container.host.LogConfig.Type == JOURNALD:
            async for batch in self._from_journal(container, options):
                yield b"".join(map(render.chunk, batch))
            return
        if not container.log_path:
            return
        path = Path(container.log_path)
        if options.follow:
            async for batch in self._follow(container, path, options):
                yield b"".join(map(render.chunk, batch))
            return
        records = reader.read(
            path,
            tail=options.tail,
            since_ns=options.since_ns,
            until_ns=options.until_ns,
            stdout=options.stdout,
            stderr=options.stderr,
        )
        while chunk := await self._workers.run(render.batch, records):
            yield chunk

    async def _follow(
        self, container: Container, path: Path, options: LogOptions
    ) -> AsyncIterator[list[Record]]:
        end = self._end_of(container)
        try:
            async for records in reader.follow(
                path,
                tail=options.tail,
                since_ns=options.since_ns,
                until_ns=options.until_ns,
                stdout=options.stdout,
                stderr=options.stderr,
                stop=end,
            ):
                yield records
        finally:
            end.cancel()

    async def _from_journal(
        self, container: Container, options: LogOptions
    ) -> AsyncIterator[list[Record]]:
        end = self._end_of(container) if options.follow else None
        try:
            async with aclosing(
                self._journal.read(
                    container.id,
                    tail=options.tail,
                    since_ns=options.since_ns,
                    until_ns=options.until_ns,
                    stop=end,
                )
            ) as batches:
                async for batch in batches:
                    yield [one for one in batch if getattr(options, one.stream)]
        finally:
            if end is not None:
                end.cancel()

    def _end_of(self, container: Container) -> "asyncio.Future[object]":
        """Done when the present run has ended (at once when there is none)."""
        task = self._live.find_task(container.id)
        if task is None:
            ended: asyncio.Future[object] = asyncio.get_running_loop().create_future()
            ended.set_result(None)
            return ended
        return asyncio.ensure_future(task.wait())


class _Renderer:
    """Records to bytes: one frame a record, with its timestamp and details in front."""

    def __init__(self, options: LogOptions, *, tty: bool) -> None:
        self._options = options
        self._tty = tty

    def batch(self, records: Iterator[Record]) -> bytes:
        """About BATCH_BYTES of output; empty at the end."""
        out = bytearray()
        for record in records:
            out += self.chunk(record)
            if len(out) >= BATCH_BYTES:
                break
        return bytes(out)

    def chunk(self, record: Record) -> bytes:
        line = record.line
        if self._options.details:
            line = _details(record) + b" " + line
        if self._options.timestamps:
            line = gotime.format_ns(record.time_ns, fixed=True).encode() + b" " + line
        return line if self._tty else frame(STREAMS[record.stream], line)


def _details(record: Record) -> bytes:
    """Comma-joined, URL-escaped `key=value` pairs, sorted by key."""
    attrs = record.attrs or {}
    return ",".join(f"{quote_plus(key)}={quote_plus(attrs[key])}" for key in sorted(attrs)).encode()
