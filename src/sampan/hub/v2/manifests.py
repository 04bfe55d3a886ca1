"""Manifests and tags in the database.

`put` is one transaction: everything that the manifest refers to is there and its lease renewed, the
manifest and its references are kept, tags are moved, and each moved tag is an event in the outbox.
Either all of that has happened or nothing.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from sampan.hub.db.schema import (
    BLOB,
    MANIFEST,
    manifest_references,
    manifests,
    push_events,
    repositories,
    tags,
)
from sampan.hub.v2.documents import Facts, PlatformFacts
from sampan.hub.v2.errors import ManifestBlobUnknown, ManifestUnknown
from sampan.hub.v2.names import is_digest
from sampan.hub.v2.repositories import find_id, get_id, insert_or_ignore, touch_link

# of a page of referrers: their annotations are in the answer, so all of them are read
REFERRERS_MOST = 1000
REFERRERS_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Stored:
    """A manifest as it is served."""

    repository_id: int
    digest: str
    media_type: str
    payload: bytes
    touched_ns: int


@dataclass(frozen=True, slots=True)
class Pushed:
    """A manifest to keep, with what was read from it."""

    digest: str
    payload: bytes
    facts: Facts
    platform: PlatformFacts
    pusher: str | None


def get(connection: Connection, repository: str, reference: str) -> Stored:
    """By tag or digest. Raises ManifestUnknown, also for a repository that isn't there."""
    repository_id = find_id(connection, repository)
    if repository_id is None:
        raise ManifestUnknown(repository, reference)
    columns = (manifests.c.digest, manifests.c.media_type, manifests.c.payload)
    query = select(*columns, manifests.c.touched_ns).where(
        manifests.c.repository_id == repository_id
    )
    if is_digest(reference):
        query = query.where(manifests.c.digest == reference)
    else:
        digest = select(tags.c.digest).where(
            tags.c.repository_id == repository_id, tags.c.name == reference
        )
        query = query.where(manifests.c.digest == digest.scalar_subquery())
    row = connection.execute(query).first()
    if row is None:
        raise ManifestUnknown(repository, reference)
    return Stored(repository_id, row.digest, row.media_type, row.payload, row.touched_ns)


def touch(connection: Connection, repository_id: int, digest: str) -> bool:
    """Renew the lease of a manifest. False if it isn't there."""
    return (
        connection.execute(
            update(manifests)
            .where(manifests.c.repository_id == repository_id, manifests.c.digest == digest)
            .values(touched_ns=time.time_ns())
        ).rowcount
        > 0
    )


def put(connection: Connection, repository_id: int, pushed: Pushed, names: Iterable[str]) -> bool:
    """False if it was there before. Raises ManifestBlobUnknown naming each missing part."""
    facts = pushed.facts
    missing = [each for each in facts.blobs if not touch_link(connection, repository_id, each)]
    missing += [each for each in facts.manifests if not touch(connection, repository_id, each)]
    if missing:
        raise ManifestBlobUnknown(missing)
    now = time.time_ns()
    is_new = not touch(connection, repository_id, pushed.digest)
    if is_new:
        _insert(connection, repository_id, pushed, now)
    for name in names:
        _move_tag(connection, repository_id, name, pushed, now)
    connection.execute(
        update(repositories).where(repositories.c.id == repository_id).values(updated_ns=now)
    )
    return is_new


def _insert(connection: Connection, repository_id: int, pushed: Pushed, now: int) -> None:
    facts, platform = pushed.facts, pushed.platform
    connection.execute(
        insert(manifests).values(
            repository_id=repository_id,
            digest=pushed.digest,
            media_type=facts.media_type,
            size=len(pushed.payload),
            payload=pushed.payload,
            subject_digest=facts.subject,
            artifact_type=facts.artifact_type[:255],
            config_digest=facts.config,
            image_size=facts.image_size,
            os=platform.os,
            architecture=platform.architecture,
            variant=platform.variant,
            pusher=pushed.pusher,
            pushed_ns=now,
            touched_ns=now,
        )
    )
    rows = [
        {
            "repository_id": repository_id,
            "manifest_digest": pushed.digest,
            "kind": kind,
            "target_digest": target,
        }
        for kind, targets in ((BLOB, facts.blobs), (MANIFEST, facts.manifests))
        for target in targets
    ]
    if rows:
        connection.execute(insert(manifest_references), rows)


def _move_tag(
    connection: Connection, repository_id: int, name: str, pushed: Pushed, now: int
) -> None:
    values = {"digest": pushed.digest, "pusher": pushed.pusher, "pushed_ns": now}
    connection.execute(
        insert_or_ignore(connection)(tags)
        .values(repository_id=repository_id, name=name, **values)
        .on_conflict_do_update(index_elements=["repository_id", "name"], set_=values)
    )
    connection.execute(
        insert(push_events).values(
            repository_id=repository_id,
            tag=name,
            digest=pushed.digest,
            media_type=pushed.facts.media_type,
            pusher=pushed.pusher,
            time_ns=now,
        )
    )


def remove(connection: Connection, repository: str, reference: str) -> None:
    """A tag alone, or by digest the manifest with all of its tags. Raises ManifestUnknown."""
    repository_id = get_id(connection, repository)
    if not is_digest(reference):
        gone = connection.execute(
            delete(tags).where(tags.c.repository_id == repository_id, tags.c.name == reference)
        ).rowcount
    else:
        connection.execute(
            delete(tags).where(tags.c.repository_id == repository_id, tags.c.digest == reference)
        )
        gone = connection.execute(
            delete(manifests).where(
                manifests.c.repository_id == repository_id, manifests.c.digest == reference
            )
        ).rowcount
    if not gone:
        raise ManifestUnknown(repository, reference)


def list_tags(
    connection: Connection, repository: str, *, after: str, most: int | None
) -> Sequence[str]:
    """Sorted by bytes. Raises NameUnknown."""
    repository_id = get_id(connection, repository)
    query = (
        select(tags.c.name)
        .where(tags.c.repository_id == repository_id, tags.c.name > after)
        .order_by(tags.c.name)
        .limit(most)
    )
    return connection.execute(query).scalars().all()


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest whose subject is another one."""

    digest: str
    media_type: str
    artifact_type: str
    payload: bytes


def list_referrers(
    connection: Connection, repository: str, digest: str, artifact_type: str, *, after: str
) -> tuple[list[Referrer], bool]:
    """One page behind the digest `after`, and whether there are more. Raises NameUnknown."""
    mine = manifests.c.repository_id == get_id(connection, repository)
    wanted = mine & (manifests.c.subject_digest == digest) & (manifests.c.digest > after)
    if artifact_type:
        wanted &= manifests.c.artifact_type == artifact_type
    sizes = select(manifests.c.digest, manifests.c.size).where(wanted).order_by(manifests.c.digest)
    listed = connection.execute(sizes.limit(REFERRERS_MOST + 1)).all()
    count = size = 0
    for row in listed[:REFERRERS_MOST]:
        size += row.size
        if count and size > REFERRERS_BYTES:
            break
        count += 1
    page = [row.digest for row in listed[:count]]
    columns = (manifests.c.media_type, manifests.c.artifact_type, manifests.c.payload)
    rows = connection.execute(
        select(manifests.c.digest, *columns)
        .where(mine, manifests.c.digest.in_(page))
        .order_by(manifests.c.digest)
    )
    found = [Referrer(r.digest, r.media_type, r.artifact_type, r.payload) for r in rows]
    return found, len(listed) > count
