"""A log that a receiver keeps (syslog, journald): lines wait in a bounded queue to be sent.

When the queue is full the container waits, as with Docker, but not for ever: a receiver that has
taken nothing for `STALL_S` holds nobody up any longer; lines are dropped until it takes some again.
In non-blocking mode lines are dropped at once when the queue is full. What is left in the queue at
the container's end is offered for `LINGER_S` more.
"""

from __future__ import annotations

import time
from _collections import deque  # type: ignore[import-not-found]  # see loop

from sampan.runtime.monitor.lines import Cutter
from sampan.runtime.monitor.loop import Loop
from sampan.runtime.monitor.uplink import Uplink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.runtime.monitor.journald import Journal
    from sampan.runtime.monitor.syslog import Syslog

STALL_S = 5.0
LINGER_S = 5.0


def _nothing() -> None:
    return


class RemoteLog:
    """`changed` is called when `holds_back` or `pending` may have become False."""

    def __init__(
        self,
        loop: Loop,
        settings: dict[str, object],
        encoder: Syslog | Journal,
        changed: Callable[[], object] = _nothing,
    ) -> None:
        self._loop = loop
        self._encoder = encoder
        self._changed = changed
        self._limit = int(str(settings["buffer_bytes"]))
        self._drops = bool(settings["drops"])
        self._cutters = {"stdout": Cutter(), "stderr": Cutter()}
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._offset = 0  # what a stream has taken of the first message
        self._stalled = False
        self._progress = time.monotonic()
        self._timer = 0
        self._closing = False
        self._uplink = Uplink(loop, settings, self._send)
        self._uplink.connect()

    @property
    def holds_back(self) -> bool:
        """The container should wait."""
        return self._full and not (self._drops or self._stalled or self._closing)

    @property
    def pending(self) -> bool:
        """Not everything has been sent, and there is still hope."""
        return self._closing and bool(self._queue)

    @property
    def _full(self) -> bool:
        return self._queued > self._limit

    def write(self, stream: str, data: bytes) -> None:
        for piece in self._cutters[stream].feed(data):
            self._add(stream, piece)
        self._send()
        if self._full and not self._timer and not self._stalled:
            self._progress = time.monotonic()
            self._timer = self._loop.later(STALL_S, self._check_stall)

    def flush(self) -> None:
        """Send the last lines of streams that ended without a newline."""
        for stream, cutter in self._cutters.items():
            if cutter.rest:
                self._add(stream, cutter.rest + b"\n")
                cutter.rest = b""
        self._send()

    def close(self) -> None:
        self.flush()
        self._closing = True
        self._loop.cancel(self._timer)
        if self._queue:
            self._timer = self._loop.later(LINGER_S, self._end)
        else:
            self._end()

    def _add(self, stream: str, piece: bytes) -> None:
        if self._full and (self._drops or self._stalled):
            return
        message = self._encoder.encode(stream, piece)
        self._queue.append(message)
        self._queued += len(message)

    def _send(self) -> None:
        held = self.holds_back
        while self._queue:
            message = self._queue[0]
            if not self._uplink.up:
                self._offset = 0  # a new connection begins with a whole message
                break
            taken = self._uplink.send(memoryview(message)[self._offset :])
            if not taken:
                break
            self._stalled = False
            self._progress = time.monotonic()
            self._offset += taken
            if self._offset >= len(message):
                self._offset = 0
                self._queued -= len(message)
                self._queue.popleft()
        if self._closing and not self._queue:
            self._end()
        elif held and not self.holds_back:
            self._changed()

    def _check_stall(self) -> None:
        self._timer = 0
        if not self._full:
            return
        idle_s = time.monotonic() - self._progress
        if idle_s < STALL_S:
            self._timer = self._loop.later(STALL_S - idle_s, self._check_stall)
            return
        self._stalled = True
        self._changed()

    def _end(self) -> None:
        self._loop.cancel(self._timer)
        self._queue.clear()
        self._queued = 0
        self._uplink.close()
        self._changed()
