"""TLS over a connected socket, with a half-close.

`ssl.SSLSocket` can't say "nothing more from me" and go on reading, which attach and exec need.
The engine of the handshake is therefore run over memory buffers: after `shutdown_write` the
close_notify is out and reading continues.
"""

from __future__ import annotations

import _socket
import _thread
import ssl
from contextlib import suppress

from sampan.client.errors import ConnectFailed, UnusableFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class TlsFiles(Protocol):
        """Paths; `verify` checks the engine's certificate."""

        @property
        def ca(self) -> str: ...
        @property
        def certificate(self) -> str: ...
        @property
        def key(self) -> str: ...
        @property
        def verify(self) -> bool: ...


_CHUNK = 65536


def context_for(files: TlsFiles) -> ssl.SSLContext:
    """Raises UnusableFile."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    path = files.ca
    try:
        if files.verify:
            context.load_verify_locations(path)
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        path = files.certificate
        if path:
            context.load_cert_chain(path, files.key or None)
    except OSError as error:
        raise UnusableFile(path, error.strerror or error) from error
    return context


class TlsStream:
    """A TLS connection; see `transport.Stream`.

    One thread may read while another writes. The TLS state is touched under `_lock`, which is never
    held while waiting for the network: the engine may stop reading until we have read. `_sending`
    keeps records in their order on the wire.
    """

    def __init__(self, connected: _socket.socket, host: str, context: ssl.SSLContext) -> None:
        self._socket = connected
        self._lock = _thread.allocate_lock()
        self._sending = _thread.allocate_lock()
        self._early = b""  # decrypted by `shutdown_write`
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        while not self._shake_hands():
            self._fill()

    def _shake_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._flush()
        return True

    def _flush(self) -> None:
        if data := self._outgoing.read():
            self._socket.sendall(data)

    def _fill(self) -> None:
        data = self._socket.recv(_CHUNK)
        with self._lock:
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    def recv(self, size: int, /) -> bytes:
        while True:
            with self._lock:
                if self._early:
                    data, self._early = self._early[:size], self._early[size:]
                    return data
                try:
                    return self._tls.read(size)
                except ssl.SSLWantReadError:
                    pass  # an answer to a key update goes out with the next data
                except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                    return b""
            self._fill()

    def sendall(self, data: bytes, /) -> None:
        view = memoryview(data)
        while view:
            with self._sending:
                with self._lock:
                    view = view[self._tls.write(view[:_CHUNK]) :]
                    records = self._outgoing.read()
                self._socket.sendall(records)

    def shutdown_write(self) -> None:
        with self._sending:
            with self._lock:
                self._drain()
                with suppress(ssl.SSLError):  # close_notify is made; the peer's comes later
                    self._tls.unwrap()
                records = self._outgoing.read()
            try:
                self._socket.sendall(records)
            except OSError:
                return  # the other side has gone: nothing left to tell it

    def _drain(self) -> None:
        """OpenSSL looks for the peer's close_notify at once and would drop data before it."""
        try:
            while data := self._tls.read(_CHUNK):
                self._early += data
        except ssl.SSLError:
            return

    def abort(self) -> None:
        try:
            self._socket.shutdown(_socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()


def wrap(connected: _socket.socket, host: str, files: TlsFiles) -> TlsStream:
    """Raises ConnectFailed, or UnusableFile."""
    try:
        return TlsStream(connected, host, context_for(files))
    except OSError as error:
        connected.close()
        raise ConnectFailed(f"TLS to {host}", error) from error
    except UnusableFile:
        connected.close()
        raise
