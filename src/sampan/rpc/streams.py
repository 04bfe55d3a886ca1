"""One gRPC call on an HTTP/2 connection, seen from either end: messages in, messages out.

Bytes are acknowledged to the other side while little waits to be read, so that a slow reader holds
up its own stream and nothing else. Sending waits for both flow control windows and for the socket.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Protocol

from sampan.errors import SampanError
from sampan.rpc.calls import CallFailed, SessionLost
from sampan.rpc.framing import BadFrame, Deframer, Headers, frame, read_trailers
from sampan.wire.buildkit.common import Code, Status

WAITING_BYTES = 1 << 20  # read but not taken, at which the other side is no longer encouraged


class Link(Protocol):
    """What a stream needs of its connection."""

    async def room(self, stream_id: int) -> int:
        """Wait until this stream may send; how much."""
        ...

    def write_data(self, stream_id: int, data: bytes, *, end: bool) -> None: ...
    def write_headers(self, stream_id: int, headers: Headers, *, end: bool) -> None: ...
    def acknowledge(self, stream_id: int, size_bytes: int) -> None: ...


class Stream:
    """`headers` are the first ones that came; lower-case names, of equal ones the last."""

    def __init__(self, link: Link, stream_id: int) -> None:
        self.id = stream_id
        self.headers: Mapping[str, str] = {}
        self._pairs: Headers = []
        self._link = link
        self._deframer = Deframer()
        self._messages: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._unacknowledged = 0
        self._changed = asyncio.Event()
        self._ended = False
        self._status: Status | None = None
        self._failure: SampanError | None = None

    @property
    def over(self) -> bool:
        """The other side is done with it, one way or another."""
        return self._ended or self._failure is not None

    def values(self, name: str) -> list[str]:
        """All values of a header."""
        return [value for key, value in self._pairs if key == name]

    # --- called by the connection -----------------------------------------------------------

    def on_headers(self, pairs: Headers) -> None:
        headers = dict(pairs)
        if not self.headers:
            self.headers = headers
            self._pairs = pairs
        if "grpc-status" in headers:
            self._status = read_trailers(headers)

    def on_data(self, data: bytes, size_bytes: int) -> None:
        self._unacknowledged += size_bytes
        try:
            found = self._deframer.feed(data)
        except BadFrame as error:
            self.on_failure(error)
            return
        for message in found:
            self._messages.append(message)
            self._waiting_bytes += len(message)
        self._acknowledge()
        self._changed.set()

    def on_end(self) -> None:
        self._ended = True
        self._changed.set()

    def on_failure(self, error: SampanError) -> None:
        if self._failure is None and not self._ended:
            self._failure = error
        self._changed.set()

    # --- called by whoever makes or serves the call -----------------------------------------

    async def receive(self) -> bytes | None:
        while not self._messages:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                if self._status is not None and self._status.code != Code.OK:
                    raise CallFailed(self._status)
                return None
            self._changed.clear()
            await self._changed.wait()
        message = self._messages.popleft()
        self._waiting_bytes -= len(message)
        self._acknowledge()
        return message

    async def send(self, message: bytes) -> None:
        """Raises SessionLost, or CallFailed when the other side has ended the call."""
        rest = memoryview(frame(message))
        while rest:
            size = min(await self._link.room(self.id), len(rest))
            self._check_writable()
            self._link.write_data(self.id, bytes(rest[:size]), end=False)
            rest = rest[size:]

    async def finish(self) -> None:
        if not self.over:  # a server that has answered may have closed our side too
            self._link.write_data(self.id, b"", end=True)

    def _check_writable(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._status is not None and self._ended:
            raise CallFailed(self._status) if self._status.code else SessionLost()

    def _acknowledge(self) -> None:
        if self._unacknowledged and self._waiting_bytes < WAITING_BYTES:
            size, self._unacknowledged = self._unacknowledged, 0
            self._link.acknowledge(self.id, size)
