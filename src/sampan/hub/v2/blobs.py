"""Blobs: committing, mounting, finding, unlinking.

A commit claims the digest, puts the bytes, then publishes them:

    transaction   row `arriving` (or the live one touched)       gc leaves it alone from here
    storage       the checked file is put in its place, durable
    transaction   row `live`, linked to the repository, upload forgotten   COMMIT POINT

A digest whose bytes are there skips the second step. One that gc is removing right now is waited
for: gc holds the sweep lock until it is gone. A commit whose repository was removed, or whose
namespace's quota was used up by others meanwhile, takes its bytes away again, unless another
commit of the same digest is under way.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, delete, exists, select, update

from sampan.errors import Unavailable
from sampan.hub.accounts.plans import StorageFull
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
from sampan.hub.db.schema import repositories as repository_rows
from sampan.hub.storage.driver import StorageDriver
from sampan.hub.v2 import repositories
from sampan.hub.v2.errors import BlobUnknown, NameUnknown, NotOffered
from sampan.hub.v2.sweeplock import SweepLock
from sampan.lib.workers import Workers

RENEW_SHARE = 4  # a lease is renewed when a quarter of it has gone

Check = Callable[[Connection], None]  # at the end of a transaction; raises to undo it


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What is to become a blob; `upload` "" for one without a row."""

    repository: str
    repository_id: int
    digest: str
    size: int
    upload: str = ""


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
        self._committing: Counter[str] = Counter()

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

    async def commit(self, wanted: Commit, staged: Path, check: Check) -> None:
        """Keep the bytes of a checked file, which is gone afterwards.

        Raises NameUnknown for a repository that was removed meanwhile, and what `check` raises.
        """
        self._committing[wanted.digest] += 1
        try:
            await self._commit(wanted, staged, check)
        except (NameUnknown, StorageFull):
            if self._committing[wanted.digest] == 1:
                await self._workers.run(self._take_away, wanted.digest)
            raise
        finally:
            self._committing[wanted.digest] -= 1
            if not self._committing[wanted.digest]:
                del self._committing[wanted.digest]

    async def _commit(self, wanted: Commit, staged: Path, check: Check) -> None:
        digest = wanted.digest
        state = await self._database.write(lambda connection: _claim(connection, wanted))
        if state == DELETING:
            await self._workers.run(self._wait_for_sweep)
            state = await self._database.write(lambda connection: _claim(connection, wanted))
        if state == DELETING:
            raise BlobBeingRemoved(digest)
        await self._workers.run(self._keep, digest, staged, wanted.size, is_known=state == LIVE)

        def publish(connection: Connection) -> bool:
            is_published = _publish(connection, wanted)
            check(connection)
            return is_published

        if not await self._database.write(publish):
            raise BlobBeingRemoved(digest)

    def _take_away(self, digest: str) -> None:
        """What was claimed and never published. gc's protocol, for one blob."""
        linked = exists().where(repository_blobs.c.digest == blobs.c.digest)
        mine = (blobs.c.digest == digest) & (blobs.c.state == ARRIVING) & ~linked
        with self._sweep.hold():
            marked = self._database.write_now(
                lambda connection: (
                    connection.execute(update(blobs).where(mine).values(state=DELETING)).rowcount
                )
            )
            if not marked:
                return
            self._storage.remove(digest)
            gone = delete(blobs).where(blobs.c.digest == digest, blobs.c.state == DELETING)
            self._database.write_now(lambda connection: connection.execute(gone))

    async def mount(
        self, ensure: repositories.Ensure, digest: str, source: str, check: Check
    ) -> bool:
        """Let a repository read a blob that `source` may read. False if there is none.

        `ensure` finds or makes the repository; raises what `check` raises.
        """

        def run(connection: Connection) -> bool:
            if not repositories.touch_blob(connection, digest):
                return False
            if repositories.find_link(connection, source, digest) is None:
                return False
            repositories.link(connection, ensure(connection), digest)
            check(connection)
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


def _claim(connection: Connection, wanted: Commit) -> str:
    """The state of the row before; `arriving` also when there was none. Raises NameUnknown."""
    _check_there(connection, wanted)
    digest, size, now = wanted.digest, wanted.size, time.time_ns()
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


def _publish(connection: Connection, wanted: Commit) -> bool:
    _check_there(connection, wanted)
    changed = connection.execute(
        update(blobs)
        .where(blobs.c.digest == wanted.digest, blobs.c.state != DELETING)
        .values(state=LIVE, size=wanted.size, touched_ns=time.time_ns())
    ).rowcount
    if not changed:
        return False
    repositories.link(connection, wanted.repository_id, wanted.digest)
    if wanted.upload:
        connection.execute(delete(uploads).where(uploads.c.id == wanted.upload))
    return True


def _check_there(connection: Connection, wanted: Commit) -> None:
    """Repositories are removed by this process's own transactions, which exclude each other."""
    row = repository_rows.c.id == wanted.repository_id
    if connection.execute(select(repository_rows.c.id).where(row)).first() is None:
        raise NameUnknown(wanted.repository)


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
