"""The event loop of a monitor: one thread, poll(2), timers, children.

`Loop` calls a handler with the events of its descriptor. A descriptor that a handler forgets gets
no more events, not even those of the same round (its number may belong to another file by then).
`Children` is the one place that waits for child processes: those spawned here and, because the
monitor is a subreaper, those that the OCI runtime left behind.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` would load enum, see plainjson
import os
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Handler = Callable[[int], object]

READ = select.POLLIN
WRITE = select.POLLOUT
HUNG = select.POLLHUP | select.POLLERR | select.POLLNVAL


class Loop:
    def __init__(self) -> None:
        self._poll = select.poll()
        self._handlers: dict[int, Handler] = {}
        self._forgotten: set[int] = set()
        self._timers: dict[int, tuple[float, Callable[[], None]]] = {}
        self._serial = 0
        self.running = True

    def watch(self, fd: int, events: int, handler: Handler) -> None:
        self._poll.register(fd, events)
        self._handlers[fd] = handler

    def change(self, fd: int, events: int) -> None:
        if fd in self._handlers:
            self._poll.modify(fd, events)

    def forget(self, fd: int) -> None:
        if self._handlers.pop(fd, None) is not None:
            self._poll.unregister(fd)
            self._forgotten.add(fd)

    def later(self, seconds: float, callback: Callable[[], None]) -> int:
        """Call once after `seconds`; the number returned goes to `cancel`."""
        self._serial += 1
        self._timers[self._serial] = (time.monotonic() + seconds, callback)
        return self._serial

    def cancel(self, timer: int) -> None:
        self._timers.pop(timer, None)

    def run(self) -> None:
        while self.running:
            ready = self._poll.poll(self._wait_ms())
            self._forgotten.clear()
            for fd, events in ready:
                if fd not in self._forgotten:
                    self._handlers[fd](events)
            self._fire()

    def _wait_ms(self) -> int | None:
        if not self._timers:
            return None
        first = min(when for when, _ in self._timers.values())
        return max(0, int((first - time.monotonic()) * 1000) + 1)

    def _fire(self) -> None:
        if not self._timers:
            return
        now = time.monotonic()
        for serial, (when, callback) in list(self._timers.items()):
            if when <= now and self._timers.pop(serial, None) is not None:
                callback()


class Children:
    """Statuses of children by pid: the exit code, or 128 + n for signal n."""

    def __init__(self, loop: Loop) -> None:
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._strays: dict[int, int] = {}
        self._launching = 0
        self._wake, wake_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        _signal.signal(_signal.SIGCHLD, lambda *_: None)
        _signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
        loop.watch(self._wake, READ, self._reap)

    def launching(self, change: int) -> None:
        """+1 before a runtime is started whose child's pid isn't known yet, -1 after."""
        self._launching += change
        if not self._launching:
            self._strays.clear()

    def expect(self, pid: int, callback: Callable[[int], None]) -> None:
        """Call `callback` with the status of child `pid`, at once if it's already known."""
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # reaped before the runtime told us its pid
            callback(self._strays.pop(pid, 255))
        else:
            self._callbacks[pid] = callback

    def _reap(self, _events: int) -> None:
        try:
            os.read(self._wake, 4096)
        except BlockingIOError:
            pass
        while True:
            try:
                pid, raw = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(raw)
            status = code if code >= 0 else 128 - code
            callback = self._callbacks.pop(pid, None)
            if callback is not None:
                callback(status)
            elif self._launching:
                self._strays[pid] = status
