"""/volumes: named and anonymous volumes."""

from typing import Protocol

from aiohttp import web

from sampan.errors import Unavailable, Unsupported
from sampan.server.call import Call
from sampan.server.routes import Route
from sampan.wire.filters import Filters
from sampan.wire.versions import ApiVersion
from sampan.wire.volumes import VolumeCreate, VolumeList, VolumesPruned, VolumeView

# Until then a prune took named volumes too.
ANONYMOUS_ONLY_SINCE = ApiVersion(1, 42)
CLUSTER_VOLUMES_SINCE = ApiVersion(1, 42)


class NoClusterVolumes(Unavailable):
    def __init__(self) -> None:
        super().__init__("volume update only valid for cluster volumes, but swarm is unavailable")


class ClusterVolumeAsked(Unsupported):
    def __init__(self) -> None:
        super().__init__("cluster volumes are not supported by this engine")


class VolumesBackend(Protocol):
    async def create(self, request: VolumeCreate) -> VolumeView: ...
    async def inspect(self, name: str) -> VolumeView: ...
    async def list(self, filters: Filters) -> VolumeList: ...
    async def remove(self, name: str, *, force: bool = False) -> None: ...
    async def prune(self, filters: Filters) -> VolumesPruned: ...


class VolumesRouter:
    def __init__(self, *, volumes: VolumesBackend) -> None:
        self._volumes = volumes

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/volumes", self.list),
            Route("POST", "/volumes/create", self.create),
            Route("POST", "/volumes/prune", self.prune, ApiVersion(1, 25)),
            Route("GET", "/volumes/{name:.*}", self.inspect),
            Route("PUT", "/volumes/{name:.*}", self.update, ApiVersion(1, 42)),
            Route("DELETE", "/volumes/{name:.*}", self.remove),
        ]

    async def list(self, call: Call) -> web.Response:
        return call.reply(await self._volumes.list(call.filters()))

    async def create(self, call: Call) -> web.Response:
        wanted = await call.body(VolumeCreate)
        if wanted.ClusterVolumeSpec is not None and call.version >= CLUSTER_VOLUMES_SINCE:
            raise ClusterVolumeAsked
        created = await self._volumes.create(wanted)
        return call.reply(created, status=201)

    async def inspect(self, call: Call) -> web.Response:
        return call.reply(await self._volumes.inspect(call.params["name"]))

    async def update(self, call: Call) -> web.Response:
        raise NoClusterVolumes

    async def remove(self, call: Call) -> web.Response:
        await self._volumes.remove(call.params["name"], force=call.flag("force"))
        return call.empty()

    async def prune(self, call: Call) -> web.Response:
        filters = call.filters()
        if call.version < ANONYMOUS_ONLY_SINCE and "all" not in filters:
            filters = Filters({**filters.values, "all": ("true",)})
        return call.reply(await self._volumes.prune(filters))
