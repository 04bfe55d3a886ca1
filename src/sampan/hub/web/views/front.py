"""The landing page and dashboard, search, static files, the theme switch."""

import mimetypes
from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from sampan.hub.accounts import organisations, users
from sampan.hub.accounts.permissions import OrgRole
from sampan.hub.repositories import catalog
from sampan.hub.web.pages import static_file
from sampan.hub.web.visit import Part, Visit, local_path

KEEP_S = 7 * 24 * 3600
_PER_PAGE = 20


async def home(visit: Visit) -> web.StreamResponse:
    if visit.caller.account is None:
        found = await visit.read(
            lambda connection: catalog.search(connection, visit.caller, "", limit=6)
        )
        return visit.render("landing.html", repositories=found.repositories)
    return await _dashboard(visit)


async def _dashboard(visit: Visit) -> web.StreamResponse:
    account, asked = visit.account(), visit.part(_PER_PAGE)
    words = visit.query("filter")

    def work(connection: Connection) -> dict[str, Any]:
        found = catalog.of_account(
            connection, visit.caller, words=words, limit=asked.size, offset=asked.offset
        )
        return {
            "repositories": found.repositories,
            "part": Part(asked.page, asked.size, found.count),
            "starred": catalog.starred(connection, visit.caller, limit=8).repositories,
            "organisations": organisations.of_account(connection, account.id),
        }

    return visit.render("dashboard.html", words=words, **await visit.read(work))


async def explore(visit: Visit) -> web.StreamResponse:
    asked, words = visit.part(_PER_PAGE), visit.query("q")
    order = visit.query("sort") if visit.query("sort") in catalog.ORDERINGS else "stars"
    found = await visit.read(
        lambda connection: catalog.search(
            connection, visit.caller, words, ordering=order, limit=asked.size, offset=asked.offset
        )
    )
    return visit.render(
        "explore.html",
        words=words,
        sort=order,
        repositories=found.repositories,
        part=Part(asked.page, asked.size, found.count),
    )


async def namespace(visit: Visit) -> web.StreamResponse:
    """`/u/NAME`: an account's public page, or an organisation's."""
    name, asked = visit.text("name"), visit.part(_PER_PAGE)

    def work(connection: Connection) -> dict[str, Any]:
        organisation = organisations.find(connection, name)
        owner = organisation or users.get(connection, name)
        role = None
        if organisation and visit.caller.id:
            role = organisations.role_of(connection, organisation.id, visit.caller.id)
        found = catalog.in_namespace(
            connection, visit.caller, name, limit=asked.size, offset=asked.offset
        )
        return {
            "owner": owner,
            "organisation": organisation,
            "role": role,
            "owns": role is OrgRole.OWNER,
            "repositories": found.repositories,
            "part": Part(asked.page, asked.size, found.count),
        }

    return visit.render("namespace.html", tab="repositories", **await visit.read(work))


async def theme(visit: Visit) -> web.StreamResponse:
    form = await visit.form()
    visit.choose_theme(form.get("theme", ""))
    return visit.redirect(local_path(form.get("next", "/")))


async def static(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    body = static_file(name)
    if body is None:
        raise web.HTTPNotFound
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return web.Response(
        body=body,
        content_type=kind,
        headers={
            "Cache-Control": f"public, max-age={KEEP_S}",
            "X-Content-Type-Options": "nosniff",
        },
    )


async def favicon(visit: Visit) -> web.StreamResponse:
    return visit.redirect("/static/sampan.svg")


ROUTES = (
    ("GET", "/", home),
    ("GET", "/explore", explore),
    ("GET", "/u/{name}", namespace),
    ("POST", "/theme", theme),
    ("GET", "/favicon.ico", favicon),
)
