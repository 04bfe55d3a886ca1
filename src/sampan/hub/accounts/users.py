"""Accounts in the database. Every function runs inside the caller's transaction.

Removing an account removes its sessions, tokens, memberships and stars; one that still owns
repositories, or is the last owner of an organisation, isn't removed.
"""

import secrets
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, or_, select, update

from sampan.errors import AlreadyExists, Conflict, NotFound
from sampan.hub.accounts.names import OFFICIAL, check_email, check_namespace
from sampan.hub.accounts.permissions import OrgRole, Scope
from sampan.hub.accounts.schema import accounts, organisation_members
from sampan.hub.db.schema import ORGANISATION, USER, namespaces, repositories


@dataclass(frozen=True, slots=True)
class Account:
    id: int
    name: str
    full_name: str
    email: str
    is_admin: bool
    is_active: bool
    private_by_default: bool
    stamp: str
    password_hash: str | None
    created_ns: int
    last_login_ns: int | None

    def __repr__(self) -> str:  # never a hash in a log line
        return f"Account({self.name!r})"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an account (None: nobody signed in), under a token's scope (None: no ceiling).

    `token_id`: of the access token used, "" for none. `stamp` is what long-lived tokens made for
    this caller carry: it changes with the password and names the access token.
    """

    account: Account | None = None
    scope: Scope | None = None
    token_id: str = ""

    @property
    def stamp(self) -> str:
        return f"{self.account.stamp if self.account else ''}:{self.token_id}"

    @property
    def id(self) -> int | None:
        return self.account.id if self.account else None

    @property
    def name(self) -> str:
        return self.account.name if self.account else ""

    @property
    def is_admin(self) -> bool:
        """An administrator's token of a smaller scope administers nothing."""
        return (
            self.account is not None and self.account.is_admin and self.scope in (None, Scope.ADMIN)
        )

    @property
    def may_write(self) -> bool:
        """Signed in, and not by an access token that only reads."""
        return self.account is not None and self.scope in (None, Scope.WRITE, Scope.ADMIN)


NOBODY = Caller()


class UserNotFound(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"no such user: {name}")


class NameTaken(AlreadyExists):
    def __init__(self, name: str) -> None:
        super().__init__(f"the name {name} is taken")


class OwnsRepositories(Conflict):
    def __init__(self, name: str, count: int) -> None:
        what = "repository" if count == 1 else "repositories"
        super().__init__(f"{name} still owns {count} {what}", hint="delete them first")


class LastOwner(Conflict):
    def __init__(self, name: str, organisation: str) -> None:
        super().__init__(
            f"{name} is the last owner of the organisation {organisation}",
            hint="make somebody else an owner first",
        )


def now_ns() -> int:
    return time.time_ns()


def new_stamp() -> str:
    return secrets.token_hex(8)


def claim_name(connection: Connection, name: str, kind: str) -> int:
    """A new namespace's id. Raises BadName, NameTaken."""
    check_namespace(name)
    found = connection.execute(select(namespaces.c.id).where(namespaces.c.name == name)).first()
    if found is not None:
        return _adopt(connection, int(found.id), name, kind)
    made = connection.execute(
        insert(namespaces).values(name=name, kind=kind, created_ns=now_ns())
    ).inserted_primary_key
    assert made is not None
    return int(made[0])


def _adopt(connection: Connection, namespace_id: int, name: str, kind: str) -> int:
    """`library` may be there already, made by a push of an administrator, owned by nobody."""
    from sampan.hub.accounts.schema import organisations

    owned = connection.execute(
        select(organisations.c.id).where(organisations.c.id == namespace_id)
    ).first()
    if name != OFFICIAL or kind != ORGANISATION or owned is not None:
        raise NameTaken(name)
    connection.execute(update(namespaces).where(namespaces.c.id == namespace_id).values(kind=kind))
    return namespace_id


def create(
    connection: Connection,
    name: str,
    *,
    password_hash: str | None,
    email: str = "",
    full_name: str = "",
    is_admin: bool = False,
) -> Account:
    """Raises BadName, NameTaken."""
    check_email(email)
    if name == OFFICIAL:
        raise NameTaken(name)
    namespace_id = claim_name(connection, name, USER)
    connection.execute(
        insert(accounts).values(
            id=namespace_id,
            password_hash=password_hash,
            stamp=new_stamp(),
            email=email,
            full_name=full_name[:100],
            is_admin=is_admin,
        )
    )
    return get(connection, name)


