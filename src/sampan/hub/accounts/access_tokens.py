"""Personal access tokens: a secret per program, with a scope, an end and a switch.

The value is shown once, when it is made; the database holds its fingerprint. A token that has
expired, is switched off or belongs to an account that is switched off opens nothing.

What a token makes or switches on has at most its own scope and its own end (`ceiling`), so that
whoever finds one that ends can't keep the door open.
"""

import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from sampan.errors import Denied, NotFound
from sampan.hub.accounts.names import BadName
from sampan.hub.accounts.passwords import fingerprint, new_access_token
from sampan.hub.accounts.permissions import Scope
from sampan.hub.accounts.schema import access_tokens
from sampan.hub.accounts.users import now_ns

LABEL_MOST = 100
USED_STEP_NS = 60 * 10**9  # "last used" is exact to a minute: not a write for every request


@dataclass(frozen=True, slots=True)
class AccessToken:
    id: str
    account_id: int
    label: str
    scope: Scope
    is_active: bool
    created_ns: int
    expires_ns: int | None
    used_ns: int | None

    def expired(self, at_ns: int) -> bool:
        return self.expires_ns is not None and at_ns >= self.expires_ns


class TokenNotFound(NotFound):
    def __init__(self) -> None:
        super().__init__("access token not found")


class BeyondCeiling(Denied):
    def __init__(self, what: str) -> None:
        super().__init__(f"an access token gives no other one {what} than its own")


def _token(row: Row[Any]) -> AccessToken:
    return AccessToken(
        id=row.id,
        account_id=row.account_id,
        label=row.label,
        scope=Scope(row.scope),
        is_active=row.is_active,
        created_ns=row.created_ns,
        expires_ns=row.expires_ns,
        used_ns=row.used_ns,
    )


def create(
    connection: Connection,
    account_id: int,
    *,
    label: str,
    scope: Scope,
    expires_ns: int | None = None,
    ceiling: str = "",
) -> tuple[AccessToken, str]:
    """The token, and its value: the only time that anybody sees it.

    `ceiling` is the id of the token that asks for it, "" for a password or a session; without an
    end of its own the new one then ends with that. Raises BadName, BeyondCeiling, TokenNotFound.
    """
    label = check_label(label)
    now = now_ns()
    if ceiling:
        maker = get(connection, account_id, ceiling)
        expires_ns = maker.expires_ns if expires_ns is None else expires_ns
        _check_ceiling(maker, scope, expires_ns)
    if expires_ns is not None and expires_ns <= now:
        raise BadName("expires_at", "the token would have expired already")
    value = new_access_token()
    token_id = str(uuid.uuid4())
    connection.execute(
        insert(access_tokens).values(
            id=token_id,
            account_id=account_id,
            label=label,
            scope=scope.value,
            fingerprint=fingerprint(value),
            created_ns=now,
            expires_ns=expires_ns,
        )
    )
    return get(connection, account_id, token_id), value


def _check_ceiling(maker: AccessToken, scope: Scope, expires_ns: int | None) -> None:
    order = list(Scope)
    if order.index(scope) > order.index(maker.scope):
        raise BeyondCeiling("more rights")
    if maker.expires_ns is not None and (expires_ns is None or expires_ns > maker.expires_ns):
        raise BeyondCeiling("a later end")


def check_label(label: str) -> str:
    label = " ".join(label.split())
    if not 1 <= len(label) <= LABEL_MOST:
        raise BadName("token_label", f"a description of 1 to {LABEL_MOST} characters is needed")
    return label


def get(connection: Connection, account_id: int, token_id: str) -> AccessToken:
    """Raises TokenNotFound, also for somebody else's."""
    row = connection.execute(
        select(access_tokens).where(
            access_tokens.c.id == token_id, access_tokens.c.account_id == account_id
        )
    ).first()
    if row is None:
        raise TokenNotFound
    return _token(row)


def list_tokens(
    connection: Connection, account_id: int, *, limit: int = 100, offset: int = 0
) -> tuple[list[AccessToken], int, int]:
    """One page, newest first; how many there are; how many of them are on."""
    mine = access_tokens.c.account_id == account_id
    rows = connection.execute(
        select(access_tokens)
        .where(mine)
        .order_by(access_tokens.c.created_ns.desc(), access_tokens.c.id)
        .limit(limit)
        .offset(offset)
    )
    found = [_token(row) for row in rows]
    count = select(func.count()).select_from(access_tokens).where(mine)
    active = count.where(
        access_tokens.c.is_active,
        or_(access_tokens.c.expires_ns.is_(None), access_tokens.c.expires_ns > now_ns()),
    )
    return found, connection.execute(count).scalar_one(), connection.execute(active).scalar_one()


def edit(
    connection: Connection,
    account_id: int,
    token_id: str,
    *,
    label: str | None = None,
    is_active: bool | None = None,
    ceiling: str = "",
) -> AccessToken:
    """`ceiling` as in `create`. Raises TokenNotFound, BadName, BeyondCeiling."""
    found = get(connection, account_id, token_id)
    if ceiling and is_active and not found.is_active:
        _check_ceiling(get(connection, account_id, ceiling), found.scope, found.expires_ns)
    values: dict[str, object] = {}
    if label is not None:
        values["label"] = check_label(label)
    if is_active is not None:
        values["is_active"] = is_active
    if values:
        connection.execute(
            update(access_tokens).where(access_tokens.c.id == token_id).values(**values)
        )
    return get(connection, account_id, token_id)


def remove(connection: Connection, account_id: int, token_id: str) -> None:
    """Raises TokenNotFound."""
    get(connection, account_id, token_id)
    connection.execute(delete(access_tokens).where(access_tokens.c.id == token_id))


def find_valid(connection: Connection, value: str) -> AccessToken | None:
    """The token of this value, if it opens anything now."""
    row = connection.execute(
        select(access_tokens).where(access_tokens.c.fingerprint == fingerprint(value))
    ).first()
    if row is None:
        return None
    token = _token(row)
    return token if token.is_active and not token.expired(now_ns()) else None


def still_valid(connection: Connection, account_id: int, token_id: str) -> bool:
    row = connection.execute(
        select(access_tokens).where(
            access_tokens.c.id == token_id, access_tokens.c.account_id == account_id
        )
    ).first()
    return row is not None and row.is_active and not _token(row).expired(now_ns())


def note_use(connection: Connection, token: AccessToken) -> None:
    connection.execute(
        update(access_tokens).where(access_tokens.c.id == token.id).values(used_ns=now_ns())
    )


def worth_noting(token: AccessToken) -> bool:
    return token.used_ns is None or now_ns() - token.used_ns > USED_STEP_NS
