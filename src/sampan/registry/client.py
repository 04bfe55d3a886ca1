"""Requests to one repository at a registry: discovery, authorisation, retries.

`Registries` is the daemon's one door to registries. For a reference it yields the `Repository`s
to try in order (mirrors first, then the registry itself; TLS before plain HTTP where that is
allowed): a host that gives no HTTP answer is passed over, and the last one's error is raised when
none answered. What a host wants (its challenges) is asked once at `/v2/` and remembered.

    401               one fresh token, then the answer stands
    429, 502-504,     tried again with growing pauses, up to `max_attempts`, while the body
    broken off        can be sent again (`retry=False` otherwise)
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from sampan.errors import InvalidArgument, SampanError
from sampan.oci.reference import Reference
from sampan.registry.auth import Authorizer, Challenge, parse_challenges, repository_scope
from sampan.registry.failures import ErrorAnswer, Unreachable, read_error
from sampan.registry.keychain import ANONYMOUS, Credentials
from sampan.registry.settings import Endpoint, RegistrySettings, endpoints
from sampan.registry.transport import Body, Transport

PULL = "pull"
PUSH = "pull,push"

TEMPORARY = frozenset({429, 502, 503, 504})
DISCOVERY_LIFETIME_S = 300.0
PAUSE_S = 0.25  # before the second attempt; doubled for each further one
MAX_PAUSE_S = 8.0
MAX_RETRY_AFTER_S = 30.0


@dataclass(frozen=True, slots=True)
class Discovered:
    """What `/v2/` of an endpoint said."""

    challenges: tuple[Challenge, ...]
    expires_s: float


class Registries:
    """One per daemon. `close` ends the connections."""

    def __init__(
        self, settings: RegistrySettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.settings = settings
        self.transport = Transport(settings)
        self.authorizer = Authorizer(self.transport, clock=clock)
        self._clock = clock
        self._discovered: dict[str, Discovered] = {}

    def reconfigure(self, settings: RegistrySettings) -> None:
        """Take over what a reload of the daemon's configuration changed."""
        self.settings = settings
        self.transport.reconfigure(settings)
        self._discovered.clear()

    async def close(self) -> None:
        await self.transport.close()

    async def discover(self, endpoint: Endpoint) -> tuple[Challenge, ...]:
        """The challenges of an endpoint; empty if it wants none. Raises Unreachable."""
        known = self._discovered.get(endpoint.base)
        if known is None or known.expires_s < self._clock():
            async with self.transport.request("GET", f"{endpoint.base}/v2/") as response:
                values = response.headers.getall("WWW-Authenticate", [])
            challenges = parse_challenges(values) if response.status == 401 else ()
            known = Discovered(challenges, self._clock() + DISCOVERY_LIFETIME_S)
            self._discovered[endpoint.base] = known
        return known.challenges

    async def repositories(
        self,
        reference: Reference,
        credentials: Credentials,
        *,
        actions: str,
        without: Collection[str] = (),
    ) -> AsyncIterator["Repository"]:
        """Those that answer, in the order to try. Raises Unreachable when none does.

        Once a secure endpoint has answered, the plain one of the same host isn't offered.
        `without` are addresses of mirrors to leave out.
        """
        failure: SampanError | None = None
        answered: set[str] = set()
        for endpoint in endpoints(self.settings, reference.domain, pull=actions == PULL):
            if endpoint.base in without if endpoint.mirror else endpoint.host in answered:
                continue
            try:
                challenges = await self.discover(endpoint)
            except (Unreachable, ErrorAnswer, InvalidArgument) as error:
                if not (endpoint.mirror or isinstance(error, Unreachable)):
                    raise
                failure = error
                continue
            if not endpoint.mirror:
                answered.add(endpoint.host)
            own = ANONYMOUS if endpoint.mirror else credentials
            yield Repository(
                self,
                endpoint,
                reference.path,
                credentials=own,
                actions=actions,
                challenges=challenges,
            )
        if failure is not None and not answered:
            raise failure

    async def repository(
        self, reference: Reference, credentials: Credentials, *, actions: str
    ) -> "Repository":
        """The first that answers."""
        async for found in self.repositories(reference, credentials, actions=actions):
            return found
        raise AssertionError("a domain without endpoints")


