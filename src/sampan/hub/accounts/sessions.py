"""Browser sessions: a random id in a cookie, its fingerprint in the database.

A session ends after two weeks, at logout, and with its account's stamp (a new password, a
switched-off account). The form token (against cross-site requests) derives from the id, so that
it needs no place of its own and ends with the session.
"""

import hashlib
import hmac

from sqlalchemy import Connection, delete, insert, select

from sampan.hub.accounts.passwords import fingerprint, new_session_id
from sampan.hub.accounts.schema import sessions
from sampan.hub.accounts.users import Account, find_by_id, now_ns

LIFE_S = 14 * 24 * 3600


def open_session(connection: Connection, account: Account) -> str:
    """The id for the cookie. Sessions that are over are cleared away."""
    now = now_ns()
    connection.execute(delete(sessions).where(sessions.c.expires_ns <= now))
    session_id = new_session_id()
    connection.execute(
        insert(sessions).values(
            fingerprint=fingerprint(session_id),
            account_id=account.id,
            stamp=account.stamp,
            created_ns=now,
            expires_ns=now + LIFE_S * 10**9,
        )
    )
    return session_id


def account_of(connection: Connection, session_id: str) -> Account | None:
    """Whose session it is, if it is one that holds."""
    row = connection.execute(
        select(sessions).where(
            sessions.c.fingerprint == fingerprint(session_id), sessions.c.expires_ns > now_ns()
        )
    ).first()
    account = find_by_id(connection, row.account_id) if row else None
    if row is None or account is None or not account.is_active or account.stamp != row.stamp:
        return None
    return account


def close_session(connection: Connection, session_id: str) -> None:
    connection.execute(delete(sessions).where(sessions.c.fingerprint == fingerprint(session_id)))


def form_token(session_id: str) -> str:
    """What forms of this session carry."""
    return hmac.new(session_id.encode(), b"form token", hashlib.sha256).hexdigest()


def form_token_fits(session_id: str, given: str) -> bool:
    return hmac.compare_digest(form_token(session_id).encode(), given.encode())
