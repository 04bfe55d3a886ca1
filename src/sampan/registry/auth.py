"""Answering a registry's challenge: Basic, or a Bearer token from its token server.

A registry that wants authentication answers 401 with `WWW-Authenticate`. For Bearer we ask the
realm that it names for a token of the scopes needed, anonymously if there are no credentials, and
keep it until shortly before it expires. Tokens are kept in memory only, apart by credentials, and
several requests that need the same one wait for one exchange.
"""

import base64
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

import msgspec

from sampan.lib.locks import KeyedLocks
from sampan.registry.failures import ErrorAnswer, ErrorItem, NoBasicCredentials, read_error
from sampan.registry.keychain import Credentials
from sampan.registry.transport import Transport, read_capped

CLIENT_ID = "sampan"
LIFETIME_S = 60  # of a token whose answer doesn't say; the protocol's minimum
MARGIN_S = 10  # a token this near its end isn't used any more
TOKENS = 256  # kept at most
TOKEN_BYTES = 1 << 20  # of an answer

_PARAMETER = re.compile(r'\s*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*,?')
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9_-]*)(?:\s+|$)(?!=)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One scheme that a registry offers; `scheme` in lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(values: Iterable[str]) -> tuple[Challenge, ...]:
    """The challenges of all `WWW-Authenticate` headers; what can't be read is left out."""
    found: list[Challenge] = []
    for value in values:
        position = 0
        while match := _SCHEME.match(value, position):
            position = match.end()
            parameters: dict[str, str] = {}
            while parameter := _PARAMETER.match(value, position):
                quoted, plain = parameter[2], parameter[3]
                text = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                parameters[parameter[1].lower()] = text
                position = parameter.end()
            found.append(Challenge(match[1].lower(), parameters))
    return tuple(found)


def repository_scope(name: str, actions: str) -> str:
    return f"repository:{name}:{actions}"


class _TokenAnswer(msgspec.Struct, frozen=True):
    token: str | None = None
    access_token: str | None = None
    expires_in: int | None = None
    refresh_token: str | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """`refresh` only when an offline token was asked for and given."""

    value: str
    expires_s: float
    refresh: str = ""


class Authorizer:
    """Makes Authorization headers; one per daemon. `clock` is monotonic seconds."""

    def __init__(
        self, transport: Transport, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._tokens: dict[tuple[str, ...], Token] = {}
        self._locks = KeyedLocks()

    async def header(
        self,
        challenges: Sequence[Challenge],
        *,
        scopes: Sequence[str],
        credentials: Credentials,
        request: tuple[str, str],
        fresh: bool = False,
    ) -> str | None:
        """The header's value for `request` (method, url: for messages); None: none is wanted.

        `fresh` passes over a token that the registry has just refused. Raises ErrorAnswer,
        Unreachable, NoBasicCredentials.
        """
        offered = {challenge.scheme: challenge for challenge in reversed(challenges)}
        if not offered:
            return None
        if credentials.registry_token:
            return f"Bearer {credentials.registry_token}"
        if "bearer" in offered:
            token = await self._cached(offered["bearer"], scopes, credentials, fresh=fresh)
            return f"Bearer {token.value}"
        if "basic" in offered and not credentials.username:
            raise NoBasicCredentials(method=request[0], url=request[1])
        return basic(credentials) if "basic" in offered else None

    async def fetch_token(
        self,
        challenge: Challenge,
        scopes: Sequence[str],
        credentials: Credentials,
        *,
        offline: bool = False,
        client_id: str = CLIENT_ID,
    ) -> Token:
        """One exchange with the token server; not from and not into the cache."""
        realm = challenge.parameters.get("realm", "")
        if not realm.startswith(("http://", "https://")):
            raise _refused(f"invalid token server address {realm!r}")
        if (credentials.username or credentials.identity_token) and not self._transport.may_use(
            realm
        ):
            raise _refused(f"credentials aren't sent to {realm}: it isn't encrypted")
        query = [("service", service)] if (service := challenge.parameters.get("service")) else []
        query += [("client_id", client_id)]
        if credentials.identity_token:
            return await self._post(realm, scopes, credentials.identity_token, query)
        return await self._get(realm, scopes, credentials, query, offline=offline)

    async def _cached(
        self,
        challenge: Challenge,
        scopes: Sequence[str],
        credentials: Credentials,
        *,
        fresh: bool,
    ) -> Token:
        key = (
            challenge.parameters.get("realm", ""),
            challenge.parameters.get("service", ""),
            credentials.username,
            credentials.password,
            credentials.identity_token,
            *sorted(set(scopes)),
        )
        refused = self._tokens.get(key) if fresh else None
        async with self._locks.hold("\n".join(key)):
            token = self._tokens.get(key)
            if token and token is not refused and token.expires_s > self._clock():
                return token
            token = await self.fetch_token(challenge, sorted(set(scopes)), credentials)
            self._tokens[key] = token
            while len(self._tokens) > TOKENS:
                del self._tokens[next(iter(self._tokens))]
            return token

    async def _get(
        self,
        realm: str,
        scopes: Sequence[str],
        credentials: Credentials,
        query: list[tuple[str, str]],
        *,
        offline: bool,
    ) -> Token:
        query = query + [("scope", scope) for scope in scopes]
        headers = {}
        if credentials.username:
            query.append(("account", credentials.username))
            headers["Authorization"] = basic(credentials)
        if offline:
            query.append(("offline_token", "true"))
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}"
        return await self._exchange("GET", url, headers, None)

    async def _post(
        self, realm: str, scopes: Sequence[str], refresh_token: str, query: list[tuple[str, str]]
    ) -> Token:
        form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
            ("scope", " ".join(scopes)),
            *query,
        ]
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self._exchange("POST", realm, headers, urlencode(form).encode())

    async def _exchange(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> Token:
        async with self._transport.request(method, url, headers=headers, body=body) as response:
            if response.status >= 400:
                raise await read_error(response)
            try:
                answer = msgspec.json.decode(
                    await read_capped(response, TOKEN_BYTES), type=_TokenAnswer
                )
            except msgspec.MsgspecError as error:
                raise _refused(f"unable to decode token response: {error}") from error
        value = answer.token or answer.access_token
        if not value:
            raise _refused("authorization server did not include a token in the response")
        lifetime_s = max(answer.expires_in or LIFETIME_S, LIFETIME_S) - MARGIN_S
        return Token(value, self._clock() + lifetime_s, answer.refresh_token or "")


def basic(credentials: Credentials) -> str:
    pair = f"{credentials.username}:{credentials.password}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _refused(text: str) -> ErrorAnswer:
    return ErrorAnswer(status=0, items=(ErrorItem("", text),), reason="")
