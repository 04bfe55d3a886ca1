"""The API server: from a parsed HTTP request to its handler and back.

Built on aiohttp's low-level server: no router, no middlewares, no access log of its own. Each
request goes through version negotiation, the route table, the handler, the error map; every
response carries the engine's headers. Handlers aren't cancelled when a client goes away: a
`stop` that has begun is finished. Streams watch for that themselves (streams.py).
"""

import asyncio
import logging
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import cast

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from sampan.lib.spans import span
from sampan.server.call import BODY_LIMIT_BYTES, Call
from sampan.server.connection import Connection, Handed
from sampan.server.errors import PageNotFound, error_response, expected
from sampan.server.hangups import Hangups
from sampan.server.routes import Route, RouteTable
from sampan.server.tls import TlsLink
from sampan.wire.versions import MAXIMUM, REPORTED_VERSION, split_path

log = logging.getLogger(__name__)

LONGEST_LINE_BYTES = 1 << 20  # build arguments and filters travel in the query
SHUTDOWN_S = 5.0  # what calls in flight get; twice when they ignore it
BACKLOG = 512

BASE_HEADERS: Mapping[str, str] = {
    "Api-Version": str(MAXIMUM),
    "Docker-Experimental": "false",
    "Ostype": "linux",
    "Server": f"Docker/{REPORTED_VERSION} (linux)",
}

_Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
_DOUBLE_SLASH = re.compile(r"/{2,}")


class _ConnectionServer(web.Server):
    """aiohttp's server, with our Connection for each client."""

    def __init__(self, handler: _Answer) -> None:
        super().__init__(handler, request_factory=_make_request)
        self.hangups = Hangups(asyncio.get_running_loop())

    def leave_all(self) -> None:
        for connection in self.connections:
            if isinstance(connection, Connection):
                connection.leave()

    def __call__(self) -> Connection:
        return Connection(
            self,
            hangups=self.hangups,
            loop=asyncio.get_running_loop(),
            access_log=None,
            auto_decompress=False,
            max_line_size=LONGEST_LINE_BYTES,
            max_field_size=LONGEST_LINE_BYTES,
        )


class ApiServer:
    """Serves `routes` on any number of listening sockets."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._table = RouteTable(routes)
        self._server = _ConnectionServer(self._handle)
        self._listeners: list[asyncio.Server] = []

    async def listen(
        self, listener: socket.socket, tls: Callable[[], ssl.SSLContext] | None = None
    ) -> None:
        """Accept on a bound socket; what queued in its backlog is served now.

        `tls` is asked for each connection: certificates may be replaced at any time.
        """
        loop = asyncio.get_running_loop()
        make: Callable[[], asyncio.Protocol] = self._server
        if tls is not None:
            make = partial(_link, tls, self._server)
        if listener.family == socket.AF_UNIX:
            server = await loop.create_unix_server(make, sock=listener, backlog=BACKLOG)
        else:
            server = await loop.create_server(make, sock=listener, backlog=BACKLOG)
        self._listeners.append(server)

    async def close(self) -> None:
        """Stop accepting, end streams, give other calls in flight some seconds, cancel them."""
        for listener in self._listeners:
            listener.close()
        self._server.leave_all()
        self._server.pre_shutdown()
        await self._server.shutdown(SHUTDOWN_S)
        self._server.hangups.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = cast("Connection", request.protocol)
        try:
            with span(f"{request.method} {request.rel_url.raw_path}"):
                response = await self._answer(request)
        except ConnectionError:
            connection.force_close()
            return Handed()
        except Exception as error:  # noqa: BLE001 - the boundary of a request: logged by expected()
            failure = expected(error, what=f"{request.method} {request.path}")
            log.debug("request refused what=%s %s: %s", request.method, request.path, failure)
            response = error_response(failure)
        if not response.prepared:
            for name, value in BASE_HEADERS.items():
                response.headers[name] = value
            if connection.upgrading:  # refused: what follows on this socket isn't HTTP
                response.force_close()
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response()
        path = request.path
        if "//" in path:
            return web.Response(
                status=301, headers={"Location": _DOUBLE_SLASH.sub("/", request.path_qs)}
            )
        version, path = split_path(path)
        found = self._table.find(request.method, path, version)
        if found is None:
            raise PageNotFound
        if request.headers.get("Expect", "").lower() == "100-continue":
            _invite_body(request)
        route, params = found
        return await route.handler(Call(request, version, params, BASE_HEADERS))


def _link(tls: Callable[[], ssl.SSLContext], make: Callable[[], asyncio.Protocol]) -> TlsLink:
    return TlsLink(tls(), make)


def _invite_body(request: web.BaseRequest) -> None:
    transport = request.transport
    if transport is not None:
        transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(
        message, payload, protocol, writer, task, loop, client_max_size=BODY_LIMIT_BYTES
    )
