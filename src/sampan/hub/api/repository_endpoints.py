"""Repositories and tags: list, search, get, create, change, remove."""

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from sampan.errors import InvalidArgument
from sampan.hub.accounts import teams
from sampan.hub.accounts.standing import Seen, see
from sampan.hub.api import shapes
from sampan.hub.api.calls import Call, Part, answer, nothing
from sampan.hub.repositories import catalog, edits, tags

_LIST_ORDER = {
    "last_updated": "updated",
    "-last_updated": "-updated",
    "name": "name",
    "-name": "-name",
    "pull_count": "pulls",
    "-pull_count": "pulls",
}
_TAG_ORDER = {"last_updated": "newest", "-last_updated": "oldest", "name": "name", "-name": "-name"}


class _NewRepository(msgspec.Struct, frozen=True):
    name: str = ""
    namespace: str = ""
    description: str = ""
    full_description: str | None = None
    is_private: bool = False


class _Change(msgspec.Struct, frozen=True):
    description: str | None = None
    full_description: str | None = None
    is_private: bool | None = None


class _Privacy(msgspec.Struct, frozen=True):
    is_private: bool


async def list_repositories(call: Call) -> web.Response:
    namespace, part = call.text("namespace"), call.part()

    def work(connection: Connection) -> tuple[list[dict[str, Any]], int]:
        found = catalog.in_namespace(
            connection,
            call.caller,
            namespace,
            name=call.query("name"),
            ordering=_LIST_ORDER.get(call.query("ordering"), "updated"),
            limit=part.size,
            offset=part.offset,
        )
        sizes = catalog.stored_bytes(connection, found.repositories)
        rows = [
            shapes.repository_row(each, storage_size=sizes[each.id]) for each in found.repositories
        ]
        return rows, found.count

    rows, count = await call.read(work)
    return call.page(part, count, rows)


async def create_repository(call: Call) -> web.Response:
    given = await call.body(_NewRepository)
    namespace = call.request.match_info.get("namespace") or given.namespace
    account = call.account()

    def work(connection: Connection) -> dict[str, object]:
        made = edits.create(
            connection,
            call.caller,
            namespace or account.name,
            given.name,
            is_private=given.is_private,
            description=given.description,
            full_description=given.full_description or "",
            plan=call.services.plan,
        )
        return _detail(connection, call, see(connection, call.caller, made.namespace, made.name))

    return answer(await call.write(work), 201)


async def get_repository(call: Call) -> web.Response:
    def work(connection: Connection) -> dict[str, object]:
        return _detail(connection, call, _see(connection, call))

    shape = await call.read(work)
    return nothing(200) if call.request.method == "HEAD" else answer(shape)


def _see(connection: Connection, call: Call) -> Seen:
    return see(connection, call.caller, call.text("namespace"), call.text("repository"))


def _detail(connection: Connection, call: Call, seen: Seen) -> dict[str, object]:
    repository_id, mine = seen.repository.id, [seen.repository]
    return shapes.repository_detail(
        seen,
        collaborators=len(teams.collaborators_on(connection, repository_id)),
        starred=catalog.has_starred(connection, call.caller, repository_id),
        storage_size=catalog.stored_bytes(connection, mine)[repository_id],
        automated=bool(catalog.automated(connection, mine)),
    )


async def edit_repository(call: Call) -> web.Response:
    call.account()
    given = await call.body(_Change)

    def work(connection: Connection) -> dict[str, object]:
        edits.edit(
            connection,
            call.caller,
            call.text("namespace"),
            call.text("repository"),
            description=given.description,
            full_description=given.full_description,
            is_private=given.is_private,
            plan=call.services.plan,
        )
        return _detail(connection, call, _see(connection, call))

    return answer(await call.write(work))


async def set_privacy(call: Call) -> web.Response:
    call.account()
    given = await call.body(_Privacy)
    await call.write(
        lambda connection: edits.edit(
            connection,
            call.caller,
            call.text("namespace"),
            call.text("repository"),
            is_private=given.is_private,
            plan=call.services.plan,
        )
    )
    return answer({})


async def remove_repository(call: Call) -> web.Response:
    call.account()
    uploads = await call.write(
        lambda connection: edits.remove(
            connection, call.caller, call.text("namespace"), call.text("repository")
        )
    )
    await call.services.drop_uploads(uploads)
    return answer({}, 202)


async def set_star(call: Call) -> web.Response:
    on = call.request.method != "DELETE"
    await call.write(
        lambda connection: edits.set_star(
            connection, call.caller, call.text("namespace"), call.text("repository"), on=on
        )
    )
    return nothing()


async def list_tags(call: Call) -> web.Response:
    part = call.part()

    def work(connection: Connection) -> tuple[list[dict[str, object]], int]:
        repository = _see(connection, call).repository
        found, count = tags.list_tags(
            connection,
            repository.id,
            name=call.query("name"),
            ordering=_TAG_ORDER.get(call.query("ordering"), "newest"),
            limit=part.size,
            offset=part.offset,
        )
        return [shapes.tag_detail(repository, tag) for tag in found], count

    rows, count = await call.read(work)
    if call.request.method == "HEAD":
        return nothing(200)
    return call.page(part, count, rows)


async def get_tag(call: Call) -> web.Response:
    def work(connection: Connection) -> dict[str, object]:
        repository = _see(connection, call).repository
        tag = tags.get_tag(connection, repository.id, repository.path, call.text("tag"))
        return shapes.tag_detail(repository, tag)

    shape = await call.read(work)
    return nothing(200) if call.request.method == "HEAD" else answer(shape)


async def remove_tag(call: Call) -> web.Response:
    call.account()
    await call.write(
        lambda connection: edits.remove_tag(
            connection,
            call.caller,
            call.text("namespace"),
            call.text("repository"),
            call.text("tag"),
        )
    )
    return nothing()


async def search_repositories(call: Call) -> web.Response:
    part = call.part()
    rows, count = await _search(call, call.query("query"), shapes.found_row, part)
    return call.page(part, count, rows)


async def _search(
    call: Call, words: str, shape: Callable[..., dict[str, Any]], part: Part
) -> tuple[list[dict[str, Any]], int]:
    def work(connection: Connection) -> tuple[list[dict[str, Any]], int]:
        found = catalog.search(connection, call.caller, words, limit=part.size, offset=part.offset)
        linked = catalog.automated(connection, found.repositories)
        return [
            shape(each, automated=each.id in linked) for each in found.repositories
        ], found.count

    return await call.read(work)


async def search_index(call: Call) -> web.Response:
    """`docker search`."""
    asked = call.query("n", "25")
    if not (asked.isdecimal() and len(asked) <= 3 and 1 <= int(asked) <= 100):
        raise InvalidArgument("n is a number from 1 to 100")
    rows, count = await _search(call, call.query("q"), shapes.index_row, Part(1, int(asked)))
    return answer(
        {
            "num_results": count,
            "num_pages": max(1, -(-count // int(asked))),
            "page": 1,
            "page_size": int(asked),
            "query": call.query("q"),
            "results": rows,
        }
    )
