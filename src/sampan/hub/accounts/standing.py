"""From the database to the decision: a caller's standing with one repository, or with all.

`standing` reads the facts of one repository; `visible` is the same question as a condition of a
query, for lists. They must agree: tests compare them over the whole matrix.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    false,
    literal,
    or_,
    select,
    true,
)

from sampan.errors import Denied, NotFound
from sampan.hub.accounts.names import OFFICIAL
from sampan.hub.accounts.organisations import role_of
from sampan.hub.accounts.permissions import (
    ROLE_LEVEL,
    Level,
    OrgRole,
    Right,
    Role,
    Scope,
    Standing,
    decide,
    level_of,
)
from sampan.hub.accounts.schema import (
    collaborators,
    organisation_members,
    team_members,
    team_roles,
)
from sampan.hub.accounts.users import Caller
from sampan.hub.db.schema import namespaces, repositories


@dataclass(frozen=True, slots=True)
class Repository:
    id: int
    namespace_id: int
    namespace: str
    name: str
    kind: str  # of the namespace
    is_private: bool
    description: str
    full_description: str
    created_ns: int
    updated_ns: int
    pull_count: int
    star_count: int

    @property
    def path(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Seen:
    """A repository as one caller stands with it."""

    repository: Repository
    standing: Standing

    @property
    def level(self) -> Level:
        return level_of(self.standing)[0]

    def may(self, right: Right) -> bool:
        return decide(self.standing, right).allowed


class RepositoryNotFound(NotFound):
    """Also what everybody without a right on it hears."""

    def __init__(self, path: str) -> None:
        super().__init__(f"no such repository: {path}")


class NotAllowed(Denied):
    def __init__(self, path: str, right: Right) -> None:
        super().__init__(f"you are not allowed to {right} {path}")


def repository_query() -> Select[Any]:
    return select(
        repositories, namespaces.c.name.label("namespace"), namespaces.c.kind.label("kind")
    ).join(namespaces, namespaces.c.id == repositories.c.namespace_id)


def repository_of(row: Row[Any]) -> Repository:
    facts = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for a row as a dict
    return Repository(**{name: facts[name] for name in Repository.__slots__})


def find_repository(connection: Connection, namespace: str, name: str) -> Repository | None:
    row = connection.execute(
        repository_query().where(namespaces.c.name == namespace, repositories.c.name == name)
    ).first()
    return repository_of(row) if row else None


def standing(
    connection: Connection, caller: Caller, namespace: str, name: str
) -> tuple[Repository | None, Standing]:
    """The facts about `caller` and `namespace/name`, whether it exists or not."""
    found = find_repository(connection, namespace, name)
    namespace_id = found.namespace_id if found else _namespace_id(connection, namespace)
    account = caller.account
    active = account is not None and account.is_active
    role = granted = None
    if account is not None and active:
        if namespace_id is not None and namespace_id != account.id:
            role = role_of(connection, namespace_id, account.id)
        if found is not None:
            granted = _granted(connection, found.id, account.id)
    return found, Standing(
        private=found.is_private if found else True,
        exists=found is not None,
        signed_in=active,
        site_admin=caller.is_admin and (namespace_id is not None or namespace == OFFICIAL),
        owner=account is not None and namespace_id == account.id,
        org_role=role,
        granted=granted,
        scope=caller.scope,
    )


def see(connection: Connection, caller: Caller, namespace: str, name: str) -> Seen:
    """The repository, if the caller may know of it. Raises RepositoryNotFound."""
    return demand(connection, caller, namespace, name, Right.PULL)


def demand(connection: Connection, caller: Caller, namespace: str, name: str, right: Right) -> Seen:
    """Raises RepositoryNotFound where existence must stay hidden, NotAllowed otherwise."""
    found, facts = standing(connection, caller, namespace, name)
    decision = decide(facts, right)
    if found is None or decision.hidden:
        raise RepositoryNotFound(f"{namespace}/{name}")
    if not decision.allowed:
        raise NotAllowed(found.path, right)
    return Seen(found, facts)


def _namespace_id(connection: Connection, namespace: str) -> int | None:
    return connection.execute(
        select(namespaces.c.id).where(namespaces.c.name == namespace)
    ).scalar_one_or_none()


def _granted(connection: Connection, repository_id: int, account_id: int) -> Role | None:
    """The highest role from being a collaborator and from teams."""
    own = select(collaborators.c.role).where(
        collaborators.c.repository_id == repository_id, collaborators.c.account_id == account_id
    )
    by_team = (
        select(team_roles.c.role)
        .join(team_members, team_members.c.team_id == team_roles.c.team_id)
        .where(team_roles.c.repository_id == repository_id, team_members.c.account_id == account_id)
    )
    roles = [Role(row.role) for row in connection.execute(own.union_all(by_team))]
    return max(roles, key=lambda role: ROLE_LEVEL[role], default=None)


def visible(caller: Caller) -> ColumnElement[bool]:
    """A condition on `repositories`: those that `see` wouldn't refuse."""
    public = repositories.c.is_private == false()
    account = caller.account
    if account is None or not account.is_active or caller.scope is Scope.PUBLIC_READ:
        return public
    if account.is_admin and caller.is_admin:
        return true()
    return or_(public, repositories.c.namespace_id == account.id, involved(account.id))


def involved(account_id: int) -> ColumnElement[bool]:
    """A condition on `repositories`: somebody else's in which the account has a role."""
    by_organisation = select(organisation_members.c.organisation_id).where(
        organisation_members.c.account_id == account_id,
        organisation_members.c.role.in_([OrgRole.OWNER.value, OrgRole.EDITOR.value]),
    )
    as_collaborator = select(collaborators.c.repository_id).where(
        collaborators.c.account_id == account_id
    )
    by_team = (
        select(team_roles.c.repository_id)
        .join(team_members, team_members.c.team_id == team_roles.c.team_id)
        .where(team_members.c.account_id == account_id)
    )
    return or_(
        repositories.c.namespace_id.in_(by_organisation),
        repositories.c.id.in_(as_collaborator),
        repositories.c.id.in_(by_team),
    )


def visible_paths(connection: Connection, caller: Caller, paths: list[str]) -> frozenset[str]:
    """Which of these canonical names the caller may know of."""
    found = set()
    for start in range(0, len(paths), 500):  # SQLite's limit of parameters is far above
        full = namespaces.c.name.concat(literal("/")).concat(repositories.c.name)
        rows = connection.execute(
            select(full.label("path"))
            .join(repositories, repositories.c.namespace_id == namespaces.c.id)
            .where(full.in_(paths[start : start + 500]), visible(caller))
        )
        found |= {row.path for row in rows}
    return frozenset(found)
