"""A client's conversation with a process: output to it, input from it, half-close, detach keys.

The monitor frames the output already (8-byte headers unless there is a terminal), so a session only
pumps bytes, unless the client wants the other form (`framed`, `unframed`). Reading ends with `b""`
when the process's output is over or the client detached. The stream may come later than the
session: a client that attached before the start waits here, and so does what it types.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from sampan.engine.containers.detach import DetachScanner
from sampan.wire.stdcopy import Demultiplexer, Stream, frame


class ByteStream(Protocol):
    """What a monitor's stream offers (runtime.streams.TaskStream)."""

    async def read(self, limit: int = 65536) -> bytes: ...

    async def write(self, data: bytes) -> None: ...

    def close_stdin(self) -> None: ...

    async def aclose(self) -> None: ...


class StreamSource(Protocol):
    """Where the stream comes from, sooner or later (attach_hub.PendingAttach)."""

    async def stream(self) -> ByteStream | None: ...

    async def cancel(self) -> None: ...


class Ready:
    """A source whose stream is there already; None stands for nothing to read."""

    def __init__(self, stream: ByteStream | None) -> None:
        self._stream = stream

    async def stream(self) -> ByteStream | None:
        return self._stream

    async def cancel(self) -> None:
        if self._stream is not None:
            await self._stream.aclose()


def framed(data: bytes) -> bytes:
    """A terminal's output for a client that expects frames."""
    return frame(Stream.STDOUT, data)


def unframed() -> Callable[[bytes], bytes]:
    """Framed output for a client that expects raw bytes; may give b"" until a frame is whole."""
    frames = Demultiplexer()
    return lambda data: b"".join(payload for _, payload in frames.feed(data))


class Session:
    """One attached client. `tty` tells whether the output is raw (True) or framed.

    `replay` is sent first (stored logs); `keys` end the session without ending the process and
    work only with a terminal; `on_detach` is called once when they do. `reshape` changes the form
    of the output. `on_end` is awaited before the end of the output is told.
    """

    def __init__(
        self,
        source: StreamSource,
        *,
        tty: bool,
        stdin: bool,
        keys: bytes = b"",
        replay: AsyncIterator[bytes] | None = None,
        on_detach: Callable[[], None] | None = None,
        on_end: Callable[[], Awaitable[None]] | None = None,
        reshape: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self.tty = tty
        self._reshape = reshape
        self._on_end = on_end
        self._source = source
        self._stdin = stdin
        self._scanner = DetachScanner(keys if tty and stdin else b"")
        self._replay = replay
        self._on_detach = on_detach
        self._detached = asyncio.Event()

    async def read(self) -> bytes:
        """The next bytes of output; `b""` at the end."""
        if self._replay is not None:
            async for chunk in self._replay:
                return chunk
            self._replay = None
        if not self._scanner.armed:
            return await self._read_stream()
        return await self._read_until_detached()

    async def _read_stream(self) -> bytes:
        stream = await self._source.stream()
        while data := b"" if stream is None else await stream.read():
            if shaped := self._reshape(data) if self._reshape else data:
                return shaped
        if self._on_end is not None:
            await self._on_end()
        return b""

    async def _read_until_detached(self) -> bytes:
        reading = asyncio.ensure_future(self._read_stream())
        leaving = asyncio.ensure_future(self._detached.wait())
        try:
            await asyncio.wait({reading, leaving}, return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else b""
        finally:
            leaving.cancel()
            if not reading.done():
                reading.cancel()

    async def write(self, data: bytes) -> None:
        """Input from the client; dropped when stdin isn't attached."""
        if not self._stdin or self._detached.is_set():
            return
        passed, detach = self._scanner.feed(data)
        if passed and (stream := await self._source.stream()) is not None:
            await stream.write(passed)
        if detach:
            self._detached.set()
            if self._on_detach is not None:
                self._on_detach()

    async def close_stdin(self) -> None:
        """The client's half-close: the process sees the end of its input, output goes on."""
        if self._stdin and not self._detached.is_set():
            stream = await self._source.stream()
            if stream is not None:
                stream.close_stdin()

    async def aclose(self) -> None:
        await self._source.cancel()
