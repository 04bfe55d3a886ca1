"""Notices when a half-closed socket is closed wholly.

The event loop stops watching a socket for reading once the other side has shut down its writing
half (it would be readable for ever). A client that dies later shows up only as a hang-up, which a
second epoll reports without being asked for readability.
"""

import asyncio
import select
from collections.abc import Callable
from contextlib import suppress


class Hangups:
    """One for all connections of a server; its epoll is itself watched by the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        loop.add_reader(self._epoll.fileno(), self._fire)

    def watch(self, descriptor: int, callback: Callable[[], None]) -> None:
        """Call `callback` once at a hang-up or error, unless `forget` comes first."""
        self._callbacks[descriptor] = callback
        self._epoll.register(descriptor, 0)  # EPOLLHUP and EPOLLERR are reported unasked

    def forget(self, descriptor: int) -> None:
        """Must come before the descriptor is closed. Unknown ones are fine."""
        if self._callbacks.pop(descriptor, None) is not None:
            with suppress(OSError):
                self._epoll.unregister(descriptor)

    def close(self) -> None:
        if self._epoll.closed:
            return
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def _fire(self) -> None:
        for descriptor, _ in self._epoll.poll(0):
            callback = self._callbacks.get(descriptor)
            self.forget(descriptor)
            if callback is not None:
                callback()
