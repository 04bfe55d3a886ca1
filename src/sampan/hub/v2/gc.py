"""Garbage collection while pushes and pulls go on.

    blob:   (none) --push claims--> arriving --bytes durable--> live
                                       |  nobody went on         |  no repository has it
                                       `------> deleting <-------'   and its lease is over
                                                   |  bytes removed, then the row
                                                 (none)

A collection, in this order, each step by small transactions:

    1. unfinished uploads as old as `upload_age_s`, and staged files without a session
    2. manifests that no tag, no index and no subject keeps, as old as `untagged_age_s`
    3. links from a repository to a blob that none of its manifests refers to, lease over
    4. blobs that no repository has, lease over; blobs left `arriving`; then their bytes
    5. bytes without a row, as old as a lease

What keeps a push safe: whoever relies on a row renews its `touched_ns` in the same transaction, and
every removal here states the age once more in its WHERE, so that of a push and a removal one sees
the other. Bytes are removed only in state `deleting`, which no push leaves: it waits (blobs.py).
A collection that was killed leaves `deleting` rows, which the next one finishes first.

Everything here blocks and runs in one worker thread, or in `sampan hub gc` beside a running hub;
steps 4 and 5 of two collections take turns by the sweep lock.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, or_, select, update

from sampan.hub.db.engine import Database
from sampan.hub.db.schema import (
    ARRIVING,
    BLOB,
    DELETING,
    LIVE,
    MANIFEST,
    blobs,
    manifest_references,
    manifests,
    repository_blobs,
    tags,
    uploads,
)
from sampan.hub.storage.driver import StorageDriver, StoredBlob
from sampan.hub.v2.repositories import insert_or_ignore
from sampan.hub.v2.sweeplock import SweepLock
from sampan.lib.log import fields

log = logging.getLogger(__name__)

BATCH = 200  # rows in one transaction, so that pushes wait for milliseconds
SWEEP_BATCH = 50  # blobs removed in one go under the sweep lock
_SECOND_NS = 1_000_000_000


@dataclass(slots=True)
class Collected:
    """What a collection removed, or would remove."""

    uploads: int = 0
    manifests: int = 0
    links: int = 0
    blobs: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Ages:
    """How old what nothing keeps must be; `untagged_s` 0 keeps manifests for ever."""

    lease_s: int
    untagged_s: int
    upload_s: int


class Collector:
    """Collections may overlap: each step says in SQL what it may take."""

    def __init__(
        self,
        *,
        database: Database,
        storage: StorageDriver,
        staging: Path,
        sweep: SweepLock,
        ages: Ages,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._database = database
        self._storage = storage
        self._staging = staging
        self._sweep = sweep
        self._ages = ages
        self._clock_ns = clock_ns
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End a collection under way after its current batch: the next one goes on."""
        self._stopping.set()

    def collect(self) -> Collected:
        found = Collected()
        self._finish_removals()
        found.uploads = self._expire_uploads()
        if self._ages.untagged_s:
            cut = self._before(self._ages.untagged_s)
            found.manifests = self._repeat(lambda connection: _drop_manifests(connection, cut))
        cut = self._before(self._ages.lease_s)
        found.links = self._repeat(lambda connection: _drop_links(connection, cut))
        self._condemn_strays(cut)
        found.blobs, found.size_bytes = self._sweep_blobs(cut)
        log.info(fields("garbage collected", **asdict(found)))
        return found

    def preview(self) -> Collected:
        """What `collect` would remove now, but for what only its own removals set free."""
        now = self._before
        lease, untagged = now(self._ages.lease_s), now(self._ages.untagged_s)

        def run(connection: Connection) -> Collected:
            size = func.coalesce(func.sum(blobs.c.size), 0)
            gone = select(func.count(), size).where(_is_garbage(lease))
            blob_count, size_bytes = connection.execute(gone).one()
            unkept = select(func.count()).where(_is_unkept(untagged))
            unneeded = select(func.count()).where(_is_unneeded(lease))
            return Collected(
                manifests=connection.execute(unkept).scalar_one() if self._ages.untagged_s else 0,
                links=connection.execute(unneeded).scalar_one(),
                blobs=blob_count,
                size_bytes=int(size_bytes),
            )

        found = self._database.read_now(run)
        found.uploads = len(list(self._old_staged()))
        return found

    def _before(self, age_s: int) -> int:
        return self._clock_ns() - age_s * _SECOND_NS

    def _repeat(self, step: Callable[[Connection], int]) -> int:
        total = 0
        while not self._stopping.is_set() and (done := self._database.write_now(step)):
            total += done
        return total

    def _old_staged(self) -> Iterator[Path]:
        cut = self._before(self._ages.upload_s)
        for path in self._staging.iterdir():
            try:
                if path.stat().st_mtime_ns < cut:
                    yield path
            except FileNotFoundError:
                continue  # it became a blob meanwhile

    def _expire_uploads(self) -> int:
        """By the time of the last byte; a session without bytes by its start."""
        cut = self._before(self._ages.upload_s)
        old = select(uploads.c.id).where(uploads.c.started_ns < cut)
        listed = self._database.read_now(lambda connection: connection.execute(old).scalars().all())
        count = 0
        for identifier in listed:
            path = self._staging / identifier
            if path.exists() and path.stat().st_mtime_ns >= cut:
                continue
            self._database.write_now(partial(_forget_upload, identifier=identifier))
            path.unlink(missing_ok=True)
            count += 1
        for path in self._old_staged():
            path.unlink(missing_ok=True)
            count += 1
        return count

    def _condemn_strays(self, cut: int) -> None:
        """Give bytes without a row one in state `deleting`; a push that claims it first wins."""
        old = (blob for blob in self._storage.list() if blob.modified_ns < cut)
        while not self._stopping.is_set() and (batch := list(islice(old, BATCH))):
            known = self._database.read_now(partial(_known, batch=batch))
            strays = [blob for blob in batch if blob.digest not in known]
            if strays:
                self._database.write_now(partial(_condemn, strays=strays))

    def _sweep_blobs(self, cut: int) -> tuple[int, int]:
        count = size_bytes = 0
        while True:
            with self._sweep.hold():
                self._database.write_now(lambda connection: _mark(connection, cut))
                removed = self._remove_marked()
            count += len(removed)
            size_bytes += sum(removed)
            if not removed or self._stopping.is_set():
                return count, size_bytes

    def _finish_removals(self) -> None:
        while True:
            with self._sweep.hold():
                if not self._remove_marked():
                    return

    def _remove_marked(self) -> list[int]:
        """Sizes of what was removed; the caller holds the sweep lock."""
        marked = select(blobs.c.digest, blobs.c.size).where(blobs.c.state == DELETING)
        rows = self._database.read_now(
            lambda connection: connection.execute(marked.limit(SWEEP_BATCH)).all()
        )
        for row in rows:
            self._storage.remove(row.digest)
        if rows:
            gone = delete(blobs).where(
                blobs.c.digest.in_([row.digest for row in rows]), blobs.c.state == DELETING
            )
            self._database.write_now(lambda connection: connection.execute(gone))
        return [row.size for row in rows]


