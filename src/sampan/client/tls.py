"""TLS over a connected socket, with a half-close.

`ssl.SSLSocket` can't say "nothing more from me" and go on reading, which attach and exec need.
The engine of the handshake is therefore run over memory buffers: after `shutdown_write` the
close_notify is out and reading continues.
"""

from __future__ import annotations

import ssl

from sampan.client.errors import ConnectFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

    from sampan.client.transport import TlsFiles

_CHUNK = 65536


def context_for(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if files.verify:
        context.load_verify_locations(files.ca)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if files.certificate:
        context.load_cert_chain(files.certificate, files.key)
    return context


class TlsStream:
    """A TLS connection; see `transport.Stream`."""

    def __init__(self, connected: _socket.socket, host: str, context: ssl.SSLContext) -> None:
        self._socket = connected
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
                continue
            self._flush()
            return

    def _flush(self) -> None:
        if data := self._outgoing.read():
            self._socket.sendall(data)

    def _fill(self) -> None:
        if data := self._socket.recv(_CHUNK):
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def recv(self, size: int, /) -> bytes:
        while True:
            try:
                data = self._tls.read(size)
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            else:
                self._flush()
                return data

    def sendall(self, data: bytes, /) -> None:
        view = memoryview(data)
        while view:
            view = view[self._tls.write(view) :]
            self._flush()

    def shutdown_write(self) -> None:
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            self._flush()

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()


def wrap(connected: _socket.socket, host: str, files: TlsFiles) -> TlsStream:
    try:
        return TlsStream(connected, host, context_for(files))
    except OSError as error:
        connected.close()
        raise ConnectFailed(f"TLS to {host}", error) from error
