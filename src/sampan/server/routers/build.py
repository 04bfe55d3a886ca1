"""POST /build (the classic builder) and /build/prune."""

from collections.abc import AsyncIterator
from typing import Any, Protocol

from aiohttp import web

from sampan.engine.build_request import BuildRequest, parse_build_query
from sampan.server import streams
from sampan.server.call import Call
from sampan.server.routes import Route
from sampan.wire.versions import ApiVersion


class BuildsBackend(Protocol):
    def build(
        self, request: BuildRequest, body: AsyncIterator[bytes]
    ) -> AsyncIterator[dict[str, Any]]:
        """Reads the body to its end before the first object: clients deadlock otherwise."""
        ...

    async def prune(self) -> int:
        """Forget what nothing needs; the number of bytes freed."""
        ...


class BuildRouter:
    def __init__(self, *, builds: BuildsBackend) -> None:
        self._builds = builds

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/build", self.build),
            Route("POST", "/build/prune", self.prune, ApiVersion(1, 31)),
        ]

    async def build(self, call: Call) -> web.StreamResponse:
        query = call.request.query
        request = parse_build_query(
            {name: query.getall(name) for name in query}, call.registry_keychain()
        )
        return await streams.progress(call, self._builds.build(request, call.chunks()))

    async def prune(self, call: Call) -> web.Response:
        freed = await self._builds.prune()
        return call.reply({"CachesDeleted": None, "SpaceReclaimed": freed})
