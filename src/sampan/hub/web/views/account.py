"""Somebody's own settings: profile and password."""

from aiohttp import web
from sqlalchemy import Connection

from sampan.errors import InvalidArgument
from sampan.hub.accounts import users
from sampan.hub.accounts.logins import Attempt, WrongCredentials
from sampan.hub.accounts.names import check_password
from sampan.hub.accounts.plans import holdings_of
from sampan.hub.accounts.throttle import TooManyAttempts
from sampan.hub.accounts.users import Account
from sampan.hub.web.visit import Visit


async def show(visit: Visit) -> web.StreamResponse:
    visit.account()
    return await _page(visit)


async def _page(
    visit: Visit, *, status: int = 200, field: str = "", wrong: str = ""
) -> web.Response:
    account, plan = visit.account(), visit.services.plan
    held = await visit.read(
        lambda connection: holdings_of(connection, account.name, account.id, plan)
    )
    return visit.render(
        "profile.html", status=status, tab="profile", field_name=field, wrong=wrong, held=held
    )


async def save(visit: Visit) -> web.StreamResponse:
    form, account = await visit.form(), visit.account()
    try:
        await visit.write(
            lambda connection: users.set_profile(
                connection,
                account.id,
                full_name=form.get("full_name", ""),
                email=form.get("email", ""),
                private_by_default=form.get("visibility") == "private",
            )
        )
    except InvalidArgument as error:
        return await _page(
            visit, status=400, field=getattr(error, "field", ""), wrong=error.message
        )
    return visit.redirect("/settings", note="saved")


async def change_password(visit: Visit) -> web.StreamResponse:
    form, account = await visit.form(), visit.account()
    services, wanted = visit.services, form.get("new_password", "")
    attempt = Attempt(account.name, form.get("password", ""), visit.request.remote or "")
    try:
        await services.workers.run(services.logins.check_password, attempt)
        check_password(wanted, name=account.name)
    except (WrongCredentials, TooManyAttempts):
        return await _page(visit, status=400, field="password", wrong="that isn't your password")
    except InvalidArgument as error:
        return await _page(visit, status=400, field="new_password", wrong=error.message)
    hashed = await services.workers.run(services.passwords.hash, wanted)

    def work(connection: Connection) -> Account:
        users.set_password(connection, account.id, hashed)
        return users.get(connection, account.name)

    changed = await visit.write(work)
    visit.sign_in(await services.workers.run(services.logins.open_session, changed))
    return visit.redirect("/settings", note="password")


ROUTES = (
    ("GET", "/settings", show),
    ("POST", "/settings", save),
    ("POST", "/settings/password", change_password),
)
