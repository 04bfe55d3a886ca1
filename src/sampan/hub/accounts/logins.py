"""From a name and a secret to a caller: the only place where passwords and tokens are checked.

A secret that looks like an access token is looked up as one and must belong to the name given;
anything else is a password. Failures count against the account and the address (throttle.py) and
all read the same. A right secret is remembered for a minute by its hash under a random key, so
that a client with Basic credentials doesn't pay argon2 for every request; what it stands for is
read anew each time, so a switched-off account or token doesn't get in.
"""

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from sampan.errors import Unauthenticated
from sampan.hub.accounts import access_tokens, sessions, users
from sampan.hub.accounts.passwords import TOKEN_PREFIX, Passwords
from sampan.hub.accounts.permissions import Scope
from sampan.hub.accounts.signing import BadToken, Claims, Signer
from sampan.hub.accounts.throttle import Throttle
from sampan.hub.accounts.users import Account, Caller
from sampan.hub.db.engine import Database

REMEMBERED_S = 60.0
REMEMBERED = 1000
TURNS = 64


class WrongCredentials(Unauthenticated):
    def __init__(self) -> None:
        super().__init__("incorrect username or password")


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody at the door; `address` is where the connection comes from."""

    name: str
    secret: str
    address: str


class Logins:
    """Blocking, thread-safe: run it in worker threads."""

    def __init__(
        self,
        *,
        database: Database,
        passwords: Passwords,
        throttle: Throttle,
        signer: Signer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._throttle = throttle
        self._signer = signer
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()
        self._turns = [threading.Lock() for _ in range(TURNS)]

    def check(self, attempt: Attempt) -> Caller:
        """Raises WrongCredentials, TooManyAttempts."""
        name = attempt.name.strip().lower()
        if attempt.secret.startswith(TOKEN_PREFIX):
            caller = self._by_token(name, attempt.secret)
            if caller is not None:
                return caller  # 256 random bits aren't guessed: no throttle in a token's way
        found = self._find(name)
        mark = self._mark(name, attempt.secret, found.stamp if found else "")
        if found is not None and found.is_active and self._remembers(mark):
            return Caller(found)
        # one at a time for an account: guesses side by side would all pass the throttle
        with self._turns[hash(name) % TURNS]:
            if found is not None and found.is_active and self._remembers(mark):
                return Caller(found)  # whoever had the turn before came with the same secret
            self._throttle.check(name, attempt.address)
            if not self._password_fits(found, attempt.secret) or found is None:
                self._throttle.failed(name, attempt.address)
                raise WrongCredentials
            self._throttle.succeeded(name)
            self._remember(mark)
        return Caller(found)

    def sign_in(self, attempt: Attempt) -> tuple[Account, str]:
        """A browser's session: the account and the session's id. Takes passwords only."""
        account = self.check_password(attempt)
        return account, self.open_session(account)

    def check_password(self, attempt: Attempt) -> Account:
        """Like `check`, but a token won't do."""
        caller = self.check(attempt)
        if caller.account is None or caller.scope is not None:
            raise WrongCredentials
        return caller.account

    def open_session(self, account: Account) -> str:
        def work(connection: Connection) -> str:
            users.note_login(connection, account.id)
            return sessions.open_session(connection, account)

        return self._database.write_now(work)

    def by_api_token(self, token: str) -> Caller:
        """Raises BadToken."""
        return self._by_claims(self._signer.check_api(token))

    def by_refresh_token(self, token: str) -> Caller:
        """Raises BadToken."""
        return self._by_claims(self._signer.check_refresh(token))

    def api_token(self, caller: Caller) -> str:
        account = _account(caller)
        return self._signer.api_token(account.name, scope=caller.scope, stamp=caller.stamp)

    def refresh_token(self, caller: Caller) -> str:
        account = _account(caller)
        return self._signer.refresh_token(account.name, scope=caller.scope, stamp=caller.stamp)

    def _by_claims(self, claims: Claims) -> Caller:
        try:
            scope = Scope(claims.scope) if claims.scope else None
        except ValueError as error:
            raise BadToken("unknown scope") from error
        stamp, _, token_id = claims.stamp.partition(":")

        def look(connection: Connection) -> Caller:
            account = users.find(connection, claims.subject)
            if account is None or not account.is_active or account.stamp != stamp:
                raise BadToken("revoked")
            if token_id and not access_tokens.still_valid(connection, account.id, token_id):
                raise BadToken("revoked")
            return Caller(account, scope, token_id)

        return self._database.read_now(look)

    def _find(self, name: str) -> Account | None:
        return self._database.read_now(lambda connection: users.find(connection, name))

    def _by_token(self, name: str, secret: str) -> Caller | None:
        def look(connection: Connection) -> tuple[Account, access_tokens.AccessToken] | None:
            token = access_tokens.find_valid(connection, secret)
            account = users.find_by_id(connection, token.account_id) if token else None
            if token is None or account is None or not account.is_active or account.name != name:
                return None
            return account, token

        found = self._database.read_now(look)
        if found is None:
            return None
        account, token = found
        if access_tokens.worth_noting(token):
            self._database.write_now(lambda connection: access_tokens.note_use(connection, token))
        return Caller(account, token.scope, token.id)

    def _password_fits(self, account: Account | None, password: str) -> bool:
        hashed = account.password_hash if account else None
        if not self._passwords.verify(hashed, password) or account is None or hashed is None:
            return False
        if self._passwords.outdated(hashed):
            better = self._passwords.hash(password)
            self._database.write_now(
                lambda connection: users.rehash(connection, account.id, better)
            )
        return account.is_active

    def _mark(self, *parts: str) -> bytes:
        return hmac.new(self._key, "\0".join(parts).encode(), hashlib.sha256).digest()

    def _remembers(self, mark: bytes) -> bool:
        with self._lock:
            until_s = self._right.get(mark)
            return until_s is not None and until_s > self._clock()

    def _remember(self, mark: bytes) -> None:
        with self._lock:
            self._right[mark] = self._clock() + REMEMBERED_S
            while len(self._right) > REMEMBERED:
                self._right.popitem(last=False)


def _account(caller: Caller) -> Account:
    if caller.account is None:
        raise WrongCredentials
    return caller.account
