"""POST /build (the classic builder, or BuildKit for old clients), /build/cancel, /build/prune."""

from collections.abc import AsyncIterator, Mapping, Sequence
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


class BuildKitBackend(Protocol):
    def build(self, query: Mapping[str, Sequence[str]]) -> AsyncIterator[dict[str, Any]]:
        """A build whose files come over the client's session."""
        ...

    def cancel(self, identifier: str) -> None: ...


class BuildRouter:
    def __init__(self, *, builds: BuildsBackend, buildkit: BuildKitBackend) -> None:
        self._builds = builds
        self._buildkit = buildkit

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/build", self.build),
            Route("POST", "/build/prune", self.prune, ApiVersion(1, 31)),
            Route("POST", "/build/cancel", self.cancel, ApiVersion(1, 39)),
        ]

    async def build(self, call: Call) -> web.StreamResponse:
        query = call.request.query
        values = {name: query.getall(name) for name in query}
        if call.text("version") == "2":
            return await streams.progress(call, self._buildkit.build(values))
        request = parse_build_query(values, call.registry_keychain())
        return await streams.progress(call, self._builds.build(request, call.chunks()))

    async def cancel(self, call: Call) -> web.Response:
        self._buildkit.cancel(call.text("id"))
        return call.empty(204)

    async def prune(self, call: Call) -> web.Response:
        freed = await self._builds.prune()
        return call.reply({"CachesDeleted": None, "SpaceReclaimed": freed})
