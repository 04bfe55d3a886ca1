"""The standard streams of one process: pipes or a terminal, the log, attached clients, stdin.

    container --pipe/pty--> Source --> log file
                                   \\-> outlets (one a client, 8-byte frames unless terminal)
    clients --> Stdin --pipe/pty--> container

Invariants: what a client gets is what was read after it attached, in order; the log gets
everything; reading stops only while an outlet (outlet.py) or the log (remote.py) holds back.
"""

from __future__ import annotations

import _socket
import _struct
import os
import termios

from sampan.runtime.monitor.loop import READ, WRITE, Loop
from sampan.runtime.monitor.outlet import Outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.runtime.monitor.logs import Log
    from sampan.runtime.monitor.loop import Handler

STDOUT, STDERR = 1, 2
CHUNK_BYTES = 1 << 16  # a pipe's capacity
DRAIN_READS = 64  # a pipe grown to 1 MiB, and more; a writer that's still there must not hold us
STDIN_BYTES = 1 << 16  # of stdin in memory; more isn't taken from the clients
_NAMES = {STDOUT: "stdout", STDERR: "stderr"}
_HEADER = _struct.Struct(">BxxxL")  # Docker's stream frame


def _nothing() -> None:
    return


class Stdin:
    """Writes to the process without ever blocking."""

    def __init__(self, loop: Loop, fd: int) -> None:
        os.set_blocking(fd, False)
        self._loop = loop
        self._fd = fd
        self._buffer = bytearray()
        self._closing = False
        self.changed: Callable[[], object] = _nothing
        loop.watch(fd, 0, self._ready)

    @property
    def has_room(self) -> bool:
        return self._fd < 0 or len(self._buffer) < STDIN_BYTES

    def write(self, data: bytes) -> None:
        if self._fd >= 0 and not self._closing:
            self._buffer += data
            self._flush()

    def end(self) -> None:
        """Close once everything is written."""
        self._closing = True
        self._flush()

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.forget(self._fd)
            os.close(self._fd)
            self._fd = -1
            self._buffer.clear()

    def _ready(self, events: int) -> None:
        if events & WRITE and self._buffer:
            self._flush()
        elif events & ~WRITE:  # nobody reads any more
            self.close()
        self.changed()

    def _flush(self) -> None:
        if self._fd < 0:
            return
        try:
            while self._buffer:
                del self._buffer[: os.write(self._fd, self._buffer)]
        except BlockingIOError:
            self._loop.change(self._fd, WRITE)
            return
        except OSError:
            self.close()
            return
        if self._closing:
            self.close()
        else:
            self._loop.change(self._fd, 0)


