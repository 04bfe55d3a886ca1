"""The byte stream between one client and a process: output one way, stdin the other.

Straight socket calls, no transport: a failing write must not discard output that hasn't been read
yet, and nothing is buffered here (the monitor holds the bounded queue).
"""

import asyncio
import contextlib
import socket


class TaskStream:
    """Owns a connection that the monitor has accepted. One reader and one writer at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._reading = False
        self._closed = False

    async def read(self, limit: int = 65536) -> bytes:
        """The next output (8-byte frames unless there's a terminal); b"" at the end."""
        if self._closed:
            return b""
        self._reading = True
        try:
            return await asyncio.get_running_loop().sock_recv(self._sock, limit)
        except OSError:
            return b""
        finally:
            self._reading = False
            if self._closed:
                self._sock.close()

    async def write(self, data: bytes) -> None:
        """Stdin; waits while the process doesn't read. Dropped when the process is gone."""
        if not self._closed:
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().sock_sendall(self._sock, data)

    def close_stdin(self) -> None:
        """No more stdin; output goes on."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    async def aclose(self) -> None:
        """Detach. A pending read ends with b""."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        if not self._reading:
            self._sock.close()
