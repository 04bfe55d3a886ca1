"""Looking at containers: list, inspect, top, stats."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from aiohttp import web

from sampan.server import streams
from sampan.server.call import JSON, Call
from sampan.server.routes import Route
from sampan.wire import codec
from sampan.wire.container_views import ContainerInspect, ContainerSummary
from sampan.wire.filters import Filters
from sampan.wire.stats import ContainerStats


class ListBackend(Protocol):
    async def list(
        self, filters: Filters, *, everything: bool = False, limit: int = 0, size: bool = False
    ) -> list[ContainerSummary]: ...


class InspectBackend(Protocol):
    async def inspect(self, text: str, *, size: bool = False) -> ContainerInspect: ...


class ProcessTable(Protocol):
    @property
    def titles(self) -> Sequence[str]: ...
    @property
    def rows(self) -> Sequence[Sequence[str]]: ...


class TopBackend(Protocol):
    async def top(self, text: str, arguments: str) -> ProcessTable: ...


class StatsBackend(Protocol):
    def stream(
        self, text: str, *, follow: bool, one_shot: bool = False
    ) -> AsyncIterator[ContainerStats]:
        """Raises NoSuchContainer at once; a sample each second, one without `follow`."""
        ...


class InspectionRouter:
    def __init__(
        self,
        *,
        lister: ListBackend,
        inspector: InspectBackend,
        top: TopBackend,
        stats: StatsBackend,
    ) -> None:
        self._lister = lister
        self._inspector = inspector
        self._top = top
        self._stats = stats

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/containers/json", self.list),
            Route("GET", "/containers/{id}/json", self.inspect),
            Route("GET", "/containers/{id}/top", self.top),
            Route("GET", "/containers/{id}/stats", self.stats),
        ]

    async def list(self, call: Call) -> web.Response:
        found = await self._lister.list(
            _list_filters(call),
            everything=call.flag("all"),
            limit=call.integer("limit") or 0,
            size=call.flag("size"),
        )
        return call.reply(found)

    async def inspect(self, call: Call) -> web.Response:
        return call.reply(await self._inspector.inspect(call.params["id"], size=call.flag("size")))

    async def top(self, call: Call) -> web.Response:
        table = await self._top.top(call.params["id"], call.text("ps_args", "-ef"))
        return call.reply(
            {"Processes": [list(row) for row in table.rows], "Titles": list(table.titles)}
        )

    async def stats(self, call: Call) -> web.StreamResponse:
        follow = call.flag("stream", default=True)
        samples = self._stats.stream(
            call.params["id"], follow=follow, one_shot=call.flag("one-shot")
        )
        return await streams.raw(call, _encoded(samples), JSON, at_once=True)


async def _encoded(samples: AsyncIterator[ContainerStats]) -> AsyncIterator[bytes]:
    async for sample in samples:
        yield codec.encode(sample)


def _list_filters(call: Call) -> Filters:
    """`before` and `since` were parameters of their own once."""
    filters = call.filters()
    old = {name: (call.text(name),) for name in ("before", "since") if call.text(name)}
    return Filters({**filters.values, **old}) if old else filters
