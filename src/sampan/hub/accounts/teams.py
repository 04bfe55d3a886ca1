"""Teams of an organisation, and the roles that teams and collaborators have on repositories."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from sampan.errors import AlreadyExists, Conflict, NotFound
from sampan.hub.accounts.names import check_team
from sampan.hub.accounts.organisations import MemberNotFound, Organisation, role_of
from sampan.hub.accounts.permissions import Role
from sampan.hub.accounts.schema import accounts, collaborators, team_members, team_roles, teams
from sampan.hub.accounts.users import Account
from sampan.hub.db.schema import namespaces, repositories


@dataclass(frozen=True, slots=True)
class Team:
    id: int
    organisation_id: int
    name: str
    description: str
    members: int = 0


@dataclass(frozen=True, slots=True)
class RepositoryRole:
    """A collaborator's or a team's role on one repository."""

    name: str
    role: Role


class TeamNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"no such team: {name}")


class TeamExists(AlreadyExists):
    def __init__(self, name: str) -> None:
        super().__init__(f"there is a team {name} already")


class OwnerNeedsNoRole(Conflict):
    def __init__(self, name: str) -> None:
        super().__init__(f"{name} owns the repository")


def _team(row: Row[Any], members: int = 0) -> Team:
    return Team(row.id, row.organisation_id, row.name, row.description, members)


def create(
    connection: Connection, organisation: Organisation, name: str, description: str = ""
) -> Team:
    """Raises BadName, TeamExists."""
    check_team(name)
    if find(connection, organisation, name):
        raise TeamExists(name)
    connection.execute(
        insert(teams).values(
            organisation_id=organisation.id, name=name, description=description.strip()[:255]
        )
    )
    return get(connection, organisation, name)


def find(connection: Connection, organisation: Organisation, name: str) -> Team | None:
    row = connection.execute(
        select(teams).where(teams.c.organisation_id == organisation.id, teams.c.name == name)
    ).first()
    return _team(row) if row else None


def get(connection: Connection, organisation: Organisation, name: str) -> Team:
    """Raises TeamNotFound."""
    found = find(connection, organisation, name)
    if found is None:
        raise TeamNotFound(name)
    return found


def list_teams(connection: Connection, organisation_id: int) -> list[Team]:
    counted = (
        select(func.count())
        .select_from(team_members)
        .where(team_members.c.team_id == teams.c.id)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(teams, counted.label("count"))
        .where(teams.c.organisation_id == organisation_id)
        .order_by(teams.c.name)
    )
    return [_team(row, row[-1]) for row in rows]


def edit(connection: Connection, team: Team, *, name: str, description: str) -> None:
    """Raises BadName, TeamExists."""
    check_team(name)
    clash = connection.execute(
        select(teams.c.id).where(
            teams.c.organisation_id == team.organisation_id,
            teams.c.name == name,
            teams.c.id != team.id,
        )
    ).first()
    if clash:
        raise TeamExists(name)
    connection.execute(
        update(teams)
        .where(teams.c.id == team.id)
        .values(name=name, description=description.strip()[:255])
    )


def remove(connection: Connection, team: Team) -> None:
    connection.execute(delete(teams).where(teams.c.id == team.id))


def list_members(connection: Connection, team: Team) -> list[tuple[str, str, str]]:
    """(name, full name, e-mail) of each."""
    rows = connection.execute(
        select(namespaces.c.name, accounts.c.full_name, accounts.c.email)
        .join(accounts, accounts.c.id == namespaces.c.id)
        .join(team_members, team_members.c.account_id == accounts.c.id)
        .where(team_members.c.team_id == team.id)
        .order_by(namespaces.c.name)
    )
    return [(row.name, row.full_name, row.email) for row in rows]


def add_member(
    connection: Connection, organisation: Organisation, team: Team, account: Account
) -> None:
    """Idempotent. Raises MemberNotFound for somebody outside of the organisation."""
    if role_of(connection, organisation.id, account.id) is None:
        raise MemberNotFound(account.name, organisation.name)
    known = connection.execute(
        select(team_members.c.team_id).where(
            team_members.c.team_id == team.id, team_members.c.account_id == account.id
        )
    ).first()
    if not known:
        connection.execute(insert(team_members).values(team_id=team.id, account_id=account.id))


def remove_member(connection: Connection, team: Team, account: Account) -> None:
    """Raises MemberNotFound."""
    gone = connection.execute(
        delete(team_members).where(
            team_members.c.team_id == team.id, team_members.c.account_id == account.id
        )
    )
    if gone.rowcount == 0:
        raise MemberNotFound(account.name, team.name)


def roles_of_team(connection: Connection, team: Team) -> list[RepositoryRole]:
    rows = connection.execute(
        select(repositories.c.name, team_roles.c.role)
        .join(repositories, repositories.c.id == team_roles.c.repository_id)
        .where(team_roles.c.team_id == team.id)
        .order_by(repositories.c.name)
    )
    return [RepositoryRole(row.name, Role(row.role)) for row in rows]


def team_roles_on(connection: Connection, repository_id: int) -> list[RepositoryRole]:
    rows = connection.execute(
        select(teams.c.name, team_roles.c.role)
        .join(teams, teams.c.id == team_roles.c.team_id)
        .where(team_roles.c.repository_id == repository_id)
        .order_by(teams.c.name)
    )
    return [RepositoryRole(row.name, Role(row.role)) for row in rows]


def collaborators_on(connection: Connection, repository_id: int) -> list[RepositoryRole]:
    rows = connection.execute(
        select(namespaces.c.name, collaborators.c.role)
        .join(namespaces, namespaces.c.id == collaborators.c.account_id)
        .where(collaborators.c.repository_id == repository_id)
        .order_by(namespaces.c.name)
    )
    return [RepositoryRole(row.name, Role(row.role)) for row in rows]


def set_team_role(
    connection: Connection, repository_id: int, team: Team, role: Role | None
) -> None:
    """None takes it away."""
    mine = (team_roles.c.repository_id == repository_id) & (team_roles.c.team_id == team.id)
    connection.execute(delete(team_roles).where(mine))
    if role is not None:
        connection.execute(
            insert(team_roles).values(repository_id=repository_id, team_id=team.id, role=role.value)
        )


def set_collaborator(
    connection: Connection, repository_id: int, account: Account, role: Role | None
) -> None:
    """None takes it away. Raises OwnerNeedsNoRole."""
    owner_id = connection.execute(
        select(repositories.c.namespace_id).where(repositories.c.id == repository_id)
    ).scalar_one()
    if owner_id == account.id:
        raise OwnerNeedsNoRole(account.name)
    mine = (collaborators.c.repository_id == repository_id) & (
        collaborators.c.account_id == account.id
    )
    connection.execute(delete(collaborators).where(mine))
    if role is not None:
        connection.execute(
            insert(collaborators).values(
                repository_id=repository_id, account_id=account.id, role=role.value
            )
        )
