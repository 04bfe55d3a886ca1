"""One client connection: aiohttp's protocol plus what the Docker API needs beyond HTTP.

* `gone` is done once the client has disappeared, so that long calls can stop.
* `take_over` hands the raw socket to another protocol (attach, exec), with the bytes that the
  client sent before our answer. aiohttp has no public way to do this; the private members that
  it takes (`_message_tail`, `_upgraded`, `_lingering_time`) are touched in this file only.
* A client may shut down its writing side right after an Upgrade request; the socket stays open
  then. Half-closing after an ordinary request counts as going away.
"""

import asyncio
from typing import Any

from aiohttp import web

from sampan.server.hangups import Hangups


class Connection(web.RequestHandler):
    __slots__ = ("_saw_eof", "gone", "hangups")

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
        self._saw_eof = False

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if not self.gone.done():
            self.gone.set_result(None)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        if self._upgraded:
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
        early, self._message_tail = self._message_tail, b""
        transport.set_protocol(protocol)
        self._lingering_time = 0.0
        self.keep_alive(val=False)
        if self._buffer_paused:
            self._resume_reading_for_buffer()
        self.transport = None  # aiohttp must neither write to it nor close it any more
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
