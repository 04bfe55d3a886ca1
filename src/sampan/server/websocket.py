"""Attach over a WebSocket: the same conversation as the raw stream, in messages.

    client                                   engine
    GET .../attach/ws, Upgrade: websocket ->
                                          <- 101, no subprotocol, no compression
    message: stdin bytes                  <-> message: output, never framed, both streams in one
    close                                 ->  end of stdin and of the conversation
                                          <-  close at the end of output

Messages to the client are binary from API 1.28 on and text before; from it either kind is taken.
aiohttp drops the connection once the call's handler returns.
"""

import asyncio
import codecs
from collections.abc import Callable
from contextlib import suppress

from aiohttp import WSMsgType, web

from sampan.errors import InvalidArgument
from sampan.server.call import Call
from sampan.wire.stdcopy import Demultiplexer
from sampan.wire.versions import ApiVersion

BINARY_SINCE = ApiVersion(1, 28)
CLOSE_S = 2.0  # what a client gets to answer our close
MESSAGE_LIMIT_BYTES = 4 << 20


class WebSocketStream:
    """The client's end of a `hijack.bridge`. `gone` is the connection's."""

    def __init__(self, socket: web.WebSocketResponse, call: Call, *, tty: bool) -> None:
        self.gone = call.gone
        self._socket = socket
        self._unframed: Callable[[bytes], bytes] = bytes if tty else _Unframing()
        self._binary = call.version >= BINARY_SINCE
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._draining: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        """The next message that isn't empty; b"" once the client has closed."""
        while True:
            message = await self._socket.receive()
            match message.type:
                case WSMsgType.BINARY if message.data:
                    return bytes(message.data)
                case WSMsgType.TEXT if message.data:
                    return str(message.data).encode()
                case WSMsgType.BINARY | WSMsgType.TEXT:
                    continue
                case _:
                    return b""

    async def write(self, data: bytes) -> None:
        """Raises ConnectionResetError when the client is gone."""
        payload = self._unframed(data)
        if not payload:
            return
        if self._binary:
            await self._socket.send_bytes(payload)
        elif text := self._decoder.decode(payload):
            await self._socket.send_str(text)

    def discard_input(self) -> None:
        """Nobody wants stdin any more: read and drop it, so that the close is still seen."""
        self._draining = asyncio.ensure_future(self._drain())

    async def _drain(self) -> None:
        while await self.read():
            continue

    async def finish(self) -> None:
        """End of output: tell the client and wait a little for its answer."""
        with suppress(ConnectionError):
            await self._socket.close()

    def close(self) -> None:
        if self._draining is not None:
            self._draining.cancel()


class _Unframing:
    """The payloads of a framed stream, whichever stream they are of."""

    def __init__(self) -> None:
        self._frames = Demultiplexer()

    def __call__(self, data: bytes) -> bytes:
        return b"".join(payload for _, payload in self._frames.feed(data))


async def accept(call: Call, *, tty: bool) -> tuple[web.WebSocketResponse, WebSocketStream]:
    """Answer 101. Raises InvalidArgument when the client asked for no WebSocket."""
    socket = web.WebSocketResponse(
        timeout=CLOSE_S, compress=False, max_msg_size=MESSAGE_LIMIT_BYTES
    )
    if not socket.can_prepare(call.request):
        raise InvalidArgument("not websocket protocol")
    socket.headers.update(call.base_headers)
    await socket.prepare(call.request)
    return socket, WebSocketStream(socket, call, tty=tty)
