"""A connection to a log receiver that may be away: made, lost and made again, never waited for.

    down --connect--> connecting --[TLS handshake]--> up --error, peer closed--> down, and again

Names are resolved in a thread, because that blocks. `send` works while the link is up. It gives 0
when the receiver takes nothing now or the link went down; `on_room` is called when it's worth
trying again.
"""

from __future__ import annotations

import _socket
import errno
import os

from sampan.runtime.monitor.loop import READ, WRITE, Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from sampan.runtime.monitor.tls import Encrypted

    Where = tuple[int, int, Any]  # family, type, address

FIRST_RETRY_S, LAST_RETRY_S = 0.1, 5.0
CONNECT_S = 10.0
NO_BUFFER_S = 0.05
_FLAGS = _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
_TYPES = {  # for unix the second one is tried if the receiver's socket isn't of the first
    "unix": (_socket.SOCK_STREAM, _socket.SOCK_DGRAM),
    "unixgram": (_socket.SOCK_DGRAM, _socket.SOCK_STREAM),
    "journal": (_socket.SOCK_DGRAM,),
    "udp": (_socket.SOCK_DGRAM,),
    "tcp": (_socket.SOCK_STREAM,),
    "tcp+tls": (_socket.SOCK_STREAM,),
}


class Uplink:
    """`settings`: network, paths or host and port, tls; see runtime.task_spec.RemoteLog."""

    def __init__(
        self, loop: Loop, settings: dict[str, object], on_room: Callable[[], None]
    ) -> None:
        self.up = False
        self.is_stream = False
        self._loop = loop
        self._settings = settings
        self._network = str(settings["network"])
        self._on_room = on_room
        self._sock: _socket.socket | Encrypted | None = None
        self._encrypted: Encrypted | None = None
        self._candidates: list[Where] = []
        self._timer = 0
        self._retry_s = FIRST_RETRY_S
        self._closed = False

    def send(self, data: bytes | memoryview) -> int:
        """Bytes taken: of a datagram all or none."""
        if self._sock is None or not self.up:
            return 0
        try:
            return self._sock.send(data)
        except BlockingIOError:
            self._watch(READ | WRITE)
            return 0
        except OSError as error:
            return self._not_sent(error, data)

    def _not_sent(self, error: OSError, data: bytes | memoryview) -> int:
        if error.errno in {errno.ENOBUFS, errno.ENOMEM} and self._network != "journal":
            self._loop.later(NO_BUFFER_S, self._on_room)
            return 0
        if error.errno in {errno.EMSGSIZE, errno.ENOBUFS}:
            return self._send_large(data)
        if error.errno == errno.ECONNREFUSED and self._network == "udp":
            return len(data)  # word that an earlier one found nobody: UDP promises nothing
        self._down()
        return 0

    def _send_large(self, data: bytes | memoryview) -> int:
        if self._network == "journal":
            from sampan.runtime.monitor import journald

            assert isinstance(self._sock, _socket.socket)
            try:
                journald.send_large(self._sock, data)
            except BlockingIOError:
                self._watch(READ | WRITE)
                return 0
            except OSError:
                self._down()
                return 0
        return len(data)  # for syslog it's lost: no receiver takes it

    def close(self) -> None:
        self._closed = True
        self._loop.cancel(self._timer)
        self._drop()

    # -- connecting

    def connect(self) -> None:
        self._timer = 0
        if "paths" not in self._settings:
            self._resolve()
            return
        paths = self._settings["paths"]
        assert isinstance(paths, list)
        kinds = _TYPES[self._network]
        self._candidates = [(_socket.AF_UNIX, kind, path) for path in paths for kind in kinds]
        self._try_next()

    def _resolve(self) -> None:
        import _thread

        host, port = str(self._settings["host"]), int(str(self._settings["port"]))
        kind = _TYPES[self._network][0]
        done, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        found: list[Where] = []

        def work() -> None:
            try:
                for family, _, _, _, address in _socket.getaddrinfo(host, port, 0, kind):
                    found.append((family, kind, address))
            except (OSError, UnicodeError):
                found.clear()
            finally:
                os.close(wake)

        def resolved(_events: int) -> None:
            self._loop.forget(done)
            os.close(done)
            if not self._closed:
                self._candidates = found
                self._try_next()

        self._loop.watch(done, READ, resolved)
        _thread.start_new_thread(work, ())

    def _try_next(self) -> None:
        while self._candidates:
            family, kind, address = self._candidates.pop(0)
            try:
                sock = _socket.socket(family, kind | _FLAGS)
            except OSError:  # no IPv6 here
                continue
            sock.setblocking(False)
            failure = sock.connect_ex(address)  # EAGAIN: a unix socket whose backlog is full
            if failure not in {0, errno.EINPROGRESS}:
                sock.close()
                continue
            self._sock = sock
            self.is_stream = kind == _socket.SOCK_STREAM
            self._timer = self._loop.later(CONNECT_S, self._down)
            self._loop.watch(sock.fileno(), WRITE, self._ready)
            return
        self._later()

    def _later(self) -> None:
        self._loop.cancel(self._timer)
        if not self._closed:
            self._timer = self._loop.later(self._retry_s, self.connect)
            self._retry_s = min(self._retry_s * 2, LAST_RETRY_S)

    def _progress(self) -> None:
        """The connection is there, or failed, or the handshake may go on."""
        if isinstance(self._sock, _socket.socket):
            if self._sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR):
                self._drop()
                self._try_next()
                return
            if self._network == "tcp+tls" and not self._encrypt(self._sock):
                self._down()
                return
        if self._encrypted is not None:
            try:
                wanted = self._encrypted.handshake()
            except OSError:  # ssl.SSLError is one: a certificate that isn't trusted
                self._down()
                return
            if wanted:
                self._watch(wanted)
                return
        self._loop.cancel(self._timer)
        self._retry_s = FIRST_RETRY_S
        self.up = True
        self._watch(READ)
        self._on_room()

    def _encrypt(self, sock: _socket.socket) -> bool:
        from sampan.runtime.monitor import tls  # large, and rarely asked for

        wanted = self._settings["tls"]
        assert isinstance(wanted, dict)
        self._loop.forget(sock.fileno())
        self._sock = None
        try:
            self._encrypted = tls.wrap(sock.detach(), str(self._settings["host"]), wanted)
        except OSError:  # a certificate that can't be read
            return False
        self._sock = self._encrypted
        self._loop.watch(self._sock.fileno(), WRITE, self._ready)
        return True

    # -- connected

    def _watch(self, events: int) -> None:
        if self._sock is not None:
            self._loop.change(self._sock.fileno(), events)

    def _ready(self, events: int) -> None:
        if not self.up:
            self._progress()
            return
        if events & ~WRITE and not self._peer_is_there():
            self._down()
            return
        if events & WRITE:
            self._watch(READ)
            self._on_room()

    def _peer_is_there(self) -> bool:
        """Take what it says, which nobody wants to know."""
        assert self._sock is not None
        try:
            return bool(self._sock.recv(4096)) or not self.is_stream
        except BlockingIOError:
            return True
        except OSError:
            return self._network == "udp"  # word that an earlier datagram found nobody

    def _drop(self) -> None:
        self.up = False
        if self._sock is not None:
            self._loop.forget(self._sock.fileno())
            self._sock.close()
        self._sock = self._encrypted = None

    def _down(self) -> None:
        self._drop()
        self._later()
