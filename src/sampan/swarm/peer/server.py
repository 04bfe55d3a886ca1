"""The server that managers run for the other nodes, on the swarm's listen address.

A `PeerRoute` says whom it serves: `ANYONE` (no certificate needed), `MEMBERS` (workers and
managers) or `MANAGERS`. Its handler gets a `PeerCall`: the caller's `Identity`, the decoded body,
and ways to answer: one JSON value, or JSON lines for as long as both want.

    async def heartbeat(call: PeerCall) -> StreamResponse:
        beat = await call.body(Beat)
        return call.answer(await dispatcher.heartbeat(call.node_id, beat))

    async def session(call: PeerCall) -> StreamResponse:
        async with call.lines() as lines:
            async for message in dispatcher.session(call.node_id):
                await lines.send(message)
        return lines.response

    PeerRoute("POST", "/dispatcher/heartbeat", MEMBERS, heartbeat)

A certificate alone isn't enough: `admit` says what the cluster thinks of the node now, so a removed
node is nobody, and a demoted one a worker, although their certificates are still good.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from sampan.errors import Denied, Internal, InvalidArgument, SampanError, Unauthenticated
from sampan.lib.log import fields
from sampan.swarm.ca import Identity, identity_of
from sampan.swarm.peer import faults

log = logging.getLogger(__name__)

ANYONE: frozenset[str] = frozenset()
MEMBERS = frozenset({"worker", "manager"})
MANAGERS = frozenset({"manager"})
MAX_BODY_BYTES = 64 << 20
CLOSING_S = 1.0

Body = TypeVar("Body")
Admit = Callable[[Identity], Identity | None]


class LineStream:
    """JSON values, one a line. `send` raises ConnectionError when the other end is gone."""

    def __init__(self, response: web.StreamResponse) -> None:
        self.response = response

    async def send(self, value: Any) -> None:  # any msgspec value
        await self.response.write(msgspec.json.encode(value) + b"\n")


class PeerCall:
    """One request. `identity` is None for a stranger, on routes for ANYONE."""

    def __init__(
        self, request: web.Request, identity: Identity | None, certificate: bytes | None
    ) -> None:
        self.request = request
        self.identity = identity
        self.certificate = certificate  # the one that the caller shows, PEM

    @property
    def node_id(self) -> str:
        assert self.identity is not None
        return self.identity.node_id

    @property
    def remote_address(self) -> str:
        """Where the caller comes from, without the port."""
        return self.request.remote or ""

    async def body(self, kind: type[Body]) -> Body:
        """Raises InvalidArgument."""
        try:
            return msgspec.json.decode(await self.request.read(), type=kind)
        except msgspec.DecodeError as error:
            raise InvalidArgument(f"malformed request: {error}") from error

    def answer(self, value: Any = None) -> web.Response:  # any msgspec value
        return web.Response(body=msgspec.json.encode(value), content_type="application/json")

    @asynccontextmanager
    async def lines(self) -> AsyncIterator[LineStream]:
        response = web.StreamResponse(headers={"Content-Type": "application/json-seq"})
        await response.prepare(self.request)
        yield LineStream(response)


Handler = Callable[[PeerCall], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class PeerRoute:
    method: str
    path: str  # may hold {name} parts: call.request.match_info
    roles: frozenset[str]
    handler: Handler


class PeerServer:
    """Routes are given before `listen`."""

    def __init__(self, tls: ssl.SSLContext, admit: Admit) -> None:
        self._tls = tls
        self._admit = admit
        self._app = web.Application(client_max_size=MAX_BODY_BYTES)
        self._runner: web.AppRunner | None = None
        self._calls: set[asyncio.Task[Any]] = set()

    def add(self, routes: Iterable[PeerRoute]) -> None:
        for route in routes:
            self._app.router.add_route(route.method, route.path, self._guarded(route))

    async def listen(self, listener: socket.socket) -> None:
        """`listener` is bound; it is closed with the server."""
        self._runner = web.AppRunner(
            self._app, access_log=None, shutdown_timeout=CLOSING_S, handler_cancellation=True
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listener, ssl_context=self._tls).start()
        log.info(fields("swarm listening", address=listener.getsockname()))

    async def close(self) -> None:
        """Streams that are open end."""
        for call in self._calls:
            call.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _guarded(self, route: PeerRoute) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            task = asyncio.current_task()
            assert task is not None
            self._calls.add(task)
            try:
                shown = _certificate_of(request)
                call = PeerCall(request, self._caller(shown, route), shown)
                return await route.handler(call)
            except SampanError as error:
                status, body = faults.encode(error)
                return web.Response(status=status, body=body, content_type="application/json")
            except ConnectionError:
                raise
            except Exception:
                log.exception(fields("peer call failed", path=route.path))
                status, body = faults.encode(Internal("a manager failed"))
                return web.Response(status=status, body=body, content_type="application/json")
            finally:
                self._calls.discard(task)

        return handle

    def _caller(self, shown: bytes | None, route: PeerRoute) -> Identity | None:
        """Raises Unauthenticated, Denied."""
        identity = None if shown is None else self._admit(identity_of(shown))
        if not route.roles:
            return identity
        if identity is None:
            raise Unauthenticated("the caller isn't a member of this swarm")
        if identity.role not in route.roles:
            raise Denied(f"not allowed for a {identity.role}")
        return identity


def _certificate_of(request: web.Request) -> bytes | None:
    """PEM; its chain has been checked by the handshake."""
    connection = request.transport.get_extra_info("ssl_object") if request.transport else None
    encoded = connection.getpeercert(binary_form=True) if connection else None
    return ssl.DER_cert_to_PEM_cert(encoded).encode() if encoded else None


def bound(address: str, port: int) -> socket.socket:
    """A listening socket for IPv4, IPv6, or (`::`) both. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    dual = address == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((address, port), family=family, dualstack_ipv6=dual, backlog=512)
