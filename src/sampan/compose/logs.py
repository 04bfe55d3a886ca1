"""Containers' output, line by line, each behind its container's name.

    one-1       | text           prefixes are aligned and, on a terminal, coloured in turn
    two-long-1  | text

A `LogPrinter` takes whole lines from any thread. `read_lines` cuts a log or attach stream into
lines: stdout and stderr each on their own, a last line without an end when the stream ends.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Lock
from typing import TextIO

from sampan.compose.api import EngineApi, Query
from sampan.wire.stdcopy import Demultiplexer

RESET = "\033[0m"
ERASE = "\033[K"
# cyan, yellow, green, magenta, blue, then the same brighter
COLOURS = tuple(f"\033[{code}m" for code in (36, 33, 32, 35, 34))
BRIGHT = tuple(f"\033[{code};1m" for code in (36, 33, 32, 35, 34))


class LogPrinter:
    """Prints lines; `names` known from the start decide how wide the prefixes are."""

    def __init__(self, out: TextIO, *, coloured: bool = False, prefixed: bool = True) -> None:
        self._out = out
        self._coloured = coloured
        self._prefixed = prefixed
        self._colours: dict[str, str] = {}
        self._next = itertools.cycle(COLOURS + BRIGHT)
        self._width = 0
        self._lock = Lock()

    def register(self, names: Iterable[str]) -> None:
        with self._lock:
            for name in names:
                if name not in self._colours:
                    self._colours[name] = next(self._next)
                    self._width = max(self._width, len(name))

    def line(self, name: str, text: str) -> None:
        self.register([name])
        with self._lock:
            self._out.write(self._prefix(name) + text + "\n")
            self._out.flush()

    def note(self, name: str, text: str) -> None:
        """About a container, not from it."""
        with self._lock:
            erase = ERASE if self._coloured else ""
            self._out.write(f"{erase}{name} {text}\n")
            self._out.flush()

    def _prefix(self, name: str) -> str:
        if not self._prefixed:
            return ""
        text = f"{name.ljust(self._width)}  | "
        return f"{self._colours[name]}{text}{RESET}" if self._coloured else text


def _payloads(chunks: Iterable[bytes], *, framed: bool) -> Iterator[tuple[int, bytes]]:
    if not framed:
        for chunk in chunks:
            yield 1, chunk
        return
    frames = Demultiplexer()
    for chunk in chunks:
        yield from ((int(stream), payload) for stream, payload in frames.feed(chunk))


def read_lines(chunks: Iterable[bytes], *, framed: bool) -> Iterator[str]:
    """Lines without their ends, as soon as each is complete."""
    pending: dict[int, bytes] = {}
    for stream, payload in _payloads(chunks, framed=framed):
        *lines, rest = (pending.get(stream, b"") + payload).split(b"\n")
        pending[stream] = rest
        for line in lines:
            yield _text(line)
    for rest in pending.values():
        if rest:
            yield _text(rest)


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "replace")


def logs_query(
    *,
    follow: bool = False,
    since: str = "",
    until: str = "",
    tail: str = "",
    timestamps: bool = False,
) -> Query:
    query = [("stdout", "1"), ("stderr", "1")]
    query += [(name, "1") for name, on in (("follow", follow), ("timestamps", timestamps)) if on]
    query += [
        (name, value)
        for name, value in (("since", since), ("until", until), ("tail", tail))
        if value
    ]
    return query


def copy_logs(api: EngineApi, container: str, query: Query, sink: Callable[[str], None]) -> None:
    """Reads a container's log to its end (or, following, to the container's)."""
    inspected = api.inspect_container(container)
    response = api.logs(container, query)
    for line in read_lines(response.chunks(), framed=not inspected["Config"]["Tty"]):
        sink(line)


def names_text(names: Sequence[str]) -> str:
    return ", ".join(names)
