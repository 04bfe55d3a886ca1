"""POST /session and POST /grpc: connections that turn into gRPC, in either direction.

    POST /grpc HTTP/1.1, Upgrade: h2c     the client calls BuildKit's services
    POST /session, Upgrade: h2c           we call the client's; it says in headers which it has

Each lives as long as its socket. A silent session is asked for its health now and then, so that one
whose client's machine has vanished doesn't stay for ever.
"""

import asyncio
import logging
from contextlib import AbstractAsyncContextManager

from aiohttp import web

from sampan.engine.buildkit.sessions import Sessions
from sampan.errors import InvalidArgument, SampanError
from sampan.rpc.calls import Exchange, Metadata, ask
from sampan.rpc.connection import SWITCH, GrpcConnection
from sampan.server.call import Call
from sampan.server.connection import Handed
from sampan.server.errors import expected
from sampan.server.grpc.services import BuildServices
from sampan.server.routes import Route
from sampan.wire.buildkit.session import HEALTH

log = logging.getLogger(__name__)

HEALTH_INTERVAL_S = 20.0
HEALTH_TIMEOUT_S = 30.0
HEALTH_FAILURES = 2

_SESSION_ID = "X-Docker-Expose-Session-Uuid"
_SESSION_METHOD = "X-Docker-Expose-Session-Grpc-Method"


class NoUpgrade(InvalidArgument):
    def __init__(self, wanted: str) -> None:
        super().__init__(
            f"protocol {wanted} not supported" if wanted else "no upgrade proto in request"
        )


class ClientServices:
    """See sessions.Caller: the services of the client at the other end."""

    def __init__(self, connection: GrpcConnection, methods: frozenset[str]) -> None:
        self._connection = connection
        self._methods = methods

    def supports(self, method: str) -> bool:
        return method.lower() in self._methods

    def call(self, method: str, metadata: Metadata = ()) -> AbstractAsyncContextManager[Exchange]:
        return self._connection.call(method, metadata)


class BuildKitRouter:
    def __init__(self, *, services: BuildServices, sessions: Sessions) -> None:
        self._services = services
        self._sessions = sessions

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/session", self.session),
            Route("POST", "/grpc", self.grpc),
        ]

    async def grpc(self, call: Call) -> web.StreamResponse:
        _check_upgrade(call)
        connection = GrpcConnection(
            call.connection,
            calls_out=False,
            methods=self._services.methods(),
            greeting=SWITCH,
            unexpected=_unexpected,
        )
        await connection.run()
        return Handed()

    async def session(self, call: Call) -> web.StreamResponse:
        _check_upgrade(call)
        identifier = call.request.headers.get(_SESSION_ID, "")
        self._sessions.check_free(identifier)
        methods = call.request.headers.getall(_SESSION_METHOD, [])
        connection = GrpcConnection(call.connection, calls_out=True, methods={}, greeting=SWITCH)
        client = ClientServices(connection, frozenset(method.lower() for method in methods))
        watching = asyncio.ensure_future(_watch_health(client, connection))
        try:
            await self._sessions.add(identifier, client)
            await connection.run()
        finally:
            self._sessions.remove(identifier)
            watching.cancel()
            await asyncio.wait([watching])
            connection.close()
        return Handed()


def _unexpected(error: Exception, path: str) -> SampanError:
    return expected(error, what=path)


def _check_upgrade(call: Call) -> None:
    wanted = call.request.headers.get("Upgrade", "")
    if wanted.lower() != "h2c":
        raise NoUpgrade(wanted)


async def _watch_health(client: ClientServices, connection: GrpcConnection) -> None:
    failures = 0
    while client.supports(HEALTH) and failures < HEALTH_FAILURES:
        await asyncio.sleep(HEALTH_INTERVAL_S)
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                await ask(client, HEALTH, b"")
            failures = 0
        except (TimeoutError, SampanError) as error:
            failures += 1
            log.debug("a session is not well: %s", error)
    if failures:
        connection.close()
