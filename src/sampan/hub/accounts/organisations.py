"""Organisations, their members and teams. Every function runs inside the caller's transaction.

    organisation --< members (owner, editor, member)
                 `-< teams --< members, roles on the organisation's repositories

An organisation always has an owner; who leaves it leaves its teams. `library` is the organisation
of the images without a namespace in their name; only an administrator makes it.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from sampan.errors import NotFound
from sampan.hub.accounts.permissions import OrgRole
from sampan.hub.accounts.schema import (
    accounts,
    organisation_members,
    organisations,
    team_members,
    teams,
)
from sampan.hub.accounts.users import (
    Account,
    LastOwner,
    OwnsRepositories,
    claim_name,
    sole_ownerships,
)
from sampan.hub.db.schema import ORGANISATION, namespaces, repositories


@dataclass(frozen=True, slots=True)
class Organisation:
    id: int
    name: str
    full_name: str
    private_by_default: bool
    created_ns: int


@dataclass(frozen=True, slots=True)
class Member:
    account_id: int
    name: str
    full_name: str
    email: str
    role: OrgRole
    teams: tuple[str, ...] = ()


class OrganisationNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"no such organisation: {name}")


class MemberNotFound(NotFound):
    def __init__(self, name: str, organisation: str) -> None:
        super().__init__(f"{name} is no member of {organisation}")


def _query() -> Select[Any]:
    return select(organisations, namespaces.c.name, namespaces.c.created_ns).join(
        namespaces, namespaces.c.id == organisations.c.id
    )


def _organisation(row: Row[Any]) -> Organisation:
    return Organisation(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name


def create(
    connection: Connection, name: str, *, owner: Account, full_name: str = ""
) -> Organisation:
    """Raises BadName, NameTaken."""
    namespace_id = claim_name(connection, name, ORGANISATION)
    connection.execute(insert(organisations).values(id=namespace_id, full_name=full_name[:100]))
    connection.execute(
        insert(organisation_members).values(
            organisation_id=namespace_id, account_id=owner.id, role=OrgRole.OWNER.value
        )
    )
    return get(connection, name)


def find(connection: Connection, name: str) -> Organisation | None:
    row = connection.execute(_query().where(namespaces.c.name == name)).first()
    return _organisation(row) if row else None


def get(connection: Connection, name: str) -> Organisation:
    """Raises OrganisationNotFound."""
    found = find(connection, name)
    if found is None:
        raise OrganisationNotFound(name)
    return found


def list_organisations(connection: Connection) -> list[Organisation]:
    return [_organisation(row) for row in connection.execute(_query().order_by(namespaces.c.name))]


def edit(
    connection: Connection, organisation_id: int, *, full_name: str, private_by_default: bool
) -> None:
    connection.execute(
        update(organisations)
        .where(organisations.c.id == organisation_id)
        .values(full_name=full_name.strip()[:100], private_by_default=private_by_default)
    )


def remove(connection: Connection, name: str) -> None:
    """Raises OrganisationNotFound, OwnsRepositories."""
    organisation = get(connection, name)
    count = connection.execute(
        select(func.count())
        .select_from(repositories)
        .where(repositories.c.namespace_id == organisation.id)
    ).scalar_one()
    if count:
        raise OwnsRepositories(name, count)
    connection.execute(delete(namespaces).where(namespaces.c.id == organisation.id))


def of_account(connection: Connection, account_id: int) -> list[tuple[Organisation, OrgRole]]:
    """The organisations that an account is a member of, by name."""
    rows = connection.execute(
        _query()
        .add_columns(organisation_members.c.role)
        .join(organisation_members, organisation_members.c.organisation_id == organisations.c.id)
        .where(organisation_members.c.account_id == account_id)
        .order_by(namespaces.c.name)
    )
    found = []
    for row in rows:
        facts = dict(row._mapping)  # noqa: SLF001
        role = OrgRole(facts.pop("role"))
        found.append((Organisation(**facts), role))
    return found


def role_of(connection: Connection, organisation_id: int, account_id: int) -> OrgRole | None:
    role = connection.execute(
        select(organisation_members.c.role).where(
            organisation_members.c.organisation_id == organisation_id,
            organisation_members.c.account_id == account_id,
        )
    ).scalar_one_or_none()
    return OrgRole(role) if role else None


def list_members(connection: Connection, organisation_id: int) -> list[Member]:
    rows = connection.execute(
        select(
            accounts.c.id,
            namespaces.c.name,
            accounts.c.full_name,
            accounts.c.email,
            organisation_members.c.role,
        )
        .join(accounts, accounts.c.id == organisation_members.c.account_id)
        .join(namespaces, namespaces.c.id == accounts.c.id)
        .where(organisation_members.c.organisation_id == organisation_id)
        .order_by(namespaces.c.name)
    ).all()
    theirs: dict[int, list[str]] = {}
    for row in connection.execute(
        select(team_members.c.account_id, teams.c.name)
        .join(teams, teams.c.id == team_members.c.team_id)
        .where(teams.c.organisation_id == organisation_id)
        .order_by(teams.c.name)
    ):
        theirs.setdefault(row.account_id, []).append(row.name)
    return [
        Member(
            row.id,
            row.name,
            row.full_name,
            row.email,
            OrgRole(row.role),
            tuple(theirs.get(row.id, ())),
        )
        for row in rows
    ]


def set_member(
    connection: Connection, organisation: Organisation, account: Account, role: OrgRole
) -> None:
    """Add a member or change their role. Raises LastOwner."""
    known = role_of(connection, organisation.id, account.id)
    if known is None:
        connection.execute(
            insert(organisation_members).values(
                organisation_id=organisation.id, account_id=account.id, role=role.value
            )
        )
        return
    if role is not OrgRole.OWNER:
        _keep_an_owner(connection, organisation, account)
    connection.execute(
        update(organisation_members)
        .where(
            organisation_members.c.organisation_id == organisation.id,
            organisation_members.c.account_id == account.id,
        )
        .values(role=role.value)
    )


def remove_member(connection: Connection, organisation: Organisation, account: Account) -> None:
    """Raises MemberNotFound, LastOwner."""
    if role_of(connection, organisation.id, account.id) is None:
        raise MemberNotFound(account.name, organisation.name)
    _keep_an_owner(connection, organisation, account)
    own_teams = select(teams.c.id).where(teams.c.organisation_id == organisation.id)
    connection.execute(
        delete(team_members).where(
            team_members.c.account_id == account.id, team_members.c.team_id.in_(own_teams)
        )
    )
    connection.execute(
        delete(organisation_members).where(
            organisation_members.c.organisation_id == organisation.id,
            organisation_members.c.account_id == account.id,
        )
    )


def _keep_an_owner(connection: Connection, organisation: Organisation, account: Account) -> None:
    if organisation.name in sole_ownerships(connection, account.id):
        raise LastOwner(account.name, organisation.name)
