"""Reading a json-file log: what is there, the last lines of it, and what is still to come.

`read` blocks (run it in a worker thread) and reads no more than `tail` or `since_ns` need. `follow`
goes on where that ends, across rotation without loss or doubling (handover.py), until `stop` is
done and the file is read to its end. `tail` counts records before streams and times are looked at,
as Docker does.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sampan.linux.inotify import FolderWatch
from sampan.logs.handover import Handover
from sampan.logs.jsonfile import Parser, Record
from sampan.logs.segments import Segment, close_all, open_segments

POLL_S = 1.0  # besides inotify: a lost event, or no inotify at all
POLL_ALONE_S = 0.1


@dataclass(frozen=True, slots=True)
class _Selection:
    since_ns: int
    until_ns: int
    stdout: bool
    stderr: bool

    def takes(self, record: Record) -> bool:
        if record.time_ns < self.since_ns:
            return False
        return self.stdout if record.stream == "stdout" else self.stderr

    def select(self, records: list[Record]) -> tuple[list[Record], bool]:
        """Those that are wanted, and whether no later one can be."""
        wanted: list[Record] = []
        for record in records:
            if self.takes(record):
                if self.is_over(record):
                    return wanted, True
                wanted.append(record)
        return wanted, False

    def is_over(self, record: Record) -> bool:
        return bool(self.until_ns) and record.time_ns > self.until_ns


def read(
    path: Path,
    *,
    tail: int | None = None,
    since_ns: int = 0,
    until_ns: int = 0,
    stdout: bool = True,
    stderr: bool = True,
) -> Iterator[Record]:
    """Records that are in the log now, oldest first. `tail` None means all."""
    selection = _Selection(since_ns, until_ns, stdout, stderr)
    segments = open_segments(path)
    parser = Parser()
    try:
        for segment, skip in _start(segments, tail, since_ns):
            for batch in _without_first(segment.lines(), skip):
                for line in batch:
                    record = parser.parse(line)
                    if record is None or not selection.takes(record):
                        continue
                    if selection.is_over(record):
                        return
                    yield record
    finally:
        close_all(segments)


def _start(segments: list[Segment], tail: int | None, since_ns: int) -> list[tuple[Segment, int]]:
    """Which files to read and how many lines of each to leave out."""
    if tail is None or tail < 0:
        return [(segment, 0) for segment in _since(segments, since_ns)]
    chosen: list[tuple[Segment, int]] = []
    wanted = tail
    for segment in reversed(segments):
        if wanted <= 0:
            break
        if segment.compressed:
            count = segment.count_lines()
            chosen.append((segment, max(0, count - wanted)))
        else:
            count = segment.seek_tail(wanted)
            chosen.append((segment, 0))
        wanted -= count
    return chosen[::-1]


def _since(segments: list[Segment], since_ns: int) -> list[Segment]:
    """Without files that end before `since_ns`; the first one that's left is begun near it."""
    if not since_ns:
        return segments
    for index in range(len(segments) - 1, -1, -1):
        first_ns = segments[index].first_time_ns()
        if first_ns is not None and first_ns < since_ns:
            if not segments[index].compressed:
                segments[index].seek_time(since_ns)
            return segments[index:]
    return segments


def _without_first(batches: Iterator[list[bytes]], skip: int) -> Iterator[list[bytes]]:
    for batch in batches:
        if skip >= len(batch):
            skip -= len(batch)
            continue
        yield batch[skip:]
        skip = 0


async def follow(
    path: Path,
    *,
    tail: int | None = None,
    since_ns: int = 0,
    until_ns: int = 0,
    stdout: bool = True,
    stderr: bool = True,
    stop: "asyncio.Future[Any]",
) -> AsyncIterator[list[Record]]:
    """Like `read`, then what is written later, until `stop` is done and all is read."""
    selection = _Selection(since_ns, until_ns, stdout, stderr)
    follower = _Follower(path, tail, since_ns)
    try:
        with _watch(path.parent) as watch:
            while True:
                ended = stop.done()  # before reading: what comes later isn't missed
                async for batch in follower.batches():
                    records, over = selection.select(batch)
                    if records:
                        yield records
                    if over:
                        return
                if ended:
                    return
                await _wait(watch, stop)
    finally:
        follower.close()


def _watch(folder: Path) -> contextlib.AbstractContextManager[FolderWatch | None]:
    try:
        return FolderWatch(folder)
    except OSError:  # out of inotify instances
        return contextlib.nullcontext()


async def _wait(watch: FolderWatch | None, stop: "asyncio.Future[Any]") -> None:
    """Until the folder changed, `stop` is done, or it's time to look anyway."""
    waits: set[asyncio.Future[Any]] = {stop}
    changed = asyncio.ensure_future(watch.changed()) if watch else None
    if changed is not None:
        waits.add(changed)
    try:
        await asyncio.wait(
            waits,
            timeout=POLL_S if watch else POLL_ALONE_S,
            return_when=asyncio.FIRST_COMPLETED,
        )
    finally:
        if changed is not None:
            changed.cancel()


class _Follower:
    """The open files of a log that is followed; the last one is the one being written."""

    def __init__(self, path: Path, tail: int | None, since_ns: int) -> None:
        self._path = path
        self._parser = Parser()
        self._handover = Handover(path)
        self._segments = open_segments(path)
        self._skips = dict(_start(self._segments, tail, since_ns))
        self._drop_unwanted()

    def _drop_unwanted(self) -> None:
        """Some of the older files may not be read, and of the last one maybe only what comes."""
        if self._segments and self._segments[-1] not in self._skips:
            self._segments[-1].seek_tail(0)
        keep = [s for s in self._segments if s in self._skips or s is self._segments[-1]]
        close_all([segment for segment in self._segments if segment not in keep])
        self._segments = keep

    def close(self) -> None:
        close_all(self._segments)
        self._handover.close()

    async def batches(self) -> AsyncIterator[list[Record]]:
        """Everything that can be read now."""
        if not self._segments:
            self._segments = open_segments(self._path)
        while self._segments:
            current = self._segments[0]
            if not current.compressed and current.offset > current.size_bytes:  # emptied in place
                current.offset = 0
            # asked before reading: once there's a younger file, nothing is added to this one
            if len(self._segments) == 1:
                self._segments += self._handover.after(current)
            for lines in _without_first(current.lines(), self._skips.pop(current, 0)):
                records = map(self._parser.parse, lines)
                yield [record for record in records if record is not None]
                await asyncio.sleep(0)
            if len(self._segments) == 1:
                return
            self._segments.pop(0).close()
