"""One client connection: aiohttp's protocol plus what the Docker API needs beyond HTTP.

* `gone` is done once the client has disappeared (or the server stops), so that long calls can end.
* `take_over` hands the raw socket to another protocol (attach, exec), with the bytes that the
  client sent before our answer (gate.py). aiohttp has no public way to do this: its private
  members are touched in this file only.
* A client may shut down its writing side right after an Upgrade request; the socket stays open
  then. Half-closing after an ordinary request counts as going away.
"""

import asyncio
from typing import Any

from aiohttp import web

from sampan.server.gate import Gate
from sampan.server.hangups import Hangups

KEPT_LIMIT_BYTES = 256 << 10  # bytes ahead of our answer at which the client is paused


class Connection(web.RequestHandler):
    __slots__ = ("_gate", "_saw_eof", "gone", "hangups")

    def __init__(
        self,
        server: web.Server,
        *,
        hangups: Hangups,
        loop: asyncio.AbstractEventLoop,
        **settings: Any,
    ) -> None:
        super().__init__(server, loop=loop, **settings)
        self.hangups = hangups
        self.gone: asyncio.Future[None] = loop.create_future()
        self._gate = Gate()
        self._saw_eof = False

    @property
    def upgrading(self) -> bool:
        """The current request asked for the raw stream; the connection serves no other."""
        return self._gate.upgrading

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.leave()

    def leave(self) -> None:
        """Tell long calls that nobody listens any more: the client left, or the server stops."""
        if not self.gone.done():
            self.gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._waiter is not None and not self._messages:
            self._gate.next_request()  # idle: the last request is answered and its body read
        passed = self._gate.feed(data) if data else data
        if passed or not data:
            super().data_received(passed)
        if len(self._gate.kept) >= KEPT_LIMIT_BYTES and self.transport is not None:
            self.transport.pause_reading()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        if self.upgrading:
            self._saw_eof = True
            return True
        return None

    def take_over(self, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, bytes, bool]:
        """(socket, bytes that came early, whether the client's side is shut down already).

        From here on `protocol` owns the transport and must call our `connection_lost` from its
        own. Raises ConnectionResetError when the client is gone.
        """
        transport = self.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("client went away before the upgrade")
        transport.set_protocol(protocol)
        self._lingering_time = 0.0
        self.keep_alive(val=False)
        self.transport = None  # aiohttp must neither write to it nor close it any more
        early = bytes(self._gate.kept)
        self._gate.kept.clear()
        if len(early) >= KEPT_LIMIT_BYTES:
            transport.resume_reading()
        return transport, early, self._saw_eof


class Handed(web.StreamResponse):
    """Tells aiohttp that there's nothing left to send: answered elsewhere, or nobody listens."""

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None

    @property
    def prepared(self) -> bool:
        return True

    @property
    def keep_alive(self) -> bool | None:
        return False
