"""What the registry asks (v2/access.py), answered from tokens and accounts.

A Bearer token is believed for what its access list says: it was made of the permissions at most
five minutes ago, and asking the database again for every blob would buy those minutes dearly.
Rights taken away end with it. Basic credentials are decided on the spot.

Refusals say nothing about existence: a token without the right action, whatever the reason, gets
the same 401 with the scope that is missing; Basic credentials get 404 for what isn't there and
for what is hidden, 403 only where the caller may see the repository.
"""

from collections.abc import Sequence

from aiohttp import web
from sqlalchemy import Connection

from sampan.errors import Unauthenticated
from sampan.hub.accounts import users
from sampan.hub.accounts.logins import Logins
from sampan.hub.accounts.permissions import Right, Scope, decide
from sampan.hub.accounts.scopes import (
    ALL,
    CATALOG,
    DELETE,
    PULL,
    PUSH,
    REGISTRY,
    REPOSITORY,
    Grant,
    challenge,
)
from sampan.hub.accounts.signing import BadToken, Claims, Signer
from sampan.hub.accounts.standing import (
    NotAllowed,
    RepositoryNotFound,
    standing,
    visible_paths,
)
from sampan.hub.accounts.throttle import TooManyAttempts
from sampan.hub.accounts.users import NOBODY, Caller
from sampan.hub.auth.credentials import authorization, basic_attempt
from sampan.hub.auth.granting import Creation, ensure_repository
from sampan.hub.db.engine import Database
from sampan.hub.v2.access import Action, Challenged, Identity
from sampan.hub.v2.names import canonical, split
from sampan.lib.workers import Workers

SERVICE = "sampan-hub"
RIGHT: dict[Action, Right] = {
    "pull": Right.PULL,
    "push": Right.PUSH,
    "delete": Right.DELETE_TAGS,
}
_CATALOG = Grant(REGISTRY, CATALOG, (ALL,))
_MISSING = "insufficient_scope"
_INVALID = "invalid_token"


class RegistryAccess:
    """Implements v2.access.Access. `public_url` is "" where the request's own address is told."""

    def __init__(
        self,
        *,
        database: Database,
        workers: Workers,
        logins: Logins,
        signer: Signer,
        creation: Creation,
        public_url: str = "",
    ) -> None:
        self._database = database
        self._workers = workers
        self._logins = logins
        self._signer = signer
        self._creation = creation
        self._public_url = public_url

    async def authenticate(self, request: web.Request) -> Identity:
        """Any token of ours will do, also an anonymous one: it opens nothing by itself."""
        claims, caller = await self._who(request, ())
        if claims is not None:
            return Identity(claims.subject or None)
        if caller.account is None:
            raise self._challenge(request, ())
        return _identity(caller)

    async def require(self, request: web.Request, repository: str, action: Action) -> Identity:
        asked = Grant(REPOSITORY, _as_asked(request, repository), _actions(action))
        claims, caller = await self._who(request, (asked,))
        if claims is not None:
            if not _granted(claims, repository, action):
                raise self._challenge(request, (asked,), error=_MISSING)
            identity = Identity(claims.subject or None)
        elif caller.account is None:
            raise self._challenge(request, (asked,))
        else:
            await self._database.read(
                lambda connection: self._decide(connection, caller, repository, action)
            )
            identity = _identity(caller)
        if action == "push" and _may_create(request):
            await ensure_repository(self._database, repository, self._creation)
        return identity

    async def may_list(self, request: web.Request, repositories: Sequence[str]) -> frozenset[str]:
        claims, caller = await self._who(request, (_CATALOG,))
        if claims is not None:
            if _CATALOG not in claims.grants:
                raise self._challenge(request, (_CATALOG,), error=_MISSING)
            caller = await self._database.read(lambda connection: _named(connection, claims))
        if caller.account is None:
            raise self._challenge(request, (_CATALOG,))
        wanted = list(repositories)
        return await self._database.read(
            lambda connection: visible_paths(connection, caller, wanted)
        )

    async def _who(
        self, request: web.Request, asked: Sequence[Grant]
    ) -> tuple[Claims | None, Caller]:
        """A checked token's claims, or else the caller. Raises Challenged, TooManyAttempts."""
        try:
            given = authorization(request)
            if given.scheme == "bearer":
                return self._signer.check_registry(given.value, SERVICE), NOBODY
            if given.scheme == "basic":
                attempt = basic_attempt(request, given.value)
                return None, await self._workers.run(self._logins.check, attempt)
        except TooManyAttempts:
            raise
        except BadToken as error:
            raise self._challenge(request, asked, error=_INVALID) from error
        except Unauthenticated as error:
            raise self._challenge(request, asked) from error
        return None, NOBODY

    def _decide(
        self, connection: Connection, caller: Caller, repository: str, action: Action
    ) -> None:
        found, facts = standing(connection, caller, *split(repository))
        if action == "push" and found is None:
            decision = decide(facts, Right.CREATE)
        else:
            decision = decide(facts, RIGHT[action])
        if decision.allowed:
            return
        if decision.hidden or found is None:
            raise RepositoryNotFound(repository)
        raise NotAllowed(repository, RIGHT[action])

    def _challenge(
        self, request: web.Request, asked: Sequence[Grant], *, error: str = ""
    ) -> Challenged:
        base = self._public_url or f"{request.scheme}://{request.host}"
        return Challenged(challenge(f"{base}/token", SERVICE, asked, error=error))


def _actions(action: Action) -> tuple[str, ...]:
    return {"pull": (PULL,), "push": (PULL, PUSH), "delete": (DELETE,)}[action]


def _as_asked(request: web.Request, repository: str) -> str:
    """The name as the client wrote it: clients compare it with theirs."""
    short = repository.removeprefix("library/")
    return short if request.path.startswith(f"/v2/{short}/") else repository


def _may_create(request: web.Request) -> bool:
    """The first upload makes a repository; so does an index that refers to nothing."""
    return request.method == "POST" or (request.method == "PUT" and "/manifests/" in request.path)


def _granted(claims: Claims, repository: str, action: Action) -> bool:
    return any(
        grant.type == REPOSITORY and canonical(grant.name) == repository and action in grant.actions
        for grant in claims.grants
    )


def _named(connection: Connection, claims: Claims) -> Caller:
    account = users.find(connection, claims.subject) if claims.subject else None
    return Caller(account, Scope(claims.scope) if claims.scope else None)


def _identity(caller: Caller) -> Identity:
    return Identity(caller.name or None, is_admin=caller.is_admin)
