"""/images: list, inspect, history, tag, remove, prune, search; /distribution."""

from typing import Protocol

from aiohttp import web

from sampan.oci.platform import Platform
from sampan.registry.keychain import Credentials
from sampan.server.call import Call
from sampan.server.routes import Route
from sampan.wire.filters import Filters
from sampan.wire.images import (
    DeleteItem,
    DistributionInspect,
    HistoryItem,
    ImageInspect,
    ImagesPruned,
    ImageSummary,
    SearchResult,
    inspect_for,
    summary_for,
)
from sampan.wire.versions import ApiVersion

COUNTED_SINCE = ApiVersion(1, 51)  # `Containers` of the list is counted from then on


class ListingBackend(Protocol):
    async def list(
        self,
        *,
        all_: bool = False,
        filters: Filters | None = None,
        shared_size: bool = False,
        containers: bool = False,
    ) -> list[ImageSummary]: ...


class InspectBackend(Protocol):
    async def inspect(self, name: str, *, platform: Platform | None = None) -> ImageInspect: ...
    async def history(
        self, name: str, *, platform: Platform | None = None
    ) -> list[HistoryItem]: ...
    async def require(self, name: str, platform: Platform) -> None:
        """Raises unless the image is for this platform."""
        ...


class TagBackend(Protocol):
    async def tag(self, source: str, repo: str, tag: str = "") -> None: ...


class RemoveBackend(Protocol):
    async def remove(
        self, name: str, *, force: bool = False, no_prune: bool = False
    ) -> list[DeleteItem]: ...


class PruneBackend(Protocol):
    async def prune(self, filters: Filters | None = None) -> ImagesPruned: ...


class SearchBackend(Protocol):
    async def search(
        self,
        term: str,
        *,
        limit: int = 0,
        filters: Filters | None = None,
        credentials: Credentials,
    ) -> list[SearchResult]: ...


class DistributionBackend(Protocol):
    async def inspect(self, name: str, *, credentials: Credentials) -> DistributionInspect: ...


class ImagesRouter:
    """What is known about images, and their names."""

    def __init__(
        self,
        *,
        listing: ListingBackend,
        inspector: InspectBackend,
        tagger: TagBackend,
        remover: RemoveBackend,
        pruner: PruneBackend,
        search: SearchBackend,
        distribution: DistributionBackend,
    ) -> None:
        self._listing = listing
        self._inspector = inspector
        self._tagger = tagger
        self._remover = remover
        self._pruner = pruner
        self._search = search
        self._distribution = distribution

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/images/json", self.list),
            Route("GET", "/images/search", self.search),
            Route("POST", "/images/prune", self.prune, ApiVersion(1, 25)),
            Route("GET", "/images/{name:.*}/json", self.inspect),
            Route("GET", "/images/{name:.*}/history", self.history),
            Route("POST", "/images/{name:.*}/tag", self.tag),
            Route("DELETE", "/images/{name:.*}", self.remove),
            Route(
                "GET", "/distribution/{name:.*}/json", self.inspect_distribution, ApiVersion(1, 30)
            ),
        ]

    async def list(self, call: Call) -> web.Response:
        found = await self._listing.list(
            all_=call.flag("all"),
            filters=_list_filters(call),
            shared_size=call.flag("shared-size"),
            containers=call.version >= COUNTED_SINCE,
        )
        return call.reply([summary_for(call.version, summary) for summary in found])

    async def inspect(self, call: Call) -> web.Response:
        found = await self._inspector.inspect(call.params["name"], platform=call.platform())
        return call.reply(inspect_for(call.version, found))

    async def history(self, call: Call) -> web.Response:
        name = call.params["name"]
        return call.reply(await self._inspector.history(name, platform=call.platform()))

    async def tag(self, call: Call) -> web.Response:
        await self._tagger.tag(call.params["name"], call.text("repo"), call.text("tag"))
        return call.empty(201)

    async def remove(self, call: Call) -> web.Response:
        name, force = call.params["name"], call.flag("force")
        for platform in call.platforms():  # an image has one: another one's isn't there to remove
            await self._inspector.require(name, platform)
        removed = await self._remover.remove(name, force=force, no_prune=call.flag("noprune"))
        return call.reply(removed)

    async def prune(self, call: Call) -> web.Response:
        return call.reply(await self._pruner.prune(call.filters()))

    async def search(self, call: Call) -> web.Response:
        found = await self._search.search(
            call.text("term"),
            limit=call.integer("limit") or 0,
            filters=call.filters(),
            credentials=call.credentials(),
        )
        return call.reply(found)

    async def inspect_distribution(self, call: Call) -> web.Response:
        name = call.params["name"]
        return call.reply(await self._distribution.inspect(name, credentials=call.credentials()))


def _list_filters(call: Call) -> Filters:
    """Clients older than API 1.25 give a pattern in `filter`."""
    filters = call.filters()
    pattern = call.text("filter")
    return Filters({**filters.values, "reference": (pattern,)}) if pattern else filters
