"""Organisations, their members and teams ("groups" in this API).

Members see an organisation's people; owners (and administrators of the hub) change them. To
everybody else the members don't exist, though the organisation's profile does.
"""

import csv
import io
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from sampan.errors import Denied, InvalidArgument
from sampan.hub.accounts import organisations, teams, users
from sampan.hub.accounts.organisations import Organisation, OrganisationNotFound
from sampan.hub.accounts.permissions import OrgRole, Scope
from sampan.hub.accounts.teams import Team
from sampan.hub.api import shapes
from sampan.hub.api.calls import Call, answer, nothing

Result = TypeVar("Result")


class NotAnOwner(Denied):
    def __init__(self, organisation: str) -> None:
        super().__init__(f"only owners of {organisation} may do that")


class _TeamBody(msgspec.Struct, frozen=True):
    name: str | None = None
    description: str | None = None


class _MemberBody(msgspec.Struct, frozen=True):
    member: str = ""


class _RoleBody(msgspec.Struct, frozen=True):
    role: str = ""


def inside(connection: Connection, caller: users.Caller, name: str) -> Organisation:
    """The organisation, for its members. Raises OrganisationNotFound for others."""
    found = organisations.get(connection, name)
    account = caller.account
    if account is None or caller.scope not in (None, Scope.ADMIN):
        raise OrganisationNotFound(name)
    if not caller.is_admin and organisations.role_of(connection, found.id, account.id) is None:
        raise OrganisationNotFound(name)
    return found


def owned(connection: Connection, caller: users.Caller, name: str) -> Organisation:
    """The organisation, for its owners. Raises OrganisationNotFound, NotAnOwner."""
    found = inside(connection, caller, name)
    role = organisations.role_of(connection, found.id, caller.id or 0)
    if role is not OrgRole.OWNER and not caller.is_admin:
        raise NotAnOwner(name)
    return found


async def _change(call: Call, work: Callable[[Connection, Organisation], Result]) -> Result:
    call.account()
    name = call.text("org_name")
    return await call.write(
        lambda connection: work(connection, owned(connection, call.caller, name))
    )


async def _look(call: Call, work: Callable[[Connection, Organisation], Result]) -> Result:
    call.account()
    name = call.text("org_name")
    return await call.read(
        lambda connection: work(connection, inside(connection, call.caller, name))
    )


async def get_organisation(call: Call) -> web.Response:
    name = call.text("org_name")
    found = await call.read(lambda connection: organisations.get(connection, name))
    return answer(shapes.organisation(found))


async def list_members(call: Call) -> web.Response:
    part = call.part()
    members = await _look(
        call, lambda connection, found: organisations.list_members(connection, found.id)
    )
    wanted, role = call.query("search").lower(), call.query("role").lower()
    chosen = [
        each
        for each in members
        if wanted in f"{each.name} {each.full_name} {each.email}".lower()
        and (not role or each.role.value == role)
    ]
    rows = [shapes.member(each) for each in chosen[part.offset : part.offset + part.size]]
    return call.page(part, len(chosen), rows)


async def export_members(call: Call) -> web.Response:
    members = await _change(
        call, lambda connection, found: organisations.list_members(connection, found.id)
    )
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(["Name", "Username", "Email", "Type", "Role", "Teams"])
    for each in members:
        cells = [each.full_name, each.name, each.email, "User", each.role.value]
        rows.writerow([_inert(cell) for cell in (*cells, ", ".join(each.teams))])
    return web.Response(
        text=out.getvalue(),
        content_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="members.csv"'},
    )


def _inert(cell: str) -> str:
    """Spreadsheets run what begins like a formula."""
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell


async def set_member(call: Call) -> web.Response:
    given = await call.body(_RoleBody)
    try:
        role = OrgRole(given.role.lower())
    except ValueError:
        raise InvalidArgument("role must be owner, editor or member") from None

    def work(connection: Connection, found: Organisation) -> dict[str, Any]:
        account = users.get(connection, call.text("username"))
        organisations.set_member(connection, found, account, role)
        members = organisations.list_members(connection, found.id)
        return shapes.member(next(each for each in members if each.account_id == account.id))

    return answer(await _change(call, work))


async def remove_member(call: Call) -> web.Response:
    def work(connection: Connection, found: Organisation) -> None:
        account = users.get(connection, call.text("username"))
        organisations.remove_member(connection, found, account)

    await _change(call, work)
    return nothing()


async def list_teams(call: Call) -> web.Response:
    part = call.part()
    found = await _look(call, lambda connection, org: teams.list_teams(connection, org.id))
    chosen = found[part.offset : part.offset + part.size]
    return call.page(part, len(found), list(map(shapes.team, chosen)))


async def create_team(call: Call) -> web.Response:
    given = await call.body(_TeamBody)
    made = await _change(
        call,
        lambda connection, org: teams.create(
            connection, org, given.name or "", given.description or ""
        ),
    )
    return answer(shapes.team(made), 201)


def _team(connection: Connection, call: Call, org: Organisation) -> Team:
    return teams.get(connection, org, call.text("group_name"))


async def get_team(call: Call) -> web.Response:
    found = await _look(call, lambda connection, org: _team(connection, call, org))
    return answer(shapes.team(found))


async def edit_team(call: Call) -> web.Response:
    given = await call.body(_TeamBody)

    def work(connection: Connection, org: Organisation) -> Team:
        found = _team(connection, call, org)
        name = found.name if given.name is None else given.name
        kept = "" if call.request.method == "PUT" else found.description
        text = kept if given.description is None else given.description
        teams.edit(connection, found, name=name, description=text)
        return teams.get(connection, org, name)

    return answer(shapes.team(await _change(call, work)))


async def remove_team(call: Call) -> web.Response:
    await _change(
        call, lambda connection, org: teams.remove(connection, _team(connection, call, org))
    )
    return nothing()


async def list_team_members(call: Call) -> web.Response:
    part = call.part()
    found = await _look(
        call,
        lambda connection, org: teams.list_members(connection, _team(connection, call, org)),
    )
    rows = [
        {"username": name, "full_name": full_name, "email": email}
        for name, full_name, email in found[part.offset : part.offset + part.size]
    ]
    return call.page(part, len(found), rows)


async def add_team_member(call: Call) -> web.Response:
    given = await call.body(_MemberBody)

    def work(connection: Connection, org: Organisation) -> None:
        account = users.get(connection, given.member)
        teams.add_member(connection, org, _team(connection, call, org), account)

    await _change(call, work)
    return answer({"username": given.member})


async def remove_team_member(call: Call) -> web.Response:
    def work(connection: Connection, org: Organisation) -> None:
        account = users.get(connection, call.text("username"))
        teams.remove_member(connection, _team(connection, call, org), account)

    await _change(call, work)
    return nothing()
