"""Storage quotas while bytes arrive: a push that doesn't fit in is refused, and leaves nothing.

    used      blobs and manifests of the namespace, from the database at the begin of a request
    staged    what its uploads under way hold, counted piece by piece: many of them at once, or
              abandoned ones, don't get around the quota
    left      quota - used - staged: what another piece must fit into

Publishing a blob, mounting one and keeping a manifest ask once more within their transaction
(plans.check_storage), so nothing that is visible exceeds a quota. Namespaces without a quota cost
one indexed read per upload request.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, select

from sampan.hub.accounts.plans import Plan, StorageFull, check_storage, quota_of, used_bytes
from sampan.hub.db.engine import Database
from sampan.hub.db.schema import namespaces, repositories, uploads
from sampan.hub.v2.names import split


@dataclass(slots=True)
class Room:
    """One namespace's, for as long as something of it is staged. Belongs to the event loop."""

    name: str
    quota: int
    used: int = 0
    staged: dict[str, int] = field(default_factory=dict)  # by upload
    active: set[str] = field(default_factory=set)  # uploads that a request works on

    def check(self, more: int) -> None:
        """Raises StorageFull."""
        taken = self.used + sum(self.staged.values())
        if taken + more > self.quota:
            raise StorageFull(self.name, taken, self.quota)

    def take(self, upload: str, size: int) -> None:
        """The upload grows. Raises StorageFull, and then it hasn't."""
        self.check(size)
        self.staged[upload] = self.staged.get(upload, 0) + size

    def end(self, upload: str, *, is_kept: bool) -> None:
        """It is staged no more: kept as a blob, or gone."""
        size = self.staged.pop(upload, 0)
        self.used += size if is_kept else 0  # the next request reads it anew


class Quotas:
    """`staging` is where uploads are, by their id."""

    def __init__(self, *, database: Database, staging: Path, plan: Plan) -> None:
        self._database = database
        self._staging = staging
        self._plan = plan
        self._rooms: dict[str, Room] = {}

    async def open(self, repository: str) -> Room | None:
        """The room of a repository's namespace as it is now; None: there is no quota."""
        name = split(repository)[0]
        found = await self._database.read(lambda connection: self._look(connection, name))
        if found is None:
            self._rooms.pop(name, None)
            return None
        quota, used, sizes = found
        room = self._rooms.setdefault(name, Room(name, quota))
        room.quota, room.used = quota, used
        for gone in room.staged.keys() - sizes.keys() - room.active:
            del room.staged[gone]
        for upload, size in sizes.items():
            if upload not in room.active:
                room.staged[upload] = size
        return room

    def _look(self, connection: Connection, name: str) -> tuple[int, int, dict[str, int]] | None:
        quota = quota_of(connection, name, self._plan)
        if quota is None:
            return None
        listed = connection.execute(
            select(uploads.c.id)
            .join(repositories, repositories.c.id == uploads.c.repository_id)
            .join(namespaces, namespaces.c.id == repositories.c.namespace_id)
            .where(namespaces.c.name == name)
        )
        sizes = {each: _size(self._staging / each) for each in listed.scalars()}
        return quota, used_bytes(connection, name), sizes

    def checked(self, repository: str) -> Callable[[Connection], None]:
        """For the end of a transaction that adds to the repository. Raises StorageFull."""
        name = split(repository)[0]
        return lambda connection: check_storage(connection, name, self._plan)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
