"""Who else may use a repository: collaborators, and teams where an organisation owns it."""

from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from sampan.errors import Conflict, InvalidArgument, NotFound
from sampan.hub.accounts import organisations, teams, users
from sampan.hub.accounts.permissions import Role
from sampan.hub.db.schema import ORGANISATION
from sampan.hub.web.pages import repository_path
from sampan.hub.web.views.editing import demanded
from sampan.hub.web.views.repository import frame
from sampan.hub.web.visit import Visit

ROLES = {
    Role.READ: "Read: pull",
    Role.WRITE: "Write: pull and push",
    Role.ADMIN: "Admin: also settings and tags",
}


async def show(visit: Visit) -> web.StreamResponse:
    return await _page(visit)


async def _page(
    visit: Visit, *, status: int = 200, wrong: str = "", name: str = ""
) -> web.Response:
    def work(connection: Connection) -> dict[str, Any]:
        seen = demanded(connection, visit)
        found = seen.repository
        owned_by_org = found.kind == ORGANISATION
        return {
            **frame(connection, visit, seen, "sharing"),
            "people": teams.collaborators_on(connection, found.id),
            "granted": teams.team_roles_on(connection, found.id),
            "teams": teams.list_teams(connection, found.namespace_id) if owned_by_org else [],
            "by_organisation": owned_by_org,
        }

    values = await visit.read(work)
    return visit.render(
        "sharing.html", status=status, roles=ROLES, wrong=wrong, name=name, **values
    )


async def set_person(visit: Visit) -> web.StreamResponse:
    form = await visit.form()
    name = form.get("name", "").lower()

    def work(connection: Connection) -> str:
        seen = demanded(connection, visit)
        account = users.get(connection, name)
        role = _role(form.get("role", ""))
        teams.set_collaborator(connection, seen.repository.id, account, role)
        return repository_path(seen.repository, "/collaborators")

    try:
        path = await visit.write(work)
    except (users.UserNotFound, Conflict) as error:
        return await _page(visit, status=400, wrong=error.message, name=name)
    return visit.redirect(path, note="saved")


async def set_team(visit: Visit) -> web.StreamResponse:
    form = await visit.form()

    def work(connection: Connection) -> str:
        seen = demanded(connection, visit)
        found = organisations.find(connection, seen.repository.namespace)
        if found is None:
            raise NotFound("teams belong to organisations")
        team = teams.get(connection, found, form.get("team", ""))
        teams.set_team_role(connection, seen.repository.id, team, _role(form.get("role", "")))
        return repository_path(seen.repository, "/collaborators")

    return visit.redirect(await visit.write(work), note="saved")


def _role(text: str) -> Role | None:
    """None takes the role away."""
    if text == "none":
        return None
    try:
        return Role(text)
    except ValueError:
        raise InvalidArgument("choose a role: read, write or admin") from None


_BASE = "/r/{namespace}/{repository}/collaborators"
ROUTES = (
    ("GET", _BASE, show),
    ("POST", _BASE, set_person),
    ("POST", _BASE + "/teams", set_team),
)
