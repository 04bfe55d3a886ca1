"""Making repositories, changing their settings, removing them and their tags."""

from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from sampan.errors import AlreadyExists, Denied, InvalidArgument, NotFound
from sampan.hub.accounts import organisations
from sampan.hub.accounts.names import BadName
from sampan.hub.accounts.permissions import OrgRole, Right
from sampan.hub.accounts.plans import PrivateFull
from sampan.hub.accounts.standing import Seen, demand
from sampan.hub.repositories import edits
from sampan.hub.web.pages import repository_path
from sampan.hub.web.views.repository import frame
from sampan.hub.web.visit import Visit


async def show_new(visit: Visit) -> web.StreamResponse:
    private = visit.account().private_by_default
    values = {"namespace": visit.query("namespace"), "private": private}
    return await _new_page(visit, values)


async def _new_page(
    visit: Visit, values: dict[str, Any], *, status: int = 200, wrong: str = "", field: str = ""
) -> web.Response:
    account = visit.account()
    mine = await visit.read(lambda connection: organisations.of_account(connection, account.id))
    owners = [account.name] + [
        each.name for each, role in mine if role in (OrgRole.OWNER, OrgRole.EDITOR)
    ]
    shown = {"name": "", "description": "", **values}
    return visit.render(
        "new.html", status=status, owners=owners, wrong=wrong, field_name=field, values=shown
    )


async def create(visit: Visit) -> web.StreamResponse:
    form, account = await visit.form(), visit.account()
    values = {
        "namespace": form.get("namespace") or account.name,
        "name": form.get("name", ""),
        "description": form.get("description", ""),
    }
    private = form.get("visibility") == "private"
    try:
        made = await visit.write(
            lambda connection: edits.create(
                connection,
                visit.caller,
                is_private=private,
                plan=visit.services.plan,
                **values,
            )
        )
    except (InvalidArgument, AlreadyExists, Denied, NotFound) as error:
        shown = {**values, "private": private}
        field = getattr(error, "field", "name")
        return await _new_page(visit, shown, status=400, wrong=error.message, field=field)
    return visit.redirect(repository_path(made), note="created")


def demanded(connection: Connection, visit: Visit, right: Right = Right.EDIT) -> Seen:
    """Raises SignInNeeded, RepositoryNotFound, NotAllowed."""
    visit.account()
    return demand(
        connection, visit.caller, visit.text("namespace"), visit.text("repository"), right
    )


async def show_settings(visit: Visit) -> web.StreamResponse:
    return await _settings_page(visit, {})


async def _settings_page(
    visit: Visit, given: dict[str, str], *, status: int = 200, field: str = "", wrong: str = ""
) -> web.Response:
    def work(connection: Connection) -> dict[str, Any]:
        seen = demanded(connection, visit)
        found = seen.repository
        return {
            **frame(connection, visit, seen, "settings"),
            "description": given.get("description", found.description),
            "full_description": given.get("full_description", found.full_description),
        }

    values = await visit.read(work)
    return visit.render("settings.html", status=status, field_name=field, wrong=wrong, **values)


async def save(visit: Visit) -> web.StreamResponse:
    form = await visit.form()

    def work(connection: Connection) -> Seen:
        seen = demanded(connection, visit)
        edits.edit(
            connection,
            visit.caller,
            seen.repository.namespace,
            seen.repository.name,
            description=form.get("description", ""),
            full_description=form.get("full_description", ""),
            plan=visit.services.plan,
        )
        return seen

    try:
        seen = await visit.write(work)
    except BadName as error:
        return await _settings_page(visit, form, status=400, field=error.field, wrong=error.message)
    return visit.redirect(repository_path(seen.repository, "/settings"), note="saved")


async def set_visibility(visit: Visit) -> web.StreamResponse:
    form = await visit.form()
    wanted = form.get("visibility", "")
    if wanted not in {"public", "private"}:
        raise InvalidArgument("choose public or private")

    def work(connection: Connection) -> Seen:
        seen = demanded(connection, visit)
        edits.edit(
            connection,
            visit.caller,
            seen.repository.namespace,
            seen.repository.name,
            is_private=wanted == "private",
            plan=visit.services.plan,
        )
        return seen

    try:
        seen = await visit.write(work)
    except PrivateFull as error:
        return await _settings_page(visit, {}, status=409, field="visibility", wrong=error.message)
    return visit.redirect(repository_path(seen.repository, "/settings"), note="saved")


async def remove(visit: Visit) -> web.StreamResponse:
    """The name must have been typed."""
    form = await visit.form()
    confirmed = form.get("confirm", "")

    def work(connection: Connection) -> list[str] | None:
        found = demanded(connection, visit, Right.DELETE).repository
        if confirmed not in {found.path, found.name}:
            return None
        return edits.remove(connection, visit.caller, found.namespace, found.name)

    uploads = await visit.write(work)
    if uploads is None:
        wrong = "type the repository's name to remove it"
        return await _settings_page(visit, {}, status=400, field="confirm", wrong=wrong)
    await visit.services.drop_uploads(uploads)
    return visit.redirect("/", note="removed")


async def remove_tags(visit: Visit) -> web.StreamResponse:
    """First without `sure`: asks. The form names one tag or several (`tag` repeated)."""
    form = await visit.form()
    given = await visit.request.post()
    names = [name for name in given.getall("tag", []) if isinstance(name, str)]

    def work(connection: Connection) -> dict[str, Any]:
        seen = demanded(connection, visit, Right.DELETE_TAGS)
        found = seen.repository
        if form.get("sure") == "yes":
            for name in names:
                edits.remove_tag(connection, visit.caller, found.namespace, found.name, name)
        return frame(connection, visit, seen, "tags")

    if not names:
        raise InvalidArgument("choose the tags to remove")
    values = await visit.write(work)
    seen = values["seen"]
    assert isinstance(seen, Seen)
    if form.get("sure") != "yes":
        return visit.render("remove_tags.html", names=names, **values)
    return visit.redirect(repository_path(seen.repository, "/tags"), note="removed")


_BASE = "/r/{namespace}/{repository}"
ROUTES = (
    ("GET", "/new", show_new),
    ("POST", "/new", create),
    ("GET", _BASE + "/settings", show_settings),
    ("POST", _BASE + "/settings", save),
    ("POST", _BASE + "/visibility", set_visibility),
    ("POST", _BASE + "/remove", remove),
    ("POST", _BASE + "/tags/remove", remove_tags),
)
