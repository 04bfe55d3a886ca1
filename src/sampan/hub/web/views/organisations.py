"""Organisations: making one, its members, its settings."""

from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from sampan.errors import AlreadyExists, Conflict, Denied, InvalidArgument, NotFound
from sampan.hub.accounts import organisations, users
from sampan.hub.accounts.names import OFFICIAL
from sampan.hub.accounts.organisations import Organisation, OrganisationNotFound
from sampan.hub.accounts.permissions import OrgRole
from sampan.hub.accounts.plans import Holdings, holdings_of
from sampan.hub.web.visit import Visit

ROLES = {
    OrgRole.OWNER: "Owner: everything",
    OrgRole.EDITOR: "Editor: makes and changes repositories",
    OrgRole.MEMBER: "Member: what teams give",
}


def entered(
    connection: Connection, visit: Visit, *, owner: bool = False
) -> tuple[Organisation, bool]:
    """The organisation for its members, and whether the visitor owns it.

    Raises SignInNeeded, OrganisationNotFound (also for strangers), Denied.
    """
    account, name = visit.account(), visit.text("name")
    found = organisations.get(connection, name)
    role = organisations.role_of(connection, found.id, account.id)
    if role is None and not account.is_admin:
        raise OrganisationNotFound(name)
    owns = role is OrgRole.OWNER or account.is_admin
    if owner and not owns:
        raise Denied(f"only owners of {name} may do that")
    return found, owns


async def show_new(visit: Visit) -> web.StreamResponse:
    visit.account()
    return visit.render("new_organisation.html", name="", full_name="", wrong="")


async def create(visit: Visit) -> web.StreamResponse:
    form, account = await visit.form(), visit.account()
    name, full_name = form.get("name", "").lower(), form.get("full_name", "")
    try:
        _check_official(name, account)
        await visit.write(
            lambda connection: organisations.create(
                connection, name, owner=account, full_name=full_name
            )
        )
    except (InvalidArgument, AlreadyExists) as error:
        return visit.render(
            "new_organisation.html",
            status=400,
            name=name,
            full_name=full_name,
            wrong=error.message,
        )
    return visit.redirect(f"/u/{name}", note="organisation")


def _check_official(name: str, account: users.Account) -> None:
    if name == OFFICIAL and not account.is_admin:
        raise InvalidArgument(f"only administrators make the organisation {OFFICIAL}")


async def show_members(visit: Visit) -> web.StreamResponse:
    return await _members_page(visit)


async def _members_page(
    visit: Visit, *, status: int = 200, wrong: str = "", name: str = ""
) -> web.Response:
    def work(connection: Connection) -> dict[str, Any]:
        found, owns = entered(connection, visit)
        members = organisations.list_members(connection, found.id)
        return {"organisation": found, "owner": found, "owns": owns, "members": members}

    values = await visit.read(work)
    return visit.render(
        "members.html",
        status=status,
        tab="members",
        role=True,
        roles=ROLES,
        wrong=wrong,
        given=name,
        **values,
    )


async def set_member(visit: Visit) -> web.StreamResponse:
    form = await visit.form()
    name = form.get("member", "").lower()

    def work(connection: Connection) -> str:
        found, _ = entered(connection, visit, owner=True)
        account = users.get(connection, name)
        if form.get("role") == "none":
            organisations.remove_member(connection, found, account)
        else:
            organisations.set_member(connection, found, account, _role(form.get("role", "")))
        return found.name

    try:
        organisation = await visit.write(work)
    except (users.UserNotFound, organisations.MemberNotFound, Conflict) as error:
        return await _members_page(visit, status=400, wrong=error.message, name=name)
    return visit.redirect(f"/u/{organisation}/members", note="member")


def _role(text: str) -> OrgRole:
    try:
        return OrgRole(text)
    except ValueError:
        raise InvalidArgument("choose a role: owner, editor or member") from None


async def show_settings(visit: Visit) -> web.StreamResponse:
    return await _settings_page(visit)


async def _settings_page(visit: Visit, *, status: int = 200, wrong: str = "") -> web.Response:
    plan = visit.services.plan

    def work(connection: Connection) -> tuple[Organisation, Holdings]:
        found, _ = entered(connection, visit, owner=True)
        return found, holdings_of(connection, found.name, found.id, plan)

    found, held = await visit.read(work)
    return visit.render(
        "organisation_settings.html",
        status=status,
        tab="settings",
        role=True,
        owns=True,
        organisation=found,
        owner=found,
        held=held,
        wrong=wrong,
    )


async def save(visit: Visit) -> web.StreamResponse:
    form = await visit.form()

    def work(connection: Connection) -> str:
        found, _ = entered(connection, visit, owner=True)
        organisations.edit(
            connection,
            found.id,
            full_name=form.get("full_name", ""),
            private_by_default=form.get("visibility") == "private",
        )
        return found.name

    return visit.redirect(f"/u/{await visit.write(work)}/settings", note="saved")


async def remove(visit: Visit) -> web.StreamResponse:
    form = await visit.form()

    def work(connection: Connection) -> None:
        found, _ = entered(connection, visit, owner=True)
        if form.get("confirm") != found.name:
            raise InvalidArgument("type the organisation's name to remove it")
        organisations.remove(connection, found.name)

    try:
        await visit.write(work)
    except (InvalidArgument, Conflict, NotFound) as error:
        return await _settings_page(visit, status=400, wrong=error.message)
    return visit.redirect("/", note="removed")


ROUTES = (
    ("GET", "/organisations/new", show_new),
    ("POST", "/organisations/new", create),
    ("GET", "/u/{name}/members", show_members),
    ("POST", "/u/{name}/members", set_member),
    ("GET", "/u/{name}/settings", show_settings),
    ("POST", "/u/{name}/settings", save),
    ("POST", "/u/{name}/remove", remove),
)
