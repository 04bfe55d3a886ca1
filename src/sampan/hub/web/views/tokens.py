"""Access tokens: made, shown once, switched, revoked."""

from aiohttp import web

from sampan.errors import InvalidArgument
from sampan.hub.accounts import access_tokens
from sampan.hub.accounts.permissions import Scope
from sampan.hub.accounts.users import now_ns
from sampan.hub.web.visit import Visit

DAY_NS = 24 * 3600 * 10**9
LIVES = {"30": "30 days", "90": "90 days", "365": "a year", "": "never"}
SCOPES = {
    Scope.READ: ("Read", "pull everything that you can pull"),
    Scope.WRITE: ("Read and write", "pull and push"),
    Scope.ADMIN: ("Everything", "also delete, change settings, make tokens"),
    Scope.PUBLIC_READ: ("Public only", "pull public repositories"),
}


async def show(visit: Visit) -> web.StreamResponse:
    return await _page(visit)


async def _page(
    visit: Visit, *, status: int = 200, wrong: str = "", made: str = ""
) -> web.Response:
    account = visit.account()
    found, _, _ = await visit.read(
        lambda connection: access_tokens.list_tokens(connection, account.id, limit=500)
    )
    return visit.render(
        "tokens.html",
        status=status,
        tab="tokens",
        tokens=found,
        now_ns=now_ns(),
        scopes=SCOPES,
        lives=LIVES,
        wrong=wrong,
        made=made,
    )


async def create(visit: Visit) -> web.StreamResponse:
    """Answers the page itself: the token's value is in no other answer, ever."""
    form, account = await visit.form(), visit.account()
    try:
        end_ns = _end_ns(form.get("life", ""))
        _, value = await visit.write(
            lambda connection: access_tokens.create(
                connection,
                account.id,
                label=form.get("label", ""),
                scope=_scope(form.get("scope", "")),
                expires_ns=end_ns,
            )
        )
    except InvalidArgument as error:
        return await _page(visit, status=400, wrong=error.message)
    return await _page(visit, made=value)


def _end_ns(days: str) -> int | None:
    if days not in LIVES:
        raise InvalidArgument("choose when the token ends")
    return now_ns() + int(days) * DAY_NS if days else None


def _scope(text: str) -> Scope:
    try:
        return Scope(text)
    except ValueError:
        raise InvalidArgument("choose what the token may do") from None


async def switch(visit: Visit) -> web.StreamResponse:
    form, account, token_id = await visit.form(), visit.account(), visit.text("id")
    on = form.get("on") == "yes"
    await visit.write(
        lambda connection: access_tokens.edit(connection, account.id, token_id, is_active=on)
    )
    return visit.redirect("/settings/tokens", note="saved")


async def remove(visit: Visit) -> web.StreamResponse:
    await visit.form()
    account, token_id = visit.account(), visit.text("id")
    await visit.write(lambda connection: access_tokens.remove(connection, account.id, token_id))
    return visit.redirect("/settings/tokens", note="token-removed")


ROUTES = (
    ("GET", "/settings/tokens", show),
    ("POST", "/settings/tokens", create),
    ("POST", "/settings/tokens/{id}/switch", switch),
    ("POST", "/settings/tokens/{id}/remove", remove),
)
