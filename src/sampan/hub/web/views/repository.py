"""A repository's page: overview, tags, one tag's layers, the star."""

from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from sampan.errors import DataLoss
from sampan.hub.accounts.permissions import Right
from sampan.hub.accounts.standing import Seen, see
from sampan.hub.repositories import catalog, edits, tags
from sampan.hub.storage.driver import StorageDriver
from sampan.hub.web.pages import repository_path
from sampan.hub.web.tabs import tabs_for
from sampan.hub.web.visit import Part, Visit

TAGS_PER_PAGE = 25
CONFIG_MOST_BYTES = 1 << 20
SORTS = {"newest": "Newest", "oldest": "Oldest", "name": "A to Z", "-name": "Z to A"}


def seen_by(connection: Connection, visit: Visit) -> Seen:
    """Raises RepositoryNotFound."""
    return see(connection, visit.caller, visit.text("namespace"), visit.text("repository"))


def frame(connection: Connection, visit: Visit, seen: Seen, tab: str) -> dict[str, Any]:
    """What the head of every page of a repository needs."""
    return {
        "seen": seen,
        "repository": seen.repository,
        "shown": shown_name(seen),
        "tabs": tabs_for(seen),
        "tab": tab,
        "starred": catalog.has_starred(connection, visit.caller, seen.repository.id),
        "may_push": seen.may(Right.PUSH),
        "may_delete_tags": seen.may(Right.DELETE_TAGS),
        "may_edit": seen.may(Right.EDIT),
        "may_delete": seen.may(Right.DELETE),
    }


def shown_name(seen: Seen) -> str:
    """As in `docker pull`: without `library/`."""
    found = seen.repository
    return found.name if found.namespace == "library" else found.path


async def overview(visit: Visit) -> web.StreamResponse:
    def work(connection: Connection) -> dict[str, Any]:
        seen = seen_by(connection, visit)
        newest, count = tags.list_tags(connection, seen.repository.id, limit=6)
        return {
            **frame(connection, visit, seen, "overview"),
            "newest": newest,
            "tag_count": count,
        }

    return visit.render("overview.html", **await visit.read(work))


async def show_tags(visit: Visit) -> web.StreamResponse:
    asked, name = visit.part(TAGS_PER_PAGE), visit.query("filter")
    order = visit.query("sort") if visit.query("sort") in SORTS else "newest"

    def work(connection: Connection) -> dict[str, Any]:
        seen = seen_by(connection, visit)
        found, count = tags.list_tags(
            connection,
            seen.repository.id,
            name=name,
            ordering=order,
            limit=asked.size,
            offset=asked.offset,
        )
        return {
            **frame(connection, visit, seen, "tags"),
            "found": found,
            "part": Part(asked.page, asked.size, count),
        }

    values = await visit.read(work)
    return visit.render("tags.html", name=name, sort=order, sorts=SORTS, **values)


async def show_tag(visit: Visit) -> web.StreamResponse:
    wanted, chosen = visit.text("tag"), visit.query("platform")

    def work(connection: Connection) -> dict[str, Any]:
        seen = seen_by(connection, visit)
        tag = tags.get_tag(connection, seen.repository.id, seen.repository.path, wanted)
        platform = next((each for each in tag.platforms if each.digest == chosen), None)
        platform = platform or (tag.platforms[0] if tag.platforms else None)
        image = tags.get_image(connection, seen.repository.id, platform) if platform else None
        return {**frame(connection, visit, seen, "tags"), "tag": tag, "image": image}

    values = await visit.read(work)
    image = values["image"]
    steps: list[tags.Step] = []
    if isinstance(image, tags.Image):
        services = visit.services
        config = await services.workers.run(_config, services.storage, image.config_digest)
        steps = tags.history(config, image.layers)
    return visit.render("tag.html", steps=steps, **values)


def _config(storage: StorageDriver, digest: str) -> bytes:
    """The image's config; empty where there is none to read (other artifacts, damage)."""
    size = storage.find_size(digest) if digest else None
    if not size or size > CONFIG_MOST_BYTES:
        return b""
    try:
        with storage.open(digest, 0, size) as source:
            return source.read(size)
    except DataLoss:
        return b""


async def star(visit: Visit) -> web.StreamResponse:
    form = await visit.form()
    visit.account()

    def work(connection: Connection) -> Seen:
        seen = seen_by(connection, visit)
        found = seen.repository
        edits.set_star(
            connection, visit.caller, found.namespace, found.name, on=form.get("on") == "yes"
        )
        return seen

    seen = await visit.write(work)
    return visit.redirect(repository_path(seen.repository))


_BASE = "/r/{namespace}/{repository}"
ROUTES = (
    ("GET", _BASE, overview),
    ("GET", _BASE + "/tags", show_tags),
    ("GET", _BASE + "/tags/{tag}", show_tag),
    ("POST", _BASE + "/star", star),
)
