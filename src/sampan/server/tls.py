"""TLS below the API's protocols, with a half-close in either direction.

    socket <-> TlsLink (asyncio's protocol) <-> SSLObject over memory buffers
                                            <-> TlsTransport <-> Connection, later RawStream

asyncio's own TLS answers a client's close_notify by closing the whole connection. `docker run -i`
sends one to say "end of stdin" and goes on reading, so here it only ends the reading side
(`eof_received`), and `write_eof` sends ours without stopping to read.

* The protocol above is made once the handshake is over; a client that fails it never reaches it.
* The end of the TCP stream is the client's end: those who half-close use close_notify.
* A client that speaks plain HTTP is told so, in plain HTTP.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

log = logging.getLogger(__name__)

HANDSHAKE_S = 20.0
READ_BYTES = 64 << 10
_HANDSHAKE_RECORD = 0x16  # ContentType.handshake, the first byte of every TLS connection
_NOT_TLS = (
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    b"Client sent an HTTP request to an HTTPS server.\n"
)


class TlsLink(asyncio.Protocol):
    """One client. `make` gives the protocol that speaks to it through TLS."""

    def __init__(self, context: ssl.SSLContext, make: Callable[[], asyncio.Protocol]) -> None:
        self._make = make
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._lower: asyncio.Transport
        self._upper: TlsTransport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._begun = False

    # --- called by the socket's transport -----------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._lower = transport
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(HANDSHAKE_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        if not self._begun and data[0] != _HANDSHAKE_RECORD:
            self._lower.write(_NOT_TLS)
            self._lower.close()
            return
        self._begun = True
        self._incoming.write(data)
        if self._upper is None:
            self._shake_hands()
        if self._upper is not None:
            self._upper.deliver()

    def eof_received(self) -> None:
        """The client has gone; asyncio closes the socket."""

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if self._upper is not None:
            self._upper.lost(exc)

    def pause_writing(self) -> None:
        if self._upper is not None:
            self._upper.protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._upper is not None:
            self._upper.protocol.resume_writing()

    # --- inside -------------------------------------------------------------------------------

    def _shake_hands(self) -> None:
        if self._lower.is_closing():
            return
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._lower.write(self._outgoing.read())
            return
        except ssl.SSLError as error:
            peer = self._lower.get_extra_info("peername")
            log.info("TLS handshake failed peer=%s: %s", peer, error)
            self._lower.write(self._outgoing.read())  # the alert tells the client why
            self._lower.close()
            return
        assert self._deadline is not None
        self._deadline.cancel()
        self._lower.write(self._outgoing.read())
        protocol = self._make()
        self._upper = TlsTransport(self._lower, self._tls, (self._incoming, self._outgoing))
        self._upper.set_protocol(protocol)
        protocol.connection_made(self._upper)


class TlsTransport(asyncio.Transport):
    """The transport that the protocols above see."""

    protocol: asyncio.Protocol

    def __init__(
        self,
        lower: asyncio.Transport,
        tls: ssl.SSLObject,
        buffers: tuple[ssl.MemoryBIO, ssl.MemoryBIO],
    ) -> None:
        super().__init__()
        self._lower = lower
        self._tls = tls
        self._incoming, self._outgoing = buffers
        self._paused = False
        self._eof = False  # the client's close_notify has come
        self._eof_sent = False

    # --- called by the link -------------------------------------------------------------------

    def deliver(self) -> None:
        """Hand what has been decrypted to the protocol, as far as it wants it."""
        while not (self._paused or self._eof or self._lower.is_closing()):
            try:
                data = self._tls.read(READ_BYTES)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                data = b""
            except ssl.SSLError as error:
                log.debug("TLS broken: %s", error)
                self._lower.abort()
                return
            if data:
                self.protocol.data_received(data)
            else:
                self._end_reading()
        self._send()

    def lost(self, exc: Exception | None) -> None:
        self.protocol.connection_lost(exc)

    def _end_reading(self) -> None:
        self._eof = True
        if not self.protocol.eof_received():
            self.close()

    def _send(self) -> None:
        if self._outgoing.pending and not self._lower.is_closing():
            self._lower.write(self._outgoing.read())

    # --- asyncio.Transport --------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        match name:
            case "sslcontext":
                return self._tls.context
            case "ssl_object":
                return self._tls
            case "peercert":
                return self._tls.getpeercert()
        return self._lower.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def is_closing(self) -> bool:
        return self._lower.is_closing()

    def close(self) -> None:
        """What was written still goes out, then close_notify, then the end of the socket."""
        self.write_eof()
        self._lower.close()

    def abort(self) -> None:
        self._lower.abort()

    def is_reading(self) -> bool:
        return not self._paused and self._lower.is_reading()

    def pause_reading(self) -> None:
        if not self._paused:
            self._paused = True
            self._lower.pause_reading()

    def resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._lower.resume_reading()
            asyncio.get_running_loop().call_soon(self.deliver)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_closing() or self._eof_sent:
            return
        view = memoryview(data)
        while view:
            view = view[self._tls.write(view) :]
        self._send()

    def writelines(self, list_of_data: "Iterable[bytes | bytearray | memoryview]") -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Send close_notify; reading goes on."""
        if self._eof_sent or self.is_closing():
            return
        self._eof_sent = True
        # OpenSSL looks for the client's close_notify at once and would drop data that came first.
        self.deliver()
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        self._send()

    def get_write_buffer_size(self) -> int:
        return self._lower.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._lower.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._lower.set_write_buffer_limits(high, low)
