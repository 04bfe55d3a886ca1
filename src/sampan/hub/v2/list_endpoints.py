"""Endpoints of lists: the base, tags and the catalog, by pages.

A page is asked for by `n` (how many) and `last` (after which); the answer's Link leads to the next
while there is more. The catalog holds what the caller may see, so a page may take several reads.
"""

from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from sampan.hub.v2 import manifests, repositories
from sampan.hub.v2.calls import Call
from sampan.hub.v2.errors import API_VERSION, PageNumberInvalid

CATALOG_PAGE = 100
CATALOG_PAGE_MOST = 1000
_LONGEST_NUMBER = 9


async def base(call: Call) -> web.StreamResponse:
    await call.parts.access.authenticate(call.request)
    return _json({}, {})


async def list_tags(call: Call) -> web.StreamResponse:
    await call.require("pull")
    most = _page_size(call)
    found = await call.parts.database.read(
        lambda connection: manifests.list_tags(
            connection,
            call.target.repository,
            after=call.query("last"),
            most=None if most is None else most + 1,
        )
    )
    page, headers = _page(call.path("tags", "list"), found, most)
    return _json({"name": call.target.name, "tags": page}, headers)


async def list_catalog(call: Call) -> web.StreamResponse:
    asked = _page_size(call)
    most = min(CATALOG_PAGE if asked is None else asked, CATALOG_PAGE_MOST)
    visible: list[str] = []
    after = call.query("last")
    while len(visible) <= most:
        batch = await call.parts.database.read(
            lambda connection, after=after: _catalog(connection, after)  # type: ignore[misc]
        )
        allowed = await call.parts.access.may_list(call.request, batch)
        visible += [path for path in batch if path in allowed]
        if len(batch) < CATALOG_PAGE_MOST:
            break
        after = batch[-1]
    page, headers = _page("/v2/_catalog", visible[: most + 1], most)
    return _json({"repositories": page}, headers)


def _catalog(connection: Connection, after: str) -> Sequence[str]:
    query = repositories.path_of()
    path = query.selected_columns.path
    if after:
        query = query.where(path > after)
    rows = connection.execute(query.order_by(path).limit(CATALOG_PAGE_MOST))
    return [row.path for row in rows]


def _page_size(call: Call) -> int | None:
    """None if the client didn't say. Raises PageNumberInvalid."""
    if "n" not in call.request.query:
        return None
    text = call.query("n")
    if not (text.isascii() and text.isdecimal()) or len(text) > _LONGEST_NUMBER:
        raise PageNumberInvalid(text)
    return int(text)


def _page(
    path: str, found: Sequence[str], most: int | None
) -> tuple[Sequence[str], dict[str, str]]:
    """`found` holds one more than the page when more remain."""
    if most is None or len(found) <= most:
        return found, {}
    page = found[:most]
    if not page:
        return page, {}
    query = urlencode({"n": most, "last": page[-1]})
    return page, {"Link": f'<{path}?{query}>; rel="next"'}


def _json(body: object, headers: dict[str, str]) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body),
        content_type="application/json",
        headers={**API_VERSION, **headers},
    )
