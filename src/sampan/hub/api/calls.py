"""One call of the HTTP API: who calls, what it carries, and the shapes of answers.

    errors   {"detail": text, "message": text}; 401, 403, 404 (unknown or hidden), 429
    pages    {"count", "next", "previous", "results"}; page from 1, page_size 10, at most 100

Credentials: `Bearer` or the older `JWT` with a token of /v2/users/login, or Basic with a password
or an access token. A token that doesn't hold is an error, never taken for nobody.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from sampan.errors import (
    AlreadyExists,
    Conflict,
    Denied,
    InvalidArgument,
    NotFound,
    SampanError,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from sampan.hub.accounts.permissions import Scope
from sampan.hub.accounts.throttle import TooManyAttempts
from sampan.hub.accounts.users import NOBODY, Account, Caller
from sampan.hub.auth.credentials import authorization, basic_attempt
from sampan.hub.services import Services

BODY_LIMIT_BYTES = 1 << 20
PAGE_SIZE, PAGE_SIZE_MOST = 10, 100

Result = TypeVar("Result")
Shape = TypeVar("Shape")

_STATUS: tuple[tuple[type[SampanError], int], ...] = (
    (TooManyAttempts, 429),
    (Unauthenticated, 401),
    (Denied, 403),
    (NotFound, 404),
    (AlreadyExists, 409),
    (Conflict, 409),
    (InvalidArgument, 400),
    (Unsupported, 501),
    (Unavailable, 503),
)
_DIGITS = re.compile(r"[0-9]{1,9}")


class NoSuchPage(NotFound):
    def __init__(self) -> None:
        super().__init__("invalid page")


class NeedsScope(Denied):
    def __init__(self, scope: Scope) -> None:
        super().__init__(f"access token scope {scope} is needed")


@dataclass(frozen=True, slots=True)
class Part:
    """The slice of a list that a page is."""

    page: int
    size: int

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.size


class Call:
    """One request with the services that answer it."""

    def __init__(self, request: web.Request, services: Services, caller: Caller) -> None:
        self.request = request
        self.services = services
        self.caller = caller

    def text(self, name: str) -> str:
        """A part of the path."""
        return self.request.match_info[name].replace("~", "/")

    def query(self, name: str, default: str = "") -> str:
        return self.request.query.get(name, default)

    def account(self, *, least: Scope | None = None) -> Account:
        """Who is signed in; under an access token, one of this scope. Raises Unauthenticated."""
        account = self.caller.account
        if account is None:
            raise Unauthenticated("authentication credentials were not provided")
        if least is not None and self.caller.scope not in (None, least):
            raise NeedsScope(least)
        return account

    async def body(self, shape: type[Shape]) -> Shape:
        """Raises InvalidArgument."""
        try:
            return msgspec.json.decode(await self.request.read() or b"{}", type=shape)
        except msgspec.MsgspecError as error:
            raise InvalidArgument(f"invalid request body: {error}") from error

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        return await self.services.database.read(work)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        return await self.services.database.write(work)

    def part(self, size: int = PAGE_SIZE) -> Part:
        given = self.query("page", "1"), self.query("page_size", str(size))
        if not all(_DIGITS.fullmatch(text) and int(text) > 0 for text in given):
            raise InvalidArgument("page and page_size are numbers from 1")
        return Part(int(given[0]), min(int(given[1]), PAGE_SIZE_MOST))

    def page(self, part: Part, count: int, results: Sequence[Any], **more: Any) -> web.Response:
        """Raises NoSuchPage past the end."""
        if part.page > 1 and part.offset >= count:
            raise NoSuchPage
        last = part.offset + part.size >= count
        return answer(
            {
                "count": count,
                "next": None if last else self._page_url(part, part.page + 1),
                "previous": None if part.page == 1 else self._page_url(part, part.page - 1),
                "results": list(results),
                **more,
            }
        )

    def _page_url(self, part: Part, number: int) -> str:
        query = {**self.request.query, "page": str(number), "page_size": str(part.size)}
        base = self.services.base_url(self.request)
        return base + str(self.request.rel_url.with_query(query))


def answer(body: Any, status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/json"
    )


def nothing(status: int = 204) -> web.Response:
    return web.Response(status=status)


def failure(error: SampanError) -> web.Response:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    text = f"{error.message} ({error.hint})" if error.hint else error.message
    response = answer({"detail": text, "message": text}, status)
    if isinstance(error, TooManyAttempts):
        response.headers["Retry-After"] = str(error.wait_s)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="sampan hub"'
    return response


async def caller_of(request: web.Request, services: Services) -> Caller:
    """Raises Unauthenticated, TooManyAttempts."""
    given = authorization(request)
    if given.scheme == "basic":
        attempt = basic_attempt(request, given.value)
        return await services.workers.run(services.logins.check, attempt)
    if given.scheme:
        return await services.workers.run(services.logins.by_api_token, given.value)
    return NOBODY
