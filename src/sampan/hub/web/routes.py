"""The site: all views' routes, and the way of a browser's request through them."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import quote

from aiohttp import web

from sampan.errors import (
    AlreadyExists,
    Conflict,
    Denied,
    Internal,
    InvalidArgument,
    NotFound,
    SampanError,
    Unauthenticated,
    Unavailable,
    Unsupported,
)
from sampan.hub.accounts.throttle import TooManyAttempts
from sampan.hub.services import Services
from sampan.hub.web.pages import Pages
from sampan.hub.web.views import (
    account,
    admin,
    editing,
    entry,
    front,
    organisations,
    repository,
    sharing,
    teams,
    tokens,
)
from sampan.hub.web.visit import SignInNeeded, Visit, open_visit

log = logging.getLogger(__name__)

View = Callable[[Visit], Awaitable[web.StreamResponse]]
SiteRoute = tuple[str, str, View]

_STATUS: tuple[tuple[type[SampanError], int, str], ...] = (
    (TooManyAttempts, 429, "Slow down"),
    (Unauthenticated, 401, "Please sign in"),
    (Denied, 403, "Not allowed"),
    (NotFound, 404, "Not found"),
    (AlreadyExists, 409, "That is taken"),
    (Conflict, 409, "That doesn't work now"),
    (InvalidArgument, 400, "That isn't right"),
    (Unsupported, 501, "Not supported"),
    (Unavailable, 503, "Not available now"),
)

VIEWS: tuple[SiteRoute, ...] = (
    *front.ROUTES,
    *entry.ROUTES,
    *account.ROUTES,
    *tokens.ROUTES,
    *editing.ROUTES,
    *sharing.ROUTES,
    *repository.ROUTES,
    *organisations.ROUTES,
    *teams.ROUTES,
    *admin.ROUTES,
)


class Site:
    """`more` are the views of other parts of the hub (webhooks, builds)."""

    def __init__(self, services: Services, more: tuple[SiteRoute, ...] = ()) -> None:
        self._services = services
        self._pages = Pages()
        self._views = (*more, *VIEWS)

    def routes(self) -> list[web.RouteDef]:
        found = [web.get("/static/{name}", front.static, allow_head=True)]
        for method, path, view in self._views:
            found.append(web.route(method, path, partial(self._run, view)))  # GET brings HEAD
        return found

    async def not_found(self, request: web.Request) -> web.StreamResponse:
        return await self._run(_nowhere, request)

    async def _run(self, view: View, request: web.Request) -> web.StreamResponse:
        visit = await open_visit(request, self._services, self._pages)
        try:
            return await view(visit)
        except SignInNeeded:
            wanted = request.rel_url.raw_path_qs if request.method == "GET" else "/"
            return visit.redirect(f"/login?next={quote(wanted, safe='')}")
        except SampanError as error:
            return _failed(visit, error)
        except (web.HTTPException, ConnectionError):
            raise
        except Exception:
            log.exception("request failed what=%s %s", request.method, request.path)
            return _failed(visit, Internal("something went wrong here; the log knows more"))


async def _nowhere(_visit: Visit) -> web.StreamResponse:
    raise NotFound("there is no such page")


def _failed(visit: Visit, error: SampanError) -> web.Response:
    status, title = next(
        ((status, title) for kind, status, title in _STATUS if isinstance(error, kind)),
        (500, "Something went wrong"),
    )
    response = visit.render("error.html", status=status, title=title, error=error)
    if isinstance(error, TooManyAttempts):
        response.headers["Retry-After"] = str(error.wait_s)
    return response