def _query() -> Select[Any]:
    return select(accounts, namespaces.c.name, namespaces.c.created_ns).join(
        namespaces, namespaces.c.id == accounts.c.id
    )


def _account(row: Row[Any]) -> Account:
    return Account(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a dict


def find(connection: Connection, name: str) -> Account | None:
    row = connection.execute(_query().where(namespaces.c.name == name)).first()
    return _account(row) if row else None


def find_by_id(connection: Connection, account_id: int) -> Account | None:
    row = connection.execute(_query().where(accounts.c.id == account_id)).first()
    return _account(row) if row else None


def get(connection: Connection, name: str) -> Account:
    """Raises UserNotFound."""
    found = find(connection, name)
    if found is None:
        raise UserNotFound(name)
    return found


def list_accounts(
    connection: Connection, *, search: str = "", limit: int = 1000, offset: int = 0
) -> tuple[list[Account], int]:
    """One page by name, and how many there are."""
    wanted = or_(
        namespaces.c.name.contains(search, autoescape=True),
        func.lower(accounts.c.full_name).contains(search.lower(), autoescape=True),
    )
    base = _query().where(wanted)
    count = connection.execute(select(func.count()).select_from(base.subquery())).scalar_one()
    rows = connection.execute(base.order_by(namespaces.c.name).limit(limit).offset(offset))
    return [_account(row) for row in rows], count


def set_password(connection: Connection, account_id: int, password_hash: str) -> None:
    """Also ends every session and refresh token: they carry the old stamp."""
    _update(connection, account_id, password_hash=password_hash, stamp=new_stamp())


def rehash(connection: Connection, account_id: int, password_hash: str) -> None:
    """The same password under a newer cost: nothing ends."""
    _update(connection, account_id, password_hash=password_hash)


def note_login(connection: Connection, account_id: int) -> None:
    _update(connection, account_id, last_login_ns=now_ns())


def set_profile(
    connection: Connection,
    account_id: int,
    *,
    full_name: str,
    email: str,
    private_by_default: bool,
) -> None:
    _update(
        connection,
        account_id,
        full_name=full_name.strip()[:100],
        email=check_email(email.strip()),
        private_by_default=private_by_default,
    )


def set_flags(
    connection: Connection,
    account_id: int,
    *,
    is_admin: bool | None = None,
    is_active: bool | None = None,
) -> None:
    """Switching an account off ends what it has open."""
    if is_admin is not None:
        _update(connection, account_id, is_admin=is_admin)
    if is_active is not None:
        more = {} if is_active else {"stamp": new_stamp()}
        _update(connection, account_id, is_active=is_active, **more)


def _update(connection: Connection, account_id: int, **values: object) -> None:
    connection.execute(update(accounts).where(accounts.c.id == account_id).values(**values))


def remove(connection: Connection, name: str) -> None:
    """Raises UserNotFound, OwnsRepositories, LastOwner."""
    account = get(connection, name)
    count = connection.execute(
        select(func.count())
        .select_from(repositories)
        .where(repositories.c.namespace_id == account.id)
    ).scalar_one()
    if count:
        raise OwnsRepositories(name, count)
    for organisation in sole_ownerships(connection, account.id):
        raise LastOwner(name, organisation)
    connection.execute(delete(namespaces).where(namespaces.c.id == account.id))


def sole_ownerships(connection: Connection, account_id: int) -> list[str]:
    """The organisations that nobody else owns."""
    mine = organisation_members.alias()
    others = organisation_members.alias()
    another = select(others.c.account_id).where(
        others.c.organisation_id == mine.c.organisation_id,
        others.c.account_id != account_id,
        others.c.role == OrgRole.OWNER,
    )
    rows = connection.execute(
        select(namespaces.c.name)
        .join(mine, mine.c.organisation_id == namespaces.c.id)
        .where(mine.c.account_id == account_id, mine.c.role == OrgRole.OWNER, ~another.exists())
    )
    return [row.name for row in rows]
