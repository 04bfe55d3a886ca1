"""The raw two-way stream of attach and exec start.

    client                                   engine
    POST .../attach, Upgrade: tcp   ->
                                    <-       HTTP/1.1 101 UPGRADED (200 OK without Upgrade)
    stdin bytes                     <->      output, framed or raw
    shutdown of its writing side    ->       end of stdin; output goes on
                                    <-       shutdown at the end of output; then close

Bytes that the client sent before our answer are kept. A reader who is slow pauses the other side
in both directions. After the end of output we shut down our side and discard what still comes
until the client closes: closing with unread bytes would turn the end into a reset.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

from sampan.errors import SampanError
from sampan.server.call import Call
from sampan.server.connection import Connection
from sampan.server.streams import while_connected
from sampan.wire.versions import ApiVersion

log = logging.getLogger(__name__)

RAW = "application/vnd.docker.raw-stream"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
MULTIPLEXED_SINCE = ApiVersion(1, 42)

BUFFER_BYTES = 256 << 10  # unread input at which the client is paused
READ_BYTES = 64 << 10
LINGER_S = 2.0  # what a client gets to notice the end and close its side


class Session(Protocol):
    """What runs behind a hijacked connection. `read` gives b"" at the end of output."""

    async def read(self) -> bytes: ...
    async def write(self, data: bytes) -> None: ...
    async def close_stdin(self) -> None: ...


class ClientEnd(Protocol):
    """The client's side of a bridge: RawStream, or websocket.WebSocketStream."""

    gone: "asyncio.Future[None]"

    async def read(self) -> bytes: ...
    async def write(self, data: bytes) -> None: ...
    async def finish(self) -> None: ...
    def discard_input(self) -> None: ...
    def close(self) -> None: ...


class RawStream(asyncio.Protocol):
    """The client's end: `read`, `write`, `finish`; `gone` is the connection's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.gone = connection.gone
        self._buffer = bytearray()
        self._changed = asyncio.Event()  # input, its end, or the loss of the client
        self._writable = asyncio.Event()
        self._writable.set()
        self._reading_paused = False
        self._discarding = False
        self._transport, early, self._eof = connection.take_over(self)
        self._descriptor: int = self._transport.get_extra_info("socket").fileno()
        if early:
            self.data_received(early)
        if self._eof:
            self.eof_received()

    # --- called by the transport ------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._discarding:
            return
        self._buffer += data
        self._changed.set()
        if len(self._buffer) >= BUFFER_BYTES and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._eof = True
        self._changed.set()
        self._connection.hangups.watch(self._descriptor, self._transport.abort)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.hangups.forget(self._descriptor)
        self._eof = True
        self._changed.set()
        self._writable.set()
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # --- called by the bridge ---------------------------------------------------------------

    async def read(self) -> bytes:
        """Some bytes from the client; b"" once it has shut down its writing side."""
        while not self._buffer:
            if self._eof:
                return b""
            self._changed.clear()
            await self._changed.wait()
        data = bytes(self._buffer[:READ_BYTES])
        del self._buffer[: len(data)]
        if len(self._buffer) < BUFFER_BYTES // 2:
            self._resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Raises ConnectionResetError when the client is gone."""
        if self._transport.is_closing():
            raise ConnectionResetError("client went away")
        self._transport.write(data)
        await self._writable.wait()

    def discard_input(self) -> None:
        """Nobody wants stdin any more: read and drop it, so that its end is still seen."""
        self._discarding = True
        self._buffer.clear()
        self._resume_reading()

    async def finish(self) -> None:
        """End of output: flush, shut down our side, wait a little for the client to close."""
        self.discard_input()
        if not self._transport.is_closing() and self._transport.can_write_eof():
            with suppress(OSError):
                self._transport.write_eof()
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    while not self._eof:
                        self._changed.clear()
                        await self._changed.wait()
        self._transport.close()

    def close(self) -> None:
        self._transport.close()

    def _resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()


def content_type(call: Call, *, tty: bool) -> str:
    return MULTIPLEXED if not tty and call.version >= MULTIPLEXED_SINCE else RAW


async def upgrade(call: Call, *, tty: bool) -> RawStream:
    """Answer 101 (200 to a client that didn't ask for an upgrade) and take the socket over."""
    kind = content_type(call, tty=tty)
    stream = RawStream(call.connection)
    if call.request.headers.get("Upgrade"):
        head = (
            f"HTTP/1.1 101 UPGRADED\r\nContent-Type: {kind}\r\n"
            "Connection: Upgrade\r\nUpgrade: tcp\r\n"
        )
    else:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in call.base_headers.items())
    await stream.write(f"{head}\r\n".encode())
    return stream


async def bridge(stream: ClientEnd, session: Session) -> None:
    """Carry bytes both ways until the output ends or the client is gone. Closes the stream."""
    inbound = asyncio.ensure_future(_inbound(stream, session))
    try:
        with suppress(ConnectionError):
            await while_connected(stream.gone, _outbound(stream, session))
            await stream.finish()
    finally:
        inbound.cancel()
        await asyncio.wait({inbound})
        stream.close()


async def _outbound(stream: ClientEnd, session: Session) -> None:
    while data := await session.read():
        await stream.write(data)


async def _inbound(stream: ClientEnd, session: Session) -> None:
    try:
        while data := await stream.read():
            await session.write(data)
        await session.close_stdin()
    except (OSError, SampanError) as error:
        # The process ended or closed its stdin: its output may still be on the way.
        log.debug("stdin ended early: %s", error)
        stream.discard_input()
