"""Lists of repositories and search, always under a caller's eyes: what is hidden isn't counted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, or_, select

from sampan.hub.accounts.schema import stars
from sampan.hub.accounts.standing import (
    Repository,
    involved,
    repository_of,
    repository_query,
    visible,
)
from sampan.hub.accounts.users import Caller
from sampan.hub.automation.schema import build_sources
from sampan.hub.db.schema import blobs, namespaces, repositories, repository_blobs

PAGE = 25
_NAME = repositories.c.name
ORDERINGS: dict[str, tuple[ColumnElement[Any], ...]] = {
    "updated": (repositories.c.updated_ns.desc(),),
    "-updated": (repositories.c.updated_ns,),
    "name": (namespaces.c.name, _NAME),
    "-name": (namespaces.c.name.desc(), _NAME.desc()),
    "stars": (repositories.c.star_count.desc(), repositories.c.pull_count.desc()),
    "pulls": (repositories.c.pull_count.desc(), repositories.c.star_count.desc()),
}


@dataclass(frozen=True, slots=True)
class Found:
    """One page, and how many there are in all."""

    repositories: Sequence[Repository]
    count: int


@dataclass(frozen=True, slots=True)
class _Slice:
    ordering: str
    limit: int
    offset: int


def in_namespace(
    connection: Connection,
    caller: Caller,
    namespace: str,
    *,
    name: str = "",
    ordering: str = "updated",
    limit: int = PAGE,
    offset: int = 0,
) -> Found:
    wanted = namespaces.c.name == namespace
    if name:
        wanted &= _NAME.contains(name, autoescape=True)
    return _page(connection, caller, wanted, _Slice(ordering, limit, offset))


def search(
    connection: Connection,
    caller: Caller,
    words: str,
    *,
    ordering: str = "stars",
    limit: int = PAGE,
    offset: int = 0,
) -> Found:
    """Every word must be in the name, the namespace or the short description."""
    wanted: ColumnElement[bool] = repositories.c.id.is_not(None)
    for word in words.lower().split()[:8]:
        full = namespaces.c.name + "/" + _NAME
        wanted &= or_(
            full.contains(word, autoescape=True),
            func.lower(repositories.c.description).contains(word, autoescape=True),
        )
    return _page(connection, caller, wanted, _Slice(ordering, limit, offset))


def of_account(
    connection: Connection,
    caller: Caller,
    *,
    words: str = "",
    ordering: str = "updated",
    limit: int = PAGE,
    offset: int = 0,
) -> Found:
    """The caller's own repositories and those that they have a role in."""
    if caller.id is None:
        return Found((), 0)
    wanted = or_(repositories.c.namespace_id == caller.id, involved(caller.id))
    if words:
        full = namespaces.c.name + "/" + _NAME
        wanted &= full.contains(words.lower(), autoescape=True)
    return _page(connection, caller, wanted, _Slice(ordering, limit, offset))


def starred(connection: Connection, caller: Caller, *, limit: int = PAGE) -> Found:
    if caller.id is None:
        return Found((), 0)
    mine = select(stars.c.repository_id).where(stars.c.account_id == caller.id)
    return _page(connection, caller, repositories.c.id.in_(mine), _Slice("updated", limit, 0))


def _page(
    connection: Connection,
    caller: Caller,
    wanted: ColumnElement[bool],
    part: _Slice,
) -> Found:
    base: Select[Any] = repository_query().where(wanted, visible(caller))
    count = connection.execute(
        select(func.count()).select_from(base.with_only_columns(repositories.c.id).subquery())
    ).scalar_one()
    order = (*ORDERINGS.get(part.ordering, ORDERINGS["updated"]), repositories.c.id)
    rows = connection.execute(base.order_by(*order).limit(part.limit).offset(part.offset))
    return Found([repository_of(row) for row in rows], count)


def automated(connection: Connection, found: Iterable[Repository]) -> frozenset[int]:
    """The ids of those that are built from a source."""
    ids = [each.id for each in found]
    linked = select(build_sources.c.repository_id).where(build_sources.c.repository_id.in_(ids))
    return frozenset(connection.execute(linked).scalars())


def stored_bytes(connection: Connection, found: Iterable[Repository]) -> dict[int, int]:
    """What the blobs of each take, by its id."""
    ids = [each.id for each in found]
    rows = connection.execute(
        select(repository_blobs.c.repository_id, func.sum(blobs.c.size).label("size"))
        .join(blobs, blobs.c.digest == repository_blobs.c.digest)
        .where(repository_blobs.c.repository_id.in_(ids))
        .group_by(repository_blobs.c.repository_id)
    )
    return dict.fromkeys(ids, 0) | {row.repository_id: int(row.size) for row in rows}


def has_starred(connection: Connection, caller: Caller, repository_id: int) -> bool:
    if caller.id is None:
        return False
    return (
        connection.execute(
            select(stars.c.account_id).where(
                stars.c.account_id == caller.id, stars.c.repository_id == repository_id
            )
        ).first()
        is not None
    )
