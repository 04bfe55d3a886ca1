"""Teams of an organisation: list, one team's members and repositories."""

from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from sampan.errors import AlreadyExists, InvalidArgument, NotFound
from sampan.hub.accounts import teams, users
from sampan.hub.accounts.organisations import MemberNotFound
from sampan.hub.web.views.organisations import entered
from sampan.hub.web.visit import Visit


async def show_all(visit: Visit) -> web.StreamResponse:
    return await _page(visit)


async def _page(
    visit: Visit, *, status: int = 200, wrong: str = "", given: str = ""
) -> web.Response:
    def work(connection: Connection) -> dict[str, Any]:
        found, owns = entered(connection, visit)
        listed = teams.list_teams(connection, found.id)
        return {"organisation": found, "owner": found, "owns": owns, "teams": listed}

    values = await visit.read(work)
    return visit.render(
        "teams.html", status=status, tab="teams", role=True, wrong=wrong, given=given, **values
    )


async def create(visit: Visit) -> web.StreamResponse:
    form = await visit.form()
    name = form.get("team", "")

    def work(connection: Connection) -> str:
        found, _ = entered(connection, visit, owner=True)
        made = teams.create(connection, found, name, form.get("description", ""))
        return f"/u/{found.name}/teams/{made.name}"

    try:
        path = await visit.write(work)
    except (InvalidArgument, AlreadyExists) as error:
        return await _page(visit, status=400, wrong=error.message, given=name)
    return visit.redirect(path, note="saved")


async def show(visit: Visit) -> web.StreamResponse:
    return await _team_page(visit)


async def _team_page(visit: Visit, *, status: int = 200, wrong: str = "") -> web.Response:
    def work(connection: Connection) -> dict[str, Any]:
        found, owns = entered(connection, visit)
        team = teams.get(connection, found, visit.text("team"))
        return {
            "organisation": found,
            "owner": found,
            "owns": owns,
            "team": team,
            "people": teams.list_members(connection, team),
            "repositories": teams.roles_of_team(connection, team),
        }

    values = await visit.read(work)
    return visit.render("team.html", status=status, tab="teams", role=True, wrong=wrong, **values)


async def set_member(visit: Visit) -> web.StreamResponse:
    form = await visit.form()
    wanted = form.get("member", "").lower()

    def work(connection: Connection) -> str:
        found, _ = entered(connection, visit, owner=True)
        team = teams.get(connection, found, visit.text("team"))
        account = users.get(connection, wanted)
        if form.get("action") == "remove":
            teams.remove_member(connection, team, account)
        else:
            teams.add_member(connection, found, team, account)
        return f"/u/{found.name}/teams/{team.name}"

    try:
        path = await visit.write(work)
    except (users.UserNotFound, MemberNotFound) as error:
        return await _team_page(visit, status=400, wrong=error.message)
    return visit.redirect(path, note="saved")


async def remove(visit: Visit) -> web.StreamResponse:
    await visit.form()

    def work(connection: Connection) -> str:
        found, _ = entered(connection, visit, owner=True)
        team = teams.find(connection, found, visit.text("team"))
        if team is None:
            raise NotFound("no such team")
        teams.remove(connection, team)
        return f"/u/{found.name}/teams"

    return visit.redirect(await visit.write(work), note="removed")


ROUTES = (
    ("GET", "/u/{name}/teams", show_all),
    ("POST", "/u/{name}/teams", create),
    ("GET", "/u/{name}/teams/{team}", show),
    ("POST", "/u/{name}/teams/{team}/members", set_member),
    ("POST", "/u/{name}/teams/{team}/remove", remove),
)
