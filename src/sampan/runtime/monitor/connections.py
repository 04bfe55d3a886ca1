"""The monitor's side of its unix socket.

    monitor.sock, in the state folder; also the connection that the zygote passes on.
    client -> {"op": "control"}\\n             then requests and events, one JSON object a line:
                -> {"n": 1, "op": "launch"}    <- {"n": 1, "ok": {...}} | {"n": 1, "error": "..."}
                                               <- {"event": "exit", "code": 0, ...}
    client -> {"op": "attach", ...}\\n         <- {"ok": {}}\\n, then output; stdin the other way
    client -> {"op": "exec", ...}\\n           <- {"ok": {"pid": 1}}\\n, then the same, or
                                              <- {"error": "..."}\\n

A client of attach and exec sends nothing more until it has the answer.
"""

from __future__ import annotations

import _socket

from sampan.runtime.monitor import plainjson
from sampan.runtime.monitor.loop import HUNG, READ, WRITE, Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Request = dict[str, object]

SOCKET_NAME = "monitor.sock"
LINE_BYTES = 4 << 20  # an exec's environment may be large
CHUNK_BYTES = 1 << 16


def send_line(sock: _socket.socket, message: Request) -> None:
    """The answer before a raw stream: small, and the first thing sent, so it fits."""
    try:
        sock.send(plainjson.encode(message).encode() + b"\n")
    except OSError:
        return


class Listener:
    """Accepts clients and gives each, with its first line, to `opened`."""

    def __init__(self, loop: Loop, opened: Callable[[_socket.socket, Request], None]) -> None:
        self._loop = loop
        self._opened = opened
        self._sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        self._sock.setblocking(False)
        self._sock.bind(SOCKET_NAME)
        self._sock.listen(128)
        loop.watch(self._sock.fileno(), READ, self._accept)

    def close(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.forget(self._sock.fileno())
            self._sock.close()

    def _accept(self, _events: int) -> None:
        try:
            fd, _ = self._sock._accept()  # type: ignore[attr-defined]  # noqa: SLF001
        except OSError:
            return
        client = _socket.socket(fileno=fd)
        client.setblocking(False)
        received = bytearray()
        self._loop.watch(fd, READ, lambda _: self._hello(client, received))

    def _hello(self, client: _socket.socket, received: bytearray) -> None:
        try:  # what follows the first line belongs to whoever takes the connection over
            data = client.recv(CHUNK_BYTES, _socket.MSG_PEEK)
            data = client.recv(data.find(b"\n") + 1 or len(data)) if data else b""
        except BlockingIOError:
            return
        except OSError:
            data = b""
        received += data
        if data and not data.endswith(b"\n") and len(received) < LINE_BYTES:
            return
        self._loop.forget(client.fileno())
        try:
            self._opened(client, plainjson.decode(bytes(received)))
        except ValueError:
            client.close()


class Control:
    """A connection of requests and events. `handle(self, request)` answers with `reply`."""

    def __init__(
        self,
        loop: Loop,
        sock: _socket.socket,
        *,
        handle: Callable[[Control, Request], None],
        closed: Callable[[Control], None],
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._handle = handle
        self._on_close = closed
        self._received = bytearray()
        self._unsent = bytearray()
        sock.setblocking(False)
        loop.watch(sock.fileno(), READ, self._ready)

    def send(self, message: Request) -> None:
        self._unsent += plainjson.encode(message).encode() + b"\n"
        self._flush()

    def reply(self, request: Request, **answer: object) -> None:
        self.send({"n": request.get("n", 0), **answer})

    def close(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.forget(self._sock.fileno())
            self._sock.close()
            self._on_close(self)

    def _ready(self, events: int) -> None:
        if events & (READ | HUNG):
            self._receive()
        if events & WRITE:
            self._flush()

    def _receive(self) -> None:
        try:
            data = self._sock.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._received += data
        while (end := self._received.find(b"\n")) >= 0:
            line = bytes(self._received[:end])
            del self._received[: end + 1]
            self._handle(self, plainjson.decode(line))

    def _flush(self) -> None:
        fd = self._sock.fileno()
        if fd < 0:
            return
        try:
            while self._unsent:
                del self._unsent[: self._sock.send(self._unsent)]
        except BlockingIOError:
            self._loop.change(fd, READ | WRITE)
        except OSError:
            self.close()
        else:
            self._loop.change(fd, READ)
