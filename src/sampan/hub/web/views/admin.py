"""For administrators: who is here, what the storage holds, garbage collection."""

import shutil
from typing import Any

from aiohttp import web
from sqlalchemy import Connection, func, select

from sampan.errors import AlreadyExists, Conflict, InvalidArgument, SampanError
from sampan.hub.accounts import users
from sampan.hub.accounts.names import check_password
from sampan.hub.accounts.schema import organisations
from sampan.hub.db.schema import (
    blobs,
    manifests,
    namespaces,
    repositories,
    repository_blobs,
    tags,
)
from sampan.hub.web.visit import Part, Visit

PER_PAGE = 50


async def show(visit: Visit) -> web.StreamResponse:
    return await _overview(visit)


async def _overview(visit: Visit, *, collected: str = "", wrong: str = "") -> web.Response:
    visit.administrator()
    values = await visit.read(_figures)
    usage = await visit.services.workers.run(shutil.disk_usage, visit.services.root_path)
    return visit.render(
        "admin.html", tab="overview", usage=usage, collected=collected, wrong=wrong, **values
    )


def _figures(connection: Connection) -> dict[str, Any]:
    def count(table: object) -> int:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]

    _, accounts = users.list_accounts(connection, limit=1)
    used = func.coalesce(func.sum(blobs.c.size), 0)
    largest = connection.execute(
        select(namespaces.c.name, repositories.c.name.label("repository"), used.label("size"))
        .join(repositories, repositories.c.namespace_id == namespaces.c.id)
        .join(repository_blobs, repository_blobs.c.repository_id == repositories.c.id)
        .join(blobs, blobs.c.digest == repository_blobs.c.digest)
        .group_by(namespaces.c.name, repositories.c.name)
        .order_by(used.desc())
        .limit(10)
    ).all()
    return {
        "accounts": accounts,
        "organisations": count(organisations),
        "repositories": count(repositories),
        "tags": count(tags),
        "manifests": count(manifests),
        "blobs": count(blobs),
        "stored": int(connection.execute(select(used)).scalar_one()),
        "largest": largest,
    }


async def collect(visit: Visit) -> web.StreamResponse:
    await visit.form()
    visit.administrator()
    try:
        return await _overview(visit, collected=await visit.services.collect_garbage())
    except SampanError as error:
        return await _overview(visit, wrong=error.message)


async def show_users(visit: Visit) -> web.StreamResponse:
    return await _users(visit)


async def _users(visit: Visit, *, status: int = 200, wrong: str = "") -> web.Response:
    visit.administrator()
    asked, words = visit.part(PER_PAGE), visit.query("filter")
    found, count = await visit.read(
        lambda connection: users.list_accounts(
            connection, search=words, limit=asked.size, offset=asked.offset
        )
    )
    return visit.render(
        "users.html",
        status=status,
        tab="users",
        accounts=found,
        words=words,
        wrong=wrong,
        part=Part(asked.page, asked.size, count),
    )


async def add_user(visit: Visit) -> web.StreamResponse:
    form = await visit.form()
    visit.administrator()
    name, password = form.get("name", "").lower(), form.get("password", "")
    try:
        check_password(password, name=name)
        hashed = await visit.services.workers.run(visit.services.passwords.hash, password)
        await visit.write(
            lambda connection: users.create(
                connection,
                name,
                password_hash=hashed,
                email=form.get("email", ""),
                is_admin=form.get("admin") == "yes",
            )
        )
    except (InvalidArgument, AlreadyExists) as error:
        return await _users(visit, status=400, wrong=error.message)
    return visit.redirect("/admin/users", note="saved")


async def change_user(visit: Visit) -> web.StreamResponse:
    """Actions: admin, no-admin, on, off, remove; never on oneself."""
    form, me = await visit.form(), visit.administrator()
    name, action = visit.text("name"), form.get("action", "")

    def work(connection: Connection) -> None:
        account = users.get(connection, name)
        if account.id == me.id:
            raise Conflict("administrators don't change themselves here")
        match action:
            case "admin" | "no-admin":
                users.set_flags(connection, account.id, is_admin=action == "admin")
            case "on" | "off":
                users.set_flags(connection, account.id, is_active=action == "on")
            case "remove":
                users.remove(connection, name)
            case _:
                raise InvalidArgument(f"unknown action {action!r}")

    try:
        await visit.write(work)
    except Conflict as error:
        wrong = f"{error.message} ({error.hint})" if error.hint else error.message
        return await _users(visit, status=409, wrong=wrong)
    return visit.redirect("/admin/users", note="removed" if action == "remove" else "saved")


ROUTES = (
    ("GET", "/admin", show),
    ("POST", "/admin/collect", collect),
    ("GET", "/admin/users", show_users),
    ("POST", "/admin/users", add_user),
    ("POST", "/admin/users/{name}", change_user),
)
