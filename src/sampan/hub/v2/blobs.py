"""Blobs: committing, mounting, finding, unlinking.

A commit claims the digest, puts the bytes, then publishes them:

    transaction   row `arriving` (or the live one touched)       gc leaves it alone from here
    storage       the checked file is put in its place, durable
    transaction   row `live`, linked to the repository, upload forgotten   COMMIT POINT

A digest whose bytes are there skips the second step. One that gc is removing right now is waited
for: gc holds the sweep lock until it is gone.
"""

import time
from pathlib import Path

from sqlalchemy import Connection, delete, select, update

from sampan.errors import Unavailable
from sampan.hub.db.engine import Database
from sampan.hub.db.schema import (
    ARRIVING,
    BLOB,
    DELETING,
    LIVE,
    blobs,
    manifest_references,
    repository_blobs,
    uploads,
)
from sampan.hub.storage.driver import StorageDriver
from sampan.hub.v2 import repositories
from sampan.hub.v2.errors import BlobUnknown, NotOffered
from sampan.hub.v2.sweeplock import SweepLock
from sampan.lib.workers import Workers

RENEW_SHARE = 4  # a lease is renewed when a quarter of it has gone


class BlobInUse(NotOffered):
    def __init__(self, digest: str) -> None:
        super().__init__("blob is referenced by a manifest of this repository", digest=digest)


class BlobBeingRemoved(Unavailable):
    def __init__(self, digest: str) -> None:
        super().__init__(f"blob {digest} is being removed: try again")


class Blobs:
    """What repositories may read. `lease_s` is gc's."""

    def __init__(
        self,
        *,
        database: Database,
        storage: StorageDriver,
        sweep: SweepLock,
        workers: Workers,
        lease_s: int,
    ) -> None:
        self._database = database
        self._storage = storage
        self._sweep = sweep
        self._workers = workers
        self._renew_ns = lease_s * 1_000_000_000 // RENEW_SHARE

    async def get_size(self, repository: str, digest: str) -> int:
        """Raises BlobUnknown."""
        found = await self._database.read(
            lambda connection: repositories.find_link(connection, repository, digest)
        )
        if found is None:
            raise BlobUnknown(digest)
        return found.size

    async def get_size_for_push(self, repository: str, digest: str) -> int:
        """The same, and the asker may rely on the blob for the length of a lease."""

        def renew(connection: Connection) -> bool:
            repository_id = repositories.find_id(connection, repository)
            return repository_id is not None and repositories.touch_link(
                connection, repository_id, digest
            )

        found = await self._database.read(
            lambda connection: repositories.find_link(connection, repository, digest)
        )
        if found is None:
            raise BlobUnknown(digest)
        is_old = found.touched_ns < time.time_ns() - self._renew_ns
        if is_old and not await self._database.write(renew):
            raise BlobUnknown(digest)
        return found.size

    async def commit(
        self, *, repository_id: int, digest: str, staged: Path, size: int, upload: str = ""
    ) -> None:
        """Keep the bytes of a checked file, which is gone afterwards."""
        state = await self._database.write(lambda connection: _claim(connection, digest, size))
        if state == DELETING:
            await self._workers.run(self._wait_for_sweep)
            state = await self._database.write(lambda connection: _claim(connection, digest, size))
        if state == DELETING:
            raise BlobBeingRemoved(digest)
        await self._workers.run(self._keep, digest, staged, size, is_known=state == LIVE)

        def publish(connection: Connection) -> bool:
            return _publish(connection, repository_id, digest, size, upload)

        if not await self._database.write(publish):
            raise BlobBeingRemoved(digest)

    async def mount(self, repository_id: int, digest: str, source: str) -> bool:
        """Let a repository read a blob that `source` may read. False if there is none."""

        def run(connection: Connection) -> bool:
            if not repositories.touch_blob(connection, digest):
                return False
            if repositories.find_link(connection, source, digest) is None:
                return False
            repositories.link(connection, repository_id, digest)
            return True

        return await self._database.write(run)

    async def unlink(self, repository: str, digest: str) -> None:
        """Raises BlobUnknown, or BlobInUse while a manifest of the repository needs the blob."""

        def run(connection: Connection) -> None:
            repository_id = repositories.get_id(connection, repository)
            if not repositories.touch_link(connection, repository_id, digest):
                raise BlobUnknown(digest)
            if _is_needed(connection, repository_id, digest):
                raise BlobInUse(digest)
            connection.execute(
                delete(repository_blobs).where(
                    repository_blobs.c.repository_id == repository_id,
                    repository_blobs.c.digest == digest,
                )
            )

        await self._database.write(run)

    def _keep(self, digest: str, staged: Path, size: int, *, is_known: bool) -> None:
        if is_known and self._storage.find_size(digest) == size:
            staged.unlink(missing_ok=True)
        else:  # also what should be there and isn't: pushing again mends it
            self._storage.put(digest, staged)

    def _wait_for_sweep(self) -> None:
        with self._sweep.hold():
            pass


def _claim(connection: Connection, digest: str, size: int) -> str:
    """The state of the row before; `arriving` also when there was none."""
    now = time.time_ns()
    connection.execute(
        repositories.insert_or_ignore(connection)(blobs)
        .values(digest=digest, size=size, state=ARRIVING, created_ns=now, touched_ns=now)
        .on_conflict_do_nothing()
    )
    connection.execute(
        update(blobs)
        .where(blobs.c.digest == digest, blobs.c.state != DELETING)
        .values(touched_ns=now)
    )
    row = connection.execute(select(blobs.c.state).where(blobs.c.digest == digest)).one()
    return str(row.state)


def _publish(
    connection: Connection, repository_id: int, digest: str, size: int, upload: str
) -> bool:
    changed = connection.execute(
        update(blobs)
        .where(blobs.c.digest == digest, blobs.c.state != DELETING)
        .values(state=LIVE, size=size, touched_ns=time.time_ns())
    ).rowcount
    if not changed:
        return False
    repositories.link(connection, repository_id, digest)
    if upload:
        connection.execute(delete(uploads).where(uploads.c.id == upload))
    return True


def _is_needed(connection: Connection, repository_id: int, digest: str) -> bool:
    found = connection.execute(
        select(manifest_references.c.manifest_digest)
        .where(
            manifest_references.c.repository_id == repository_id,
            manifest_references.c.target_digest == digest,
            manifest_references.c.kind == BLOB,
        )
        .limit(1)
    ).first()
    return found is not None
