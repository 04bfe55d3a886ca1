"""A blocking stream to an engine under an asyncio protocol.

The client's streams (unix, TCP, TLS over memory buffers) block. gRPC needs both directions at once,
so two threads move the bytes:

    stream.recv   -> reading thread -> loop -> protocol.data_received
    protocol -> transport.write     -> queue -> writing thread -> stream.sendall

More than `HIGH_BYTES` waiting to be sent pauses the protocol, less than half of that resumes it.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sampan.client.api import Hijacked
    from sampan.client.transport import Stream

HIGH_BYTES = 4 << 20
_READ_BYTES = 256 << 10


class BridgedTransport(asyncio.Transport):
    """Starts with `start`; ends itself when either side does."""

    def __init__(self, stream: Stream, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._stream = stream
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._waiting_bytes = 0
        self._paused = False
        self._closing = False
        self._lost = False
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._read, self._write)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self._closing or not data:
            return
        self._waiting_bytes += len(data)
        self._outgoing.put(bytes(data))
        if self._waiting_bytes > HIGH_BYTES and not self._paused:
            self._paused = True
            self._protocol.pause_writing()

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """What was written still goes out."""
        if not self._closing:
            self._closing = True
            self._outgoing.put(None)

    def _read(self) -> None:
        try:
            while data := self._stream.recv(_READ_BYTES):
                self._call(self._received, data)
        except OSError:
            pass  # the same as an end: the calls that are open tell it
        self._call(self._end)

    def _write(self) -> None:
        try:
            while (data := self._outgoing.get()) is not None:
                self._stream.sendall(data)
                self._call(self._written, len(data))
        except OSError:
            pass  # the reading side ends too
        self._stream.abort()

    def _call(self, function: Any, *arguments: object) -> None:
        """On the loop, unless that has ended before the thread."""
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            return

    def _received(self, data: bytes) -> None:
        if not self._lost:
            self._protocol.data_received(data)

    def _written(self, size_bytes: int) -> None:
        self._waiting_bytes -= size_bytes
        if self._paused and self._waiting_bytes < HIGH_BYTES // 2:
            self._paused = False
            self._protocol.resume_writing()

    def _end(self) -> None:
        self.close()
        if not self._lost:
            self._lost = True
            self._protocol.connection_lost(None)


class Switched:
    """See rpc.connection.Upgraded: a stream that the engine has switched to HTTP/2."""

    def __init__(self, hijacked: Hijacked) -> None:
        self._hijacked = hijacked
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take_over(self, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, bytes, bool]:
        transport = BridgedTransport(self._hijacked.stream, protocol)
        transport.start()
        return transport, self._hijacked.early, False

    def connection_lost(self, exc: Exception | None, /) -> None:
        if not self.gone.done():
            self.gone.set_result(None)
