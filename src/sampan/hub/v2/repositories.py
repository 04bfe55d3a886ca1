"""SQL on repositories and on which blobs they may read.

The functions take the Connection of a transaction that the caller runs (`Database.read`, `write`).
Renewing `touched_ns` comes first wherever a blob is relied on: it locks the row against gc, which
looks at that time again before it takes the row (see gc.py).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Select, and_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from sampan.hub.db.schema import (
    LIVE,
    ORGANISATION,
    blobs,
    namespaces,
    repositories,
    repository_blobs,
)
from sampan.hub.v2.errors import NameUnknown
from sampan.hub.v2.names import split

Ensure = Callable[[Connection], int]


@dataclass(frozen=True, slots=True)
class Link:
    """A blob that a repository may read."""

    size: int
    touched_ns: int


def insert_or_ignore(connection: Connection) -> "type[sqlite.Insert | postgresql.Insert]":
    """The dialect's INSERT that has ON CONFLICT."""
    return sqlite.Insert if connection.dialect.name == "sqlite" else postgresql.Insert


def path_of() -> Select[tuple[str]]:
    """SELECT of canonical names, to be filtered and ordered by the caller."""
    path = (namespaces.c.name + "/" + repositories.c.name).label("path")
    return select(path).join_from(repositories, namespaces)


def find_id(connection: Connection, repository: str) -> int | None:
    namespace, name = split(repository)
    return connection.execute(
        select(repositories.c.id)
        .join_from(repositories, namespaces)
        .where(namespaces.c.name == namespace, repositories.c.name == name)
    ).scalar_one_or_none()


def get_id(connection: Connection, repository: str) -> int:
    """Raises NameUnknown."""
    found = find_id(connection, repository)
    if found is None:
        raise NameUnknown(repository)
    return found


def ensure(connection: Connection, repository: str, *, is_private: bool) -> int:
    """The id; makes the repository, and in a hub without accounts its namespace."""
    found = find_id(connection, repository)
    if found is not None:
        return found
    namespace, name = split(repository)
    now = time.time_ns()
    make = insert_or_ignore(connection)
    connection.execute(
        make(namespaces)
        .values(name=namespace, kind=ORGANISATION, created_ns=now)
        .on_conflict_do_nothing()
    )
    owner = connection.execute(
        select(namespaces.c.id).where(namespaces.c.name == namespace)
    ).scalar_one()
    connection.execute(
        make(repositories)
        .values(
            namespace_id=owner, name=name, is_private=is_private, created_ns=now, updated_ns=now
        )
        .on_conflict_do_nothing()
    )
    return get_id(connection, repository)


def find_link(connection: Connection, repository: str, digest: str) -> Link | None:
    """For reading: only what is wholly there."""
    row = connection.execute(_linked(repository, digest)).first()
    return None if row is None else Link(row.size, row.touched_ns)


def _linked(repository: str, digest: str) -> Select[tuple[int, int]]:
    namespace, name = split(repository)
    return (
        select(blobs.c.size, repository_blobs.c.touched_ns)
        .join_from(repositories, namespaces)
        .join(repository_blobs, repository_blobs.c.repository_id == repositories.c.id)
        .join(blobs, and_(blobs.c.digest == repository_blobs.c.digest, blobs.c.state == LIVE))
        .where(
            namespaces.c.name == namespace,
            repositories.c.name == name,
            repository_blobs.c.digest == digest,
        )
    )


def touch_link(connection: Connection, repository_id: int, digest: str) -> bool:
    """Renew the lease of a blob in this repository. False if it isn't in it."""
    return (
        connection.execute(
            update(repository_blobs)
            .where(
                repository_blobs.c.repository_id == repository_id,
                repository_blobs.c.digest == digest,
            )
            .values(touched_ns=time.time_ns())
        ).rowcount
        > 0
    )


def touch_blob(connection: Connection, digest: str) -> bool:
    """Renew the lease of a blob that is there. False if it isn't, or is being removed."""
    return (
        connection.execute(
            update(blobs)
            .where(blobs.c.digest == digest, blobs.c.state == LIVE)
            .values(touched_ns=time.time_ns())
        ).rowcount
        > 0
    )


def link(connection: Connection, repository_id: int, digest: str) -> None:
    """Let the repository read a blob whose row the transaction has touched."""
    now = time.time_ns()
    connection.execute(
        insert_or_ignore(connection)(repository_blobs)
        .values(repository_id=repository_id, digest=digest, touched_ns=now)
        .on_conflict_do_update(index_elements=["repository_id", "digest"], set_={"touched_ns": now})
    )
