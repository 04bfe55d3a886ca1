"""TLS for a connection to a log receiver. Imported only when asked for: `ssl` is large."""

from __future__ import annotations

import socket
import ssl

from sampan.runtime.monitor.loop import READ, WRITE


class Encrypted:
    """What an uplink uses of a socket. Wanting anything of the peer raises BlockingIOError."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self._sock = sock

    def fileno(self) -> int:
        return self._sock.fileno()

    def send(self, data: bytes | memoryview) -> int:
        try:
            return self._sock.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError(str(error)) from error

    def recv(self, limit: int) -> bytes:
        try:
            return self._sock.recv(limit)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError(str(error)) from error

    def close(self) -> None:
        self._sock.close()

    def handshake(self) -> int:
        """0 when it's done, or the event that it waits for. Raises OSError."""
        try:
            self._sock.do_handshake()
        except ssl.SSLWantReadError:
            return READ
        except ssl.SSLWantWriteError:
            return WRITE
        return 0


def wrap(fd: int, host: str, settings: dict[str, object]) -> Encrypted:
    """Take over a connected descriptor. `settings`: ca, cert, key (paths or ""), verify.

    Raises OSError for files that can't be used; the descriptor is closed then.
    """
    plain = socket.socket(fileno=fd)
    try:
        plain.setblocking(False)
        context = ssl.create_default_context(cafile=str(settings["ca"]) or None)
        if not settings["verify"]:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if settings["cert"]:
            context.load_cert_chain(str(settings["cert"]), str(settings["key"]) or None)
        return Encrypted(
            context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
        )
    except BaseException:
        plain.close()
        raise
