"""The token endpoint that the registry's challenge names.

    GET  /token?service=S&scope=X&scope=Y        Basic credentials or none: anonymous
    POST /token  grant_type=password|refresh_token, service, scope, username, password,
                 refresh_token, access_type=offline

The token carries those of the scopes that the caller may have; asking for too much isn't an error
here, the registry refuses later. Wrong credentials are: they never become an anonymous token.
Protocol: distribution's token and oauth2 specifications.
"""

import time
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from sampan.errors import SampanError, Unauthenticated
from sampan.hub.accounts.logins import Attempt, Logins
from sampan.hub.accounts.scopes import parse_scopes
from sampan.hub.accounts.signing import REGISTRY_LIFE_S, Signer
from sampan.hub.accounts.throttle import TooManyAttempts
from sampan.hub.accounts.users import NOBODY, Caller
from sampan.hub.auth.access import SERVICE
from sampan.hub.auth.credentials import authorization, basic_attempt
from sampan.hub.auth.granting import allowed_grants
from sampan.hub.db.engine import Database
from sampan.lib.workers import Workers


class TokenEndpoint:
    def __init__(
        self, *, database: Database, workers: Workers, logins: Logins, signer: Signer
    ) -> None:
        self._database = database
        self._workers = workers
        self._logins = logins
        self._signer = signer

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/token", self.get, allow_head=False), web.post("/token", self.post)]

    async def get(self, request: web.Request) -> web.Response:
        if request.query.get("service", SERVICE) != SERVICE:
            return _refused(400, "unknown service")
        try:
            caller = await self._basic(request)
        except SampanError as error:
            return _failure(error)
        token = await self._token(caller, request.query.getall("scope", []))
        return _answer({"token": token, "access_token": token, **_times()})

    async def post(self, request: web.Request) -> web.Response:
        form = await request.post()
        fields = {key: value for key, value in form.items() if isinstance(value, str)}
        if fields.get("service", SERVICE) != SERVICE:
            return _refused(400, "unknown service")
        try:
            caller = await self._oauth(request, fields)
        except SampanError as error:
            return _failure(error)
        token = await self._token(caller, [fields.get("scope", "")])
        answer = {"access_token": token, "token": token, "scope": fields.get("scope", "")}
        if fields.get("grant_type") == "refresh_token":
            answer["refresh_token"] = fields["refresh_token"]
        elif fields.get("access_type") == "offline":
            answer["refresh_token"] = self._logins.refresh_token(caller)
        return _answer({**answer, **_times()})

    async def _basic(self, request: web.Request) -> Caller:
        given = authorization(request)
        if not given.scheme:
            return NOBODY
        if given.scheme != "basic":
            raise Unauthenticated("the token endpoint takes Basic credentials")
        attempt = basic_attempt(request, given.value)
        return await self._workers.run(self._logins.check, attempt)

    async def _oauth(self, request: web.Request, fields: dict[str, str]) -> Caller:
        match fields.get("grant_type"):
            case "password":
                attempt = Attempt(
                    fields.get("username", ""), fields.get("password", ""), request.remote or ""
                )
                return await self._workers.run(self._logins.check, attempt)
            case "refresh_token":
                token = fields.get("refresh_token", "")
                return await self._workers.run(self._logins.by_refresh_token, token)
        raise Unauthenticated("unsupported grant_type")

    async def _token(self, caller: Caller, scopes: list[str]) -> str:
        wanted = parse_scopes(scopes)
        grants = await self._database.read(
            lambda connection: allowed_grants(connection, caller, wanted)
        )
        scope = caller.scope.value if caller.scope else None
        return self._signer.registry_token(caller.name, SERVICE, grants, scope=scope)


def _times() -> dict[str, Any]:
    issued = datetime.fromtimestamp(int(time.time()), UTC)
    return {"expires_in": REGISTRY_LIFE_S, "issued_at": issued.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _answer(body: dict[str, Any]) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _failure(error: SampanError) -> web.Response:
    if isinstance(error, TooManyAttempts):
        return _refused(429, error.message, {"Retry-After": str(error.wait_s)})
    if isinstance(error, Unauthenticated):
        return _refused(401, error.message, {"WWW-Authenticate": 'Basic realm="sampan hub"'})
    raise error


def _refused(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """`details` is what docker prints after a failed login; `errors` what others read."""
    codes = {400: "UNSUPPORTED", 401: "UNAUTHORIZED", 429: "TOOMANYREQUESTS"}
    body = {
        "details": message,
        "errors": [{"code": codes[status], "message": message, "detail": None}],
    }
    return web.Response(
        status=status,
        body=msgspec.json.encode(body),
        content_type="application/json",
        headers=headers,
    )
