"""A connection to a log receiver that may be away: made, lost and made again, never waited for.

    down --connect--> connecting --[TLS handshake]--> up --error, peer closed--> down (retried)

Names are resolved in a thread, because that blocks. `send` works only while the link is up; it
raises BlockingIOError when the receiver takes nothing now (`on_room` is called when it does again)
and any other OSError after it has taken the link down.
"""

from __future__ import annotations

import _socket
import errno
import os

from sampan.runtime.monitor.loop import READ, WRITE, Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_RETRY_S, LAST_RETRY_S = 0.1, 5.0
CONNECT_S = 10.0
NO_BUFFER_S = 0.05
_FLAGS = _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
_TYPES = {
    "unix": (_socket.SOCK_STREAM, _socket.SOCK_DGRAM),  # the second if the socket is of that type
    "unixgram": (_socket.SOCK_DGRAM, _socket.SOCK_STREAM),
    "udp": (_socket.SOCK_DGRAM,),
    "tcp": (_socket.SOCK_STREAM,),
    "tcp+tls": (_socket.SOCK_STREAM,),
}
_Where = tuple[int, int, object]  # family, type, address


class Uplink:
    """`settings`: network, and paths or host and port, and tls (see runtime.task_spec)."""

    def __init__(self, loop: Loop, settings: dict[str, object], on_room: Callable[[], None]) -> None:
        self.up = False
        self.is_stream = False
        self._loop = loop
        self._settings = settings
        self._network = str(settings["network"])
        self._on_room = on_room
        self._sock: _socket.socket | None = None
        self._candidates: list[_Where] = []
        self._timer = 0
        self._retry_s = FIRST_RETRY_S
        self._handshaking = False
        self._resolving = False
        self._closed = False
        self._connect()

    def send(self, data: bytes) -> int:
        """Bytes taken; of a datagram all or none."""
        assert self._sock is not None
        try:
            return self._sock.send(data)
        except BlockingIOError:
            self._watch(READ | WRITE)
            raise
        except OSError as error:
            self._failed_send(error, data)
            raise

    def _failed_send(self, error: OSError, data: bytes) -> None:
        if error.errno in (errno.ENOBUFS, errno.ENOMEM):
            self._loop.later(NO_BUFFER_S, self._on_room)
            raise BlockingIOError(errno.EAGAIN, "no buffer") from error
        if error.errno == errno.EMSGSIZE and self._network == "journal":
            from sampan.runtime.monitor import journald

            assert self._sock is not None
            journald.send_large(self._sock, data)
            return
        if error.errno == errno.EMSGSIZE:
            return
        self._down()

    def close(self) -> None:
        self._closed = True
        self._loop.cancel(self._timer)
        self._drop()

    # -- connecting

    def _connect(self) -> None:
        self._timer = 0
        if self._network in ("unix", "unixgram"):
            paths = self._settings["paths"]
            assert isinstance(paths, list)
            kinds = _TYPES[self._network]
            self._candidates = [(_socket.AF_UNIX, kind, path) for path in paths for kind in kinds]
            self._try_next()
        else:
            self._resolve()

    def _resolve(self) -> None:
        import _thread

        done, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        found: list[_Where] = []

        def work() -> None:
            try:
                kind = _TYPES[self._network][0]
                for family, _, _, _, address in _socket.getaddrinfo(
                    str(self._settings["host"]), int(str(self._settings["port"])), 0, kind
                ):
                    found.append((family, kind, address))
            except OSError:
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
            sock = _socket.socket(family, kind | _FLAGS)
            try:
                sock.connect(address)
            except BlockingIOError as error:
                if error.errno != errno.EINPROGRESS:  # a unix socket whose backlog is full
                    sock.close()
                    continue
            except OSError:
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
            self._timer = self._loop.later(self._retry_s, self._connect)
            self._retry_s = min(self._retry_s * 2, LAST_RETRY_S)

    def _connected(self) -> None:
        assert self._sock is not None
        if self._sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR):
            self._drop()
            self._try_next()
            return
        if self._network == "tcp+tls" and not self._handshaking:
            from sampan.runtime.monitor import tls  # large, and rarely asked for

            wanted = self._settings["tls"]
            assert isinstance(wanted, dict)
            self._loop.forget(self._sock.fileno())
            try:
                self._sock = tls.wrap(self._sock.detach(), str(self._settings["host"]), wanted)
            except OSError:  # an unreadable certificate
                self._sock = None
                self._down()
                return
            self._handshaking = True
            self._loop.watch(self._sock.fileno(), WRITE, self._ready)
        if self._handshaking and not self._handshake():
            return
        self._loop.cancel(self._timer)
        self._retry_s = FIRST_RETRY_S
        self.up = True
        self._watch(READ)
        self._on_room()

    def _handshake(self) -> bool:
        from sampan.runtime.monitor import tls

        assert self._sock is not None
        try:
            wanted = tls.handshake(self._sock)
        except OSError:
            self._down()
            return False
        if wanted:
            self._watch(wanted)
            return False
        self._handshaking = False
        return True

    # -- connected

    def _watch(self, events: int) -> None:
        if self._sock is not None:
            self._loop.change(self._sock.fileno(), events)

    def _ready(self, events: int) -> None:
        if not self.up:
            self._connected()
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
            return self._network == "udp"  # word that an earlier datagram didn't arrive

    def _drop(self) -> None:
        self.up = False
        self._handshaking = False
        if self._sock is not None:
            self._loop.forget(self._sock.fileno())
            self._sock.close()
            self._sock = None

    def _down(self) -> None:
        self._drop()
        self._later()