class Repository:
    """A repository at an endpoint, as one client (its credentials) sees it."""

    def __init__(
        self,
        registries: Registries,
        endpoint: Endpoint,
        name: str,
        *,
        credentials: Credentials,
        actions: str,
        challenges: Sequence[Challenge],
    ) -> None:
        self._registries = registries
        self.endpoint = endpoint
        self.name = name
        self._credentials = credentials
        self._scope = repository_scope(name, actions)
        self._challenges = tuple(challenges)

    @property
    def max_attempts(self) -> int:
        return self._registries.settings.max_attempts

    def url(self, path: str) -> str:
        """`path` below the repository, or an absolute address."""
        if path.startswith(("http://", "https://")):
            return path
        if path.startswith("/"):
            return f"{self.endpoint.base}{path}"
        return f"{self.endpoint.base}/v2/{self.name}/{path}"

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        expect: Collection[int] = (200,),
        scopes: Sequence[str] = (),
        retry: bool = True,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yields an answer with one of the statuses expected. Raises ErrorAnswer, Unreachable."""
        exchange = _Exchange(
            method, self.url(path), dict(headers or {}), body, frozenset(expect), tuple(scopes)
        )
        async with AsyncExitStack() as stack:
            yield await self._attempts(stack, exchange, self.max_attempts if retry else 1)

    async def _attempts(
        self, stack: AsyncExitStack, exchange: "_Exchange", attempts: int
    ) -> aiohttp.ClientResponse:
        for attempt in range(1, attempts + 1):
            try:
                response = await self._authorised(stack, exchange)
            except Unreachable:
                if attempt == attempts:
                    raise
                await pause(attempt)
                continue
            if response.status in exchange.expect:
                return response
            if response.status not in TEMPORARY or attempt == attempts:
                raise await read_error(response)
            await pause(attempt, retry_after=response.headers.get("Retry-After"))
            response.release()
        raise AssertionError("no attempt was made")

    async def _authorised(
        self, stack: AsyncExitStack, exchange: "_Exchange"
    ) -> aiohttp.ClientResponse:
        for fresh in (False, True):
            value = await self._authorization(exchange, fresh=fresh)
            headers = exchange.headers | ({"Authorization": value} if value else {})
            response = await stack.enter_async_context(
                self._registries.transport.request(
                    exchange.method, exchange.url, headers=headers, body=exchange.body
                )
            )
            if response.status != 401 or fresh or not self._ours(exchange.url):
                return response
            self._learn(response)
            if not any(challenge.scheme == "bearer" for challenge in self._challenges) and value:
                return response  # the same name and password again won't help
            response.release()
        raise AssertionError("unreachable")

    async def _authorization(self, exchange: "_Exchange", *, fresh: bool) -> str | None:
        if not self._ours(exchange.url):
            return None
        return await self._registries.authorizer.header(
            self._challenges,
            scopes=[self._scope, *exchange.scopes],
            credentials=self._credentials,
            request=(exchange.method, exchange.url),
            fresh=fresh,
        )

    def _ours(self, url: str) -> bool:
        """Uploads may be sent elsewhere; our authorisation stays with the registry."""
        return url.startswith(f"{self.endpoint.base}/")

    def _learn(self, response: aiohttp.ClientResponse) -> None:
        found = parse_challenges(response.headers.getall("WWW-Authenticate", []))
        if found:
            self._challenges = found


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request as asked for, to be sent once or more."""

    method: str
    url: str
    headers: dict[str, str]
    body: Body
    expect: frozenset[int]
    scopes: tuple[str, ...]


async def pause(attempt: int, *, retry_after: str | None = None) -> None:
    """Wait before the attempt after `attempt`, or as long as the registry asks (within reason)."""
    seconds = min(PAUSE_S * 2 ** (attempt - 1), MAX_PAUSE_S) * random.uniform(0.75, 1.25)  # noqa: S311
    if retry_after and retry_after.isdecimal():
        seconds = min(float(retry_after), MAX_RETRY_AFTER_S)
    await asyncio.sleep(seconds)


def is_missing(error: ErrorAnswer) -> bool:
    return error.status == 404 or error.has(
        "MANIFEST_UNKNOWN", "NAME_UNKNOWN", "BLOB_UNKNOWN", "NOT_FOUND"
    )
