"""One request of a browser: who it is, its form, and how to answer it.

    sampan_session   the session of somebody signed in    HttpOnly, SameSite=Lax, Secure on https
    sampan_visit     a random id for everybody else: forms before signing in need a secret, too
    sampan_theme     light or dark, when the visitor chose

Every form carries a token that derives from the first two; a POST without the right one is
refused before its handler runs. Answers forbid scripts, frames and content from elsewhere.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy import Connection

from sampan.errors import Denied, Unauthenticated
from sampan.hub.accounts import sessions
from sampan.hub.accounts.sessions import form_token, form_token_fits
from sampan.hub.accounts.users import NOBODY, Account, Caller
from sampan.hub.services import Services
from sampan.hub.web.pages import Pages

Result = TypeVar("Result")

SESSION, VISIT, THEME = "sampan_session", "sampan_visit", "sampan_theme"
THEMES = ("light", "dark")
TOKEN_FIELD = "form_token"  # noqa: S105 - the name of a field
YEAR_S = 365 * 24 * 3600
_DIGITS = re.compile(r"[0-9]{1,6}")

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class SignInNeeded(Unauthenticated):
    """Becomes a redirect to the login page."""

    def __init__(self) -> None:
        super().__init__("please sign in")


class StaleForm(Denied):
    def __init__(self) -> None:
        super().__init__("this form is out of date", hint="go back, reload the page, try again")


@dataclass(frozen=True, slots=True)
class Part:
    """A page of a list; what the template's pager needs."""

    page: int
    size: int
    count: int = 0

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.size

    @property
    def last(self) -> int:
        return max(1, -(-self.count // self.size))


class Visit:
    """Made per request by `open_visit`; `done` finishes the answer with cookies and headers."""

    def __init__(
        self, request: web.Request, services: Services, pages: Pages, *, account: Account | None
    ) -> None:
        self.request = request
        self.services = services
        self.caller = Caller(account) if account else NOBODY
        self._pages = pages
        self._session_id = request.cookies.get(SESSION, "") if account else ""
        self._visit_id = request.cookies.get(VISIT, "")
        self._cookies: dict[str, tuple[str, int]] = {}
        if not self._session_id and len(self._visit_id) < 20:
            self._visit_id = secrets.token_urlsafe(24)
            self._cookies[VISIT] = (self._visit_id, YEAR_S)

    @property
    def theme(self) -> str:
        chosen = self.request.cookies.get(THEME, "")
        return chosen if chosen in THEMES else ""

    @property
    def form_token(self) -> str:
        return form_token(self._session_id or self._visit_id)

    def text(self, name: str) -> str:
        """A part of the path; a slash in a repository's name is written ~ there."""
        return self.request.match_info[name].replace("~", "/")

    def query(self, name: str, default: str = "") -> str:
        return self.request.query.get(name, default).strip()

    def part(self, size: int) -> Part:
        given = self.query("page", "1")
        return Part(max(1, int(given)) if _DIGITS.fullmatch(given) else 1, size)

    def again(self, connection: Connection) -> "Visit":
        """The same visit as who it is of by now: for answers that take long."""
        account = sessions.account_of(connection, self._session_id) if self._session_id else None
        return Visit(self.request, self.services, self._pages, account=account)

    def account(self) -> Account:
        """Raises SignInNeeded."""
        if self.caller.account is None:
            raise SignInNeeded
        return self.caller.account

    def administrator(self) -> Account:
        """Raises SignInNeeded, Denied."""
        account = self.account()
        if not account.is_admin:
            raise Denied("this page is for administrators")
        return account

    async def form(self) -> dict[str, str]:
        """The fields, blanks around them cut off (not of passwords). Raises StaleForm."""
        given = await self.request.post()
        fields = {
            name: value if "password" in name else value.strip()
            for name, value in given.items()
            if isinstance(value, str)
        }
        if not form_token_fits(self._session_id or self._visit_id, fields.get(TOKEN_FIELD, "")):
            raise StaleForm
        return fields

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        return await self.services.database.read(work)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        return await self.services.database.write(work)

    def render(self, template: str, *, status: int = 200, **values: Any) -> web.Response:
        html = self._pages.render(
            template,
            {
                "visit": self,
                "user": self.caller.account,
                "host": self.services.registry_host(self.request),
                "sign_up_open": self.services.sign_ups.is_open,
                **values,
            },
            note=self.query("note"),
        )
        return self.done(web.Response(status=status, text=html, content_type="text/html"))

    def redirect(self, path: str, *, note: str = "") -> web.Response:
        """`note` is a key of pages.NOTES."""
        if note:
            path += f"{'&' if '?' in path else '?'}{urlencode({'note': note})}"
        return self.done(web.Response(status=303, headers={"Location": path}))

    def sign_in(self, session_id: str) -> None:
        """From the answer on; also what the form tokens derive from changes."""
        self._cookies[SESSION] = (session_id, sessions.LIFE_S)

    def sign_out(self) -> None:
        self._cookies[SESSION] = ("", 0)

    def choose_theme(self, theme: str) -> None:
        self._cookies[THEME] = (theme, YEAR_S) if theme in THEMES else ("", 0)

    @property
    def session_id(self) -> str:
        return self._session_id

    def done(self, response: web.Response) -> web.Response:
        secure = self.services.base_url(self.request).startswith("https://")
        for name, (value, life_s) in self._cookies.items():
            response.set_cookie(
                name,
                value,
                max_age=life_s,
                path="/",
                secure=secure,
                httponly=True,
                samesite="Lax",
            )
        response.headers.update(SECURITY_HEADERS)
        response.headers["Cache-Control"] = "no-store"
        return response


async def open_visit(request: web.Request, services: Services, pages: Pages) -> Visit:
    session_id = request.cookies.get(SESSION, "")
    account = None
    if session_id:
        account = await services.database.read(
            lambda connection: sessions.account_of(connection, session_id)
        )
    return Visit(request, services, pages, account=account)


def local_path(given: str) -> str:
    """Where to go after signing in: a path of this site, whatever the address bar said."""
    harmless = given.startswith("/") and not given.startswith(("//", "/\\"))
    return given if harmless and given.isprintable() else "/"
