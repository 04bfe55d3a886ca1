"""What the endpoints share: one call with its target, and the graph that they work on."""

from dataclasses import dataclass

from aiohttp import web

from sampan.hub.db.engine import Database
from sampan.hub.storage.driver import StorageDriver
from sampan.hub.v2.access import Access, Action, Identity
from sampan.hub.v2.blobs import Blobs
from sampan.hub.v2.names import Target
from sampan.hub.v2.pulls import PullCounts
from sampan.hub.v2.quotas import Quotas
from sampan.hub.v2.serving import BlobSender
from sampan.hub.v2.uploads import Uploads
from sampan.lib.workers import Workers


@dataclass(frozen=True, slots=True)
class Parts:
    """Made once, by the hub's wiring."""

    access: Access
    database: Database
    storage: StorageDriver
    workers: Workers
    blobs: Blobs
    uploads: Uploads
    sender: BlobSender
    pulls: PullCounts
    quotas: Quotas
    private_by_default: bool
    lease_s: int


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `require` comes before anything that looks at the repository."""

    request: web.Request
    target: Target
    parts: Parts

    async def require(self, action: Action) -> Identity:
        access = self.parts.access
        return await access.require(self.request, self.target.repository, action)

    def query(self, name: str) -> str:
        return str(self.request.query.get(name, ""))

    def path(self, *rest: str) -> str:
        """Below the repository, under the name that the client used."""
        return "/".join(("/v2", self.target.name, *rest))
