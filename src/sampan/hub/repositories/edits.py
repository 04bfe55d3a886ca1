"""Changing repositories: each function decides first (accounts/standing.py), then writes.

Every function runs inside the caller's transaction, so that what was decided still holds.
"""

from sqlalchemy import Connection, delete, func, insert, select, update

from sampan.errors import AlreadyExists, Denied, NotFound, Unauthenticated
from sampan.hub.accounts import users
from sampan.hub.accounts.names import check_description, check_overview, check_repository
from sampan.hub.accounts.permissions import Right, decide
from sampan.hub.accounts.plans import Plan, check_private
from sampan.hub.accounts.schema import stars
from sampan.hub.accounts.standing import (
    NotAllowed,
    Repository,
    RepositoryNotFound,
    demand,
    find_repository,
    see,
    standing,
)
from sampan.hub.accounts.users import Caller
from sampan.hub.db.schema import namespaces, repositories, tags, uploads
from sampan.hub.v2 import repositories as registry


class RepositoryExists(AlreadyExists):
    def __init__(self, path: str) -> None:
        super().__init__(f"there is a repository {path} already")


class NamespaceNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"no such account or organisation: {name}")


class TagNotFound(NotFound):
    def __init__(self, path: str, tag: str) -> None:
        super().__init__(f"no such tag: {path}:{tag}")


class SignInFirst(Unauthenticated):
    def __init__(self) -> None:
        super().__init__("you need to sign in")


class ReadOnlyToken(Denied):
    def __init__(self) -> None:
        super().__init__("this access token only reads")


def create(
    connection: Connection,
    caller: Caller,
    namespace: str,
    name: str,
    *,
    is_private: bool,
    description: str = "",
    full_description: str = "",
    plan: Plan,
) -> Repository:
    """Raises BadName, RepositoryExists, NotAllowed, NamespaceNotFound, SignInFirst, PrivateFull."""
    if caller.account is None:
        raise SignInFirst
    check_repository(name)
    path = f"{namespace}/{name}"
    found, facts = standing(connection, caller, namespace, name)
    if not decide(facts, Right.CREATE).allowed:
        if not _is_known(connection, namespace):
            raise NamespaceNotFound(namespace)
        raise NotAllowed(path, Right.CREATE)
    if found is not None:
        raise RepositoryExists(path)
    if is_private:
        check_private(connection, namespace, plan)
    registry.ensure(connection, path, is_private=is_private)
    connection.execute(
        update(repositories)
        .where(repositories.c.id == registry.get_id(connection, path))
        .values(
            description=check_description(description),
            full_description=check_overview(full_description),
        )
    )
    return _again(connection, namespace, name)


def _is_known(connection: Connection, namespace: str) -> bool:
    return (
        connection.execute(select(namespaces.c.id).where(namespaces.c.name == namespace)).first()
        is not None
    )


def _again(connection: Connection, namespace: str, name: str) -> Repository:
    found = find_repository(connection, namespace, name)
    if found is None:
        raise RepositoryNotFound(f"{namespace}/{name}")
    return found


def edit(
    connection: Connection,
    caller: Caller,
    namespace: str,
    name: str,
    *,
    description: str | None = None,
    full_description: str | None = None,
    is_private: bool | None = None,
    plan: Plan,
) -> Repository:
    """What is None stays. Raises RepositoryNotFound, NotAllowed, BadName, PrivateFull."""
    seen = demand(connection, caller, namespace, name, Right.EDIT)
    values: dict[str, object] = {"updated_ns": users.now_ns()}
    if description is not None:
        values["description"] = check_description(description)
    if full_description is not None:
        values["full_description"] = check_overview(full_description)
    if is_private and not seen.repository.is_private:
        check_private(connection, namespace, plan)
    if is_private is not None:
        values["is_private"] = is_private
    connection.execute(
        update(repositories).where(repositories.c.id == seen.repository.id).values(**values)
    )
    return _again(connection, namespace, name)


def remove(connection: Connection, caller: Caller, namespace: str, name: str) -> list[str]:
    """The ids of its unfinished uploads, whose bytes are to go (Services.drop_uploads).

    Its blobs are gc's to collect. Raises RepositoryNotFound, NotAllowed.
    """
    seen = demand(connection, caller, namespace, name, Right.DELETE)
    under_way = select(uploads.c.id).where(uploads.c.repository_id == seen.repository.id)
    found = list(connection.execute(under_way).scalars())
    connection.execute(delete(repositories).where(repositories.c.id == seen.repository.id))
    return found


def remove_tag(connection: Connection, caller: Caller, namespace: str, name: str, tag: str) -> None:
    """The manifest stays, until gc finds that nothing needs it.

    Raises RepositoryNotFound, TagNotFound, NotAllowed.
    """
    seen = demand(connection, caller, namespace, name, Right.DELETE_TAGS)
    gone = connection.execute(
        delete(tags).where(tags.c.repository_id == seen.repository.id, tags.c.name == tag)
    )
    if gone.rowcount == 0:
        raise TagNotFound(seen.repository.path, tag)


def set_star(
    connection: Connection, caller: Caller, namespace: str, name: str, *, on: bool
) -> None:
    """Idempotent. Raises RepositoryNotFound, SignInFirst, ReadOnlyToken."""
    if caller.id is None:
        raise SignInFirst
    repository_id = see(connection, caller, namespace, name).repository.id
    if not caller.may_write:  # after looking: a hidden one stays hidden
        raise ReadOnlyToken
    mine = (stars.c.repository_id == repository_id) & (stars.c.account_id == caller.id)
    connection.execute(delete(stars).where(mine))
    if on:
        connection.execute(
            insert(stars).values(
                repository_id=repository_id, account_id=caller.id, starred_ns=users.now_ns()
            )
        )
    count = select(func.count()).where(stars.c.repository_id == repository_id).scalar_subquery()
    connection.execute(
        update(repositories).where(repositories.c.id == repository_id).values(star_count=count)
    )
