"""/networks: list, inspect, create, remove, connect, disconnect, prune."""

from collections.abc import Sequence
from typing import Protocol

from aiohttp import web

from sampan.server.call import Call
from sampan.server.routes import Route
from sampan.wire.containers import EndpointSettings
from sampan.wire.filters import Filters
from sampan.wire.networks import (
    NetworkConnect,
    NetworkCreate,
    NetworkCreated,
    NetworkDisconnect,
    NetworksPruned,
    NetworkView,
)
from sampan.wire.versions import ApiVersion


class NetworksBackend(Protocol):
    async def list(self, filters: Filters) -> Sequence[NetworkView]: ...
    async def inspect(
        self, text: str, *, scope: str = "", verbose: bool = False
    ) -> NetworkView: ...
    async def create(self, request: NetworkCreate) -> NetworkCreated: ...
    async def remove(self, text: str) -> None: ...
    async def prune(self, filters: Filters) -> NetworksPruned: ...


class ConnectBackend(Protocol):
    async def connect(
        self, network_text: str, container_text: str, settings: EndpointSettings | None
    ) -> None: ...
    async def disconnect(self, network_text: str, container_text: str, *, force: bool) -> None: ...


class NetworksRouter:
    def __init__(self, *, networks: NetworksBackend, connector: ConnectBackend) -> None:
        self._networks = networks
        self._connector = connector

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/networks", self.list),
            Route("GET", "/networks/", self.list),  # old clients ask with the slash
            Route("POST", "/networks/create", self.create),
            Route("POST", "/networks/prune", self.prune, ApiVersion(1, 25)),
            Route("GET", "/networks/{id}", self.inspect),
            Route("DELETE", "/networks/{id}", self.remove),
            Route("POST", "/networks/{id}/connect", self.connect),
            Route("POST", "/networks/{id}/disconnect", self.disconnect),
        ]

    async def list(self, call: Call) -> web.Response:
        return call.reply(await self._networks.list(call.filters()))

    async def inspect(self, call: Call) -> web.Response:
        found = await self._networks.inspect(
            call.params["id"], scope=call.text("scope"), verbose=call.flag("verbose")
        )
        return call.reply(found)

    async def create(self, call: Call) -> web.Response:
        created = await self._networks.create(await call.body(NetworkCreate))
        return call.reply(created, status=201)

    async def remove(self, call: Call) -> web.Response:
        await self._networks.remove(call.params["id"])
        return call.empty()

    async def connect(self, call: Call) -> web.Response:
        request = await call.body(NetworkConnect)
        await self._connector.connect(call.params["id"], request.Container, request.EndpointConfig)
        return call.empty(200)

    async def disconnect(self, call: Call) -> web.Response:
        request = await call.body(NetworkDisconnect)
        await self._connector.disconnect(call.params["id"], request.Container, force=request.Force)
        return call.empty(200)

    async def prune(self, call: Call) -> web.Response:
        return call.reply(await self._networks.prune(call.filters()))
