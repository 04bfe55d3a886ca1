"""POST /build (the classic builder, or BuildKit for old clients), /build/cancel, /build/prune."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from aiohttp import web

from sampan.engine.build_cache_request import parse_prune_query
from sampan.engine.build_cache_use import Pruned, PruneWish
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


class CacheBackend(Protocol):
    async def prune(self, wish: PruneWish) -> Pruned: ...


class BuildKitBackend(Protocol):
    def build(
        self, query: Mapping[str, Sequence[str]], body: AsyncIterator[bytes]
    ) -> AsyncIterator[dict[str, Any]]:
        """A build whose files come over the client's session, or the upload of its context."""
        ...

    def cancel(self, identifier: str) -> None: ...


class BuildRouter:
    def __init__(
        self, *, builds: BuildsBackend, buildkit: BuildKitBackend, cache: CacheBackend
    ) -> None:
        self._builds = builds
        self._cache = cache
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
            return await streams.progress(call, self._buildkit.build(values, call.chunks()))
        request = parse_build_query(values, call.registry_keychain())
        return await streams.progress(call, self._builds.build(request, call.chunks()))

    async def cancel(self, call: Call) -> web.Response:
        self._buildkit.cancel(call.text("id"))
        return call.empty(204)

    async def prune(self, call: Call) -> web.Response:
        pruned = await self._cache.prune(parse_prune_query(call.text))
        return call.reply(
            {
                "CachesDeleted": [record.id for record in pruned.records] or None,
                "SpaceReclaimed": pruned.freed_bytes,
            }
        )
