"""Byte streams to an engine: unix sockets, TCP, TCP with TLS.

Built on `_socket` instead of `socket` (which loads `selectors` and `enum`): a listing command
lives for some 20 ms. A stream has `recv`, `sendall`, `shutdown_write`, `abort`, `close` and
`fileno`; `shutdown_write` is the half-close that tells a container "end of stdin" while its output
still comes; `abort` ends both directions, so that a reader in another thread wakes up.
"""

from __future__ import annotations

import _socket

from sampan.client.errors import BadHost, ConnectFailed, NotReachable, SocketRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Stream(Protocol):
        """A connected byte stream, used by one caller at a time in each direction."""

        def recv(self, size: int, /) -> bytes: ...
        def sendall(self, data: bytes, /) -> None: ...
        def shutdown_write(self) -> None: ...
        def abort(self) -> None: ...
        def close(self) -> None: ...
        def fileno(self) -> int: ...


DEFAULT_HOST = "unix:///run/sampan.sock"
PLAIN_PORT = 2375
TLS_PORT = 2376


class TlsFiles:
    """Where the client's TLS material lies; `verify` checks the engine's certificate."""

    __slots__ = ("ca", "certificate", "key", "verify")

    def __init__(self, ca: str, certificate: str, key: str, *, verify: bool) -> None:
        self.ca = ca
        self.certificate = certificate
        self.key = key
        self.verify = verify


class Endpoint:
    """One engine's address.

    `address` is the URL as users write it, `path` the socket's path (unix only), `host` and
    `port` the TCP address, `tls` the material for TLS or None.
    """

    __slots__ = ("address", "host", "path", "port", "prefix", "tls")

    def __init__(self, address: str, *, tls: TlsFiles | None = None) -> None:
        self.address = address
        self.path = self.host = self.prefix = ""
        self.port = 0
        self.tls = tls
        scheme, separator, rest = address.partition("://")
        if not separator:
            scheme, rest = "tcp", address
            self.address = f"tcp://{address}"
        if scheme == "unix":
            self.path = rest or "/run/sampan.sock"
        elif scheme in {"tcp", "http", "https"}:
            self._parse_tcp(address, rest)
        else:
            raise BadHost(address, f"unsupported protocol scheme {scheme!r}")

    def _parse_tcp(self, address: str, rest: str) -> None:
        authority, slash, path = rest.partition("/")
        host, colon, port = authority.rpartition(":")
        if not colon or port.endswith("]"):
            host, port = authority, str(TLS_PORT if self.tls else PLAIN_PORT)
        if not port.isdecimal():
            raise BadHost(address, f"invalid port {port!r}")
        self.host = host.strip("[]") or "127.0.0.1"
        self.port = int(port)
        self.prefix = (slash + path).rstrip("/")

    @property
    def http_host(self) -> str:
        """The Host header: unix sockets have none of their own."""
        return "docker" if self.path else f"{self.host}:{self.port}"


class SocketStream:
    """A plain connected socket."""

    __slots__ = ("_socket", "fileno", "recv", "sendall")

    def __init__(self, connected: _socket.socket) -> None:
        self._socket = connected
        self.recv = connected.recv
        self.sendall = connected.sendall
        self.fileno = connected.fileno

    def shutdown_write(self) -> None:
        try:
            self._socket.shutdown(_socket.SHUT_WR)
        except OSError:
            return  # the other side has gone: nothing left to tell it

    def abort(self) -> None:
        try:
            self._socket.shutdown(_socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        self._socket.close()


def dial(endpoint: Endpoint) -> Stream:
    """A new stream to the engine. Raises NotReachable, SocketRefused or ConnectFailed."""
    if endpoint.path:
        return SocketStream(_dial_unix(endpoint))
    connected = _dial_tcp(endpoint)
    if endpoint.tls is None:
        return SocketStream(connected)
    from sampan.client.tls import wrap

    return wrap(connected, endpoint.host, endpoint.tls)


def _dial_unix(endpoint: Endpoint) -> _socket.socket:
    connected = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connected.connect(endpoint.path)
    except PermissionError as error:
        connected.close()
        raise SocketRefused(endpoint.address, str(error.strerror)) from error
    except OSError as error:
        connected.close()
        raise NotReachable(endpoint.address) from error
    return connected


def _dial_tcp(endpoint: Endpoint) -> _socket.socket:
    try:
        found = _socket.getaddrinfo(endpoint.host, endpoint.port, 0, _socket.SOCK_STREAM)
    except OSError as error:
        raise ConnectFailed(f"lookup {endpoint.host}", error.strerror or error) from error
    failure: OSError | None = None
    for family, kind, protocol, _, address in found:
        connected = _socket.socket(family, kind, protocol)
        try:
            connected.connect(address)
        except OSError as error:
            connected.close()
            failure = error
            continue
        connected.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        return connected
    raise NotReachable(endpoint.address) from failure
