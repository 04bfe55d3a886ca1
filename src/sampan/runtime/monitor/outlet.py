"""One attached client: what it still has to be sent, and what it sends as stdin.

A client that reads slowly makes the container wait once `MEMORY_BYTES` are queued, so that it
gets everything; one that reads nothing at all for `STALL_S` holds nobody up any longer: what it
hasn't read goes to an unlinked spool file, and beyond `SPOOL_BYTES` the client is cut off.
The socket carries output (framed, unless there's a terminal) one way and plain stdin the other.
"""

from __future__ import annotations

import _socket
import os
import time

from sampan.runtime.monitor.loop import HUNG, READ, WRITE, Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY_BYTES = 1 << 20
SPOOL_BYTES = 256 << 20
STALL_S = 5.0
LINGER_S = 600.0  # after the container's end a client may read nothing for this long
CHUNK_BYTES = 1 << 16


class Outlet:
    """Owns `sock`. `streams` names the outputs wanted (1, 2); `stdin` takes what arrives."""

    def __init__(
        self,
        loop: Loop,
        sock: _socket.socket,
        *,
        streams: frozenset[int],
        spool_dir: str,
        changed: Callable[[Outlet], None],
    ) -> None:
        self.streams = streams
        self.closed = False
        self.on_input: Callable[[bytes], None] | None = None
        self._loop = loop
        self._sock = sock
        self._spool_dir = spool_dir
        self._changed = changed
        self._queue: list[bytes] = []
        self._queued = 0
        self._spool = -1
        self._spool_read = self._spool_written = 0
        self._progress = time.monotonic()
        self._timer = 0
        self._started = False
        self._finishing = False
        self._reading = False
        self._parked = False
        loop.watch(sock.fileno(), 0, self._ready)

    @property
    def holds_back(self) -> bool:
        """The source should wait for this client."""
        return not self.closed and self._queued > MEMORY_BYTES and self._spool < 0

    def start(self) -> None:
        """From now on data may be sent (the reply to the request has been)."""
        self._started = True
        self._flush()

    def read_input(self, wanted: bool) -> None:
        """Whether stdin is to be taken from this client at the moment."""
        self._reading = wanted and self.on_input is not None
        if self._parked and self._reading:
            self._parked = False
            self._loop.watch(self._sock.fileno(), READ, self._ready)
        self._arm()

    def push(self, data: bytes) -> None:
        if self.closed:
            return
        if self._spool >= 0:
            self._push_spool(data)
            return
        self._queue.append(data)
        self._queued += len(data)
        self._flush()
        if self.holds_back and not self._timer:
            self._timer = self._loop.later(STALL_S, self._check_stall)

    def finish(self) -> None:
        """No more output: close when all is sent."""
        if not self.closed and not self._finishing:
            self._finishing = True
            self._loop.cancel(self._timer)
            self._timer = self._loop.later(LINGER_S, self._check_linger)
            self._flush()

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._loop.cancel(self._timer)
        self._loop.forget(self._sock.fileno())
        self._discard_input()
        self._sock.close()
        if self._spool >= 0:
            os.close(self._spool)
        self._queue.clear()
        self._changed(self)

    def _discard_input(self) -> None:
        """Closing with unread input would reach the client as a reset, before its last bytes."""
        try:
            self._sock.shutdown(_socket.SHUT_RD)
            while self._sock.recv(CHUNK_BYTES):
                continue
        except OSError:
            return

    def _ready(self, events: int) -> None:
        if events & READ:
            self._receive()
        if not self.closed and events & WRITE:
            self._flush()
        if not self.closed and events & HUNG and not self._reading:
            self._output_broken()

    def _receive(self) -> None:
        try:
            data = self._sock.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data and self.on_input is not None:
            self.on_input(data)
        else:
            self._end_input()

    def _output_broken(self) -> None:
        """The client is gone; what it had sent as stdin is still taken, when there's room."""
        self.streams = frozenset()
        self._queue.clear()
        self._queued = 0
        if self.on_input is None or self._finishing:
            self.close()
        elif not self._reading and not self._parked:
            self._parked = True
            self._loop.forget(self._sock.fileno())
        self._changed(self)

    def _end_input(self) -> None:
        sink, self.on_input = self.on_input, None
        self._reading = False
        self._arm()
        if sink is not None:
            sink(b"")

    def _arm(self) -> None:
        if not self.closed:
            events = READ if self._reading else 0
            if self._started and (self._queue or self._spool_written > self._spool_read):
                events |= WRITE
            self._loop.change(self._sock.fileno(), events)

    def _flush(self) -> None:
        if not self._started or self.closed:
            return
        held = self.holds_back
        try:
            self._send()
        except BlockingIOError:
            pass
        except OSError:
            self._output_broken()
            return
        if self._finishing and not self._queue and self._spool < 0:
            self.close()
            return
        self._arm()
        if held and not self.holds_back:
            self._changed(self)

    def _send(self) -> None:
        while self._queue or self._refill():
            sent = self._sock.send(self._queue[0])
            self._progress = time.monotonic()
            self._queued -= sent
            if sent == len(self._queue[0]):
                self._queue.pop(0)
            else:
                self._queue[0] = self._queue[0][sent:]

    def _check_stall(self) -> None:
        self._timer = 0
        if not self.holds_back:
            return
        idle_s = time.monotonic() - self._progress
        if idle_s < STALL_S:
            self._timer = self._loop.later(STALL_S - idle_s, self._check_stall)
            return
        try:
            self._spool = os.open(self._spool_dir, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError:
            self.close()
            return
        self._changed(self)

    def _check_linger(self) -> None:
        idle_s = time.monotonic() - self._progress
        if idle_s < LINGER_S:
            self._timer = self._loop.later(LINGER_S - idle_s, self._check_linger)
        else:
            self.close()

    def _push_spool(self, data: bytes) -> None:
        try:
            os.pwrite(self._spool, data, self._spool_written)
        except OSError:
            self.close()
            return
        self._spool_written += len(data)
        if self._spool_written > SPOOL_BYTES:
            self.close()
            return
        self._arm()

    def _refill(self) -> bool:
        """Take the next piece of the spool into memory; drop the spool when it's read."""
        if self._spool < 0:
            return False
        data = os.pread(self._spool, CHUNK_BYTES, self._spool_read)
        if not data:
            os.close(self._spool)
            self._spool = -1
            self._spool_read = self._spool_written = 0
            return False
        self._spool_read += len(data)
        self._queue.append(data)
        self._queued += len(data)
        return True