def _is_garbage(cut: int) -> ColumnElement[bool]:
    linked = exists().where(repository_blobs.c.digest == blobs.c.digest)
    return and_(blobs.c.touched_ns < cut, or_(blobs.c.state == ARRIVING, ~linked))


def _is_unneeded(cut: int) -> ColumnElement[bool]:
    needed = exists().where(
        manifest_references.c.repository_id == repository_blobs.c.repository_id,
        manifest_references.c.target_digest == repository_blobs.c.digest,
        manifest_references.c.kind == BLOB,
    )
    return and_(repository_blobs.c.touched_ns < cut, ~needed)


def _is_unkept(cut: int) -> ColumnElement[bool]:
    tagged = exists().where(
        tags.c.repository_id == manifests.c.repository_id, tags.c.digest == manifests.c.digest
    )
    contained = exists().where(
        manifest_references.c.repository_id == manifests.c.repository_id,
        manifest_references.c.target_digest == manifests.c.digest,
        manifest_references.c.kind == MANIFEST,
    )
    other = manifests.alias("subject")
    attached = exists().where(
        other.c.repository_id == manifests.c.repository_id,
        other.c.digest == manifests.c.subject_digest,
    )
    return and_(manifests.c.touched_ns < cut, ~tagged, ~contained, ~attached)


def _drop_manifests(connection: Connection, cut: int) -> int:
    """The children of a dropped index fall in the next round."""
    keys = select(manifests.c.repository_id, manifests.c.digest).where(_is_unkept(cut))
    rows = connection.execute(keys.limit(BATCH)).all()
    gone = 0
    for row in rows:
        gone += connection.execute(
            delete(manifests).where(
                manifests.c.repository_id == row.repository_id,
                manifests.c.digest == row.digest,
                _is_unkept(cut),
            )
        ).rowcount
    return gone


def _drop_links(connection: Connection, cut: int) -> int:
    keys = select(repository_blobs.c.repository_id, repository_blobs.c.digest)
    rows = connection.execute(keys.where(_is_unneeded(cut)).limit(BATCH)).all()
    gone = 0
    for row in rows:
        gone += connection.execute(
            delete(repository_blobs).where(
                repository_blobs.c.repository_id == row.repository_id,
                repository_blobs.c.digest == row.digest,
                _is_unneeded(cut),
            )
        ).rowcount
    return gone


def _mark(connection: Connection, cut: int) -> None:
    digests = (
        select(blobs.c.digest)
        .where(_is_garbage(cut), blobs.c.state.in_((LIVE, ARRIVING)))
        .limit(SWEEP_BATCH)
    )
    found = connection.execute(digests).scalars().all()
    if found:
        connection.execute(
            update(blobs).where(blobs.c.digest.in_(found), _is_garbage(cut)).values(state=DELETING)
        )


def _forget_upload(connection: Connection, identifier: str) -> None:
    connection.execute(delete(uploads).where(uploads.c.id == identifier))


def _known(connection: Connection, batch: list[StoredBlob]) -> set[str]:
    asked = select(blobs.c.digest).where(blobs.c.digest.in_([blob.digest for blob in batch]))
    return set(connection.execute(asked).scalars())


def _condemn(connection: Connection, strays: list[StoredBlob]) -> None:
    make = insert_or_ignore(connection)
    for stray in strays:
        connection.execute(
            make(blobs)
            .values(
                digest=stray.digest, size=stray.size, state=DELETING, created_ns=0, touched_ns=0
            )
            .on_conflict_do_nothing()
        )