class Stdio:
    """Made before the process, connected by `started`, ended by `drain`."""

    def __init__(
        self,
        loop: Loop,
        *,
        terminal: bool,
        open_stdin: bool,
        stdin_once: bool,
        log: Log | None,
        spool_dir: str,
    ) -> None:
        self.terminal = terminal
        self.outlets: list[Outlet] = []
        self.finished = False
        self.on_change: Callable[[], object] = _nothing  # the output ended, or a client went
        self._loop = loop
        self._stdin_once = stdin_once and not terminal
        self._open_stdin = open_stdin
        self._log = log
        self._spool_dir = spool_dir
        self._stdin: Stdin | None = None
        self._sources: dict[int, int] = {}  # descriptor -> stream
        self._master = -1
        self._size = (0, 0)
        self._held = False
        self._child_ends: tuple[int, ...] = ()
        self._pipes: dict[int, int] = {}
        self._make_pipes()

    def _make_pipes(self) -> None:
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        self._pipes[STDERR] = err_read
        if self.terminal:  # only the runtime itself writes here
            self._child_ends = (null, os.dup(null), err_write)
            return
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        self._pipes[STDOUT] = out_read
        stdin = null
        if self._open_stdin:
            os.close(null)
            stdin, stdin_write = os.pipe2(os.O_CLOEXEC)
            self._set_stdin(Stdin(self._loop, stdin_write))
        self._child_ends = (stdin, out_write, err_write)

    def _set_stdin(self, stdin: Stdin) -> None:
        self._stdin = stdin
        stdin.changed = self._input_wanted

    @property
    def child_ends(self) -> tuple[int, ...]:
        """Descriptors for 0, 1 and 2 of the runtime."""
        return self._child_ends

    def close_child_ends(self) -> None:
        for fd in self._child_ends:
            os.close(fd)
        self._child_ends = ()

    def started(self, master: int) -> None:
        """The process exists: take its output. `master` is the pty, or -1."""
        self.close_child_ends()
        if self.terminal:
            os.close(self._pipes.pop(STDERR))
            self._master = master
            self._pipes[STDOUT] = master
            self._set_stdin(Stdin(self._loop, os.dup(master)))
            self.resize(*self._size)
        for stream, fd in self._pipes.items():
            os.set_blocking(fd, False)
            self._sources[fd] = stream
            self._loop.watch(fd, READ, self._reader(fd))
        self._pipes = {}
        self._input_wanted()

    def failed(self) -> str:
        """The process won't come: close all; returns what the runtime said."""
        self.close_child_ends()
        fd = self._pipes[STDERR]
        os.set_blocking(fd, False)
        try:
            text = os.read(fd, CHUNK_BYTES)
        except BlockingIOError:
            text = b""
        for pipe in self._pipes.values():
            os.close(pipe)
        self._pipes = {}
        self._finish()
        return text.decode("utf-8", "replace").strip()

    def attach(self, sock: _socket.socket, *, streams: frozenset[int], stdin: bool) -> Outlet:
        """A new client; nothing is sent to it before its `start`."""
        outlet = Outlet(
            self._loop,
            sock,
            streams=streams,
            spool_dir=self._spool_dir,
            changed=self._outlet_changed,
        )
        self.outlets.append(outlet)
        if self.finished:
            outlet.finish()
            return outlet
        if stdin and self._open_stdin:
            outlet.on_input = self._input
            outlet.read_input(self._stdin is not None and self._stdin.has_room)
        return outlet

    def resize(self, rows: int, columns: int) -> None:
        """Set the terminal's size; before the start it's kept."""
        self._size = (rows, columns)
        if self._master >= 0 and rows and columns:
            termios.tcsetwinsize(self._master, (rows, columns))

    @property
    def ended(self) -> bool:
        """No output will come any more."""
        return not self._sources

    def drain(self) -> bool:
        """Take what is there whatever the clients do; True when all sources have ended."""
        for fd in list(self._sources):
            for _ in range(DRAIN_READS):
                if fd not in self._sources or not self._read(fd):
                    break
        return not self._sources

    def finish(self) -> None:
        """End everything; clients that haven't read it all are served on until they have."""
        for fd in list(self._sources):
            self._end_source(fd)
        if self._log is not None:
            self._log.close()
            self._log = None
        self._finish()

    def _finish(self) -> None:
        self.finished = True
        if self._stdin is not None:
            self._stdin.close()
        for outlet in list(self.outlets):
            outlet.finish()

    def _reader(self, fd: int) -> Handler:
        return lambda _events: self._read(fd)

    def _read(self, fd: int) -> bool:
        """One read(2); False when there was nothing."""
        try:
            data = os.read(fd, CHUNK_BYTES)
        except BlockingIOError:
            return False
        except OSError:  # EIO: the last user of the terminal is gone
            data = b""
        if not data:
            self._end_source(fd)
            return False
        self._spread(self._sources[fd], data)
        return True

    def _spread(self, stream: int, data: bytes) -> None:
        if self._log is not None:
            self._log.write(_NAMES[stream], data)
        if self.outlets:
            framed = data if self.terminal else _HEADER.pack(stream, len(data)) + data
            for outlet in list(self.outlets):
                if stream in outlet.streams:
                    outlet.push(framed)
        self._hold()

    def log_changed(self) -> None:
        """The log may take more than it did."""
        self._hold()

    def _hold(self) -> None:
        held = any(outlet.holds_back for outlet in self.outlets) or (
            self._log is not None and self._log.holds_back
        )
        if held != self._held:
            self._held = held
            for fd in self._sources:
                self._loop.change(fd, 0 if held else READ)

    def _end_source(self, fd: int) -> None:
        del self._sources[fd]
        self._loop.forget(fd)
        os.close(fd)
        if fd == self._master:
            self._master = -1
        if not self._sources:
            self.on_change()

    def _outlet_changed(self, outlet: Outlet) -> None:
        if outlet.closed and outlet in self.outlets:
            self.outlets.remove(outlet)
            self.on_change()
        self._hold()

    def _input(self, data: bytes) -> None:
        if self._stdin is None:
            return
        if data:
            self._stdin.write(data)
        elif self._stdin_once:
            self._stdin.end()
        self._input_wanted()

    def _input_wanted(self) -> None:
        wanted = self._stdin is not None and self._stdin.has_room
        for outlet in self.outlets:
            outlet.read_input(wanted)
