"""Our standard streams joined to a container's, over a hijacked connection.

Output is read in the main thread (signals reach it there), input is sent from a second one: either
side may block while the other goes on. The end of our input half-closes the stream; the session
ends when the engine closes it, or when the user types the detach keys.
"""

from __future__ import annotations

import _thread
import os
import sys

from sampan.cli.streams import Demultiplexer, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sampan.cli.terminal import DetachKeys
    from sampan.client.api import Hijacked

STDIN = 0
CHUNK = 65536


class Detached(Exception):
    """The user typed the detach keys."""


class Session:
    """One attached connection.

    `tty`: the container has a terminal (output isn't framed). `stdin`: our input goes along.
    `stdout` and `stderr`: what of the output is shown.
    """

    def __init__(
        self,
        hijacked: Hijacked,
        *,
        tty: bool,
        stdin: bool,
        detach_keys: str = "",
    ) -> None:
        self._stream = hijacked.stream
        self._early = hijacked.early
        self._tty = tty
        self._stdin = stdin
        self._detached = False
        self._keys = detach_keys

    def run(self) -> None:
        """Copies until the end. Raises Detached, or Exit for a failure inside the stream."""
        try:
            if self._stdin and self._tty and sys.stdin.isatty():
                with _raw():
                    self._copy()
            else:
                self._copy()
        finally:
            self._stream.close()
        if self._detached:
            raise Detached

    def close(self) -> None:
        self._stream.close()

    def _copy(self) -> None:
        if self._stdin:
            _thread.start_new_thread(self._send_input, ())
        frames = None if self._tty else Demultiplexer()
        data = self._early
        while True:
            if data:
                if frames is None:
                    write_all(1, data)
                else:
                    frames.feed(data)
            try:
                data = self._stream.recv(CHUNK)
            except OSError:
                return
            if not data:
                return

    def _send_input(self) -> None:
        keys = self._detach_keys()
        try:
            while data := os.read(STDIN, CHUNK):
                if keys is not None:
                    data, self._detached = keys.filter(data)
                if data:
                    self._stream.sendall(data)
                if self._detached:
                    self._stream.abort()
                    return
        except OSError:
            return  # the container has gone, or our input can't be read: no more input
        self._stream.shutdown_write()

    def _detach_keys(self) -> DetachKeys | None:
        if not (self._tty and sys.stdin.isatty()):
            return None
        from sampan.cli.terminal import DEFAULT_KEYS, DetachKeys, parse_keys

        return DetachKeys(parse_keys(self._keys or DEFAULT_KEYS))


def _raw() -> AbstractContextManager[None]:
    from sampan.cli.terminal import RawMode

    return RawMode(STDIN)
