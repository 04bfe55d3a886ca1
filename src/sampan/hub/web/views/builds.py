"""Builds of a repository: its source and rules, the list, one build with its log as it grows.

For whoever may change the repository's settings: logs may tell what the source's owner hides.
"""

from typing import Any

from aiohttp import web
from markupsafe import Markup, escape
from sqlalchemy import Connection

from sampan.errors import InvalidArgument
from sampan.hub.accounts.standing import NotAllowed, Repository, RepositoryNotFound
from sampan.hub.automation.builds import queue, sources
from sampan.hub.automation.builds.queue import Build, BuildNotFound, State
from sampan.hub.automation.builds.remotes import parse_remote
from sampan.hub.automation.builds.starting import start_again, start_builds
from sampan.hub.automation.service import Automation
from sampan.hub.web.pages import repository_path
from sampan.hub.web.routes import SiteRoute
from sampan.hub.web.views.editing import demanded
from sampan.hub.web.views.live import Gone, stream_log
from sampan.hub.web.views.repository import frame
from sampan.hub.web.visit import Part, SignInNeeded, Visit

BUILDS_PER_PAGE = 20
SECOND_NS = 10**9
_BASE = "/r/{namespace}/{repository}/builds"


def took(build: Build) -> str:
    """`1 min 12 s`; empty while it hasn't ended."""
    if build.started_ns is None or build.finished_ns is None:
        return ""
    seconds = max(0, build.finished_ns - build.started_ns) // SECOND_NS
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _path(repository: Repository, tail: str = "") -> str:
    return repository_path(repository, f"/builds{tail}")


def _build(connection: Connection, visit: Visit, repository_id: int) -> Build:
    text = visit.text("id")
    if not (text.isascii() and text.isdecimal() and len(text) < 18):
        raise BuildNotFound
    return queue.get(connection, int(text), repository_id)


class BuildPages:
    def __init__(self, automation: Automation) -> None:
        self._automation = automation

    def routes(self) -> tuple[SiteRoute, ...]:
        return (
            ("GET", _BASE, self.show_all),
            ("POST", _BASE + "/source", self.link),
            ("POST", _BASE + "/start", self.start),
            ("GET", _BASE + "/{id:[0-9]+}", self.show),
            ("GET", _BASE + "/{id:[0-9]+}/log", self.show_log),
            ("POST", _BASE + "/{id:[0-9]+}/cancel", self.cancel),
            ("POST", _BASE + "/{id:[0-9]+}/again", self.again),
        )

    async def show_all(self, visit: Visit) -> web.StreamResponse:
        return await self._list(visit)

    async def _list(
        self, visit: Visit, *, status: int = 200, wrong: str = "", url: str = "", ref: str = ""
    ) -> web.Response:
        asked = visit.part(BUILDS_PER_PAGE)

        def work(connection: Connection) -> dict[str, Any]:
            seen = demanded(connection, visit)
            repository_id = seen.repository.id
            listed, count = queue.list_builds(
                connection, repository_id, limit=asked.size, offset=asked.offset
            )
            return {
                **frame(connection, visit, seen, "builds"),
                "source": sources.find(connection, repository_id),
                "rules": sources.list_rules(connection, repository_id),
                "listed": listed,
                "part": Part(asked.page, asked.size, count),
            }

        values = await visit.read(work)
        return visit.render(
            "builds.html",
            status=status,
            wrong=wrong,
            url=url,
            ref=ref,
            took=took,
            ready=self._automation.builds,
            **values,
        )

    async def link(self, visit: Visit) -> web.StreamResponse:
        form, who = await visit.form(), visit.account().name
        url = form.get("url", "")

        def work(connection: Connection) -> str:
            seen = demanded(connection, visit)
            remote = parse_remote(url, self._automation.settings.git_folders)
            sources.link(
                connection,
                seen.repository.id,
                remote,
                who=who,
                sealer=self._automation.sealer,
            )
            return _path(seen.repository, "/settings")

        try:
            path = await visit.write(work)
        except InvalidArgument as error:
            return await self._list(visit, status=400, wrong=error.message, url=url)
        return visit.redirect(path, note="linked")

    async def start(self, visit: Visit) -> web.StreamResponse:
        form, who = await visit.form(), visit.account().name
        kind, ref = form.get("kind", ""), form.get("ref", "")

        def work(connection: Connection) -> str:
            seen = demanded(connection, visit)
            made = start_builds(connection, seen.repository.id, kind, ref, who=who)
            return _path(seen.repository, f"/{made[0]}" if len(made) == 1 else "")

        try:
            path = await visit.write(work)
        except InvalidArgument as error:
            return await self._list(visit, status=400, wrong=error.message, ref=ref)
        self._automation.wake()
        return visit.redirect(path, note="queued")

    async def show(self, visit: Visit) -> web.StreamResponse:
        def work(connection: Connection) -> dict[str, Any]:
            seen = demanded(connection, visit)
            build = _build(connection, visit, seen.repository.id)
            return {**frame(connection, visit, seen, "builds"), "build": build}

        values = await visit.read(work)
        build = values["build"]
        assert isinstance(build, Build)
        text = "" if build.is_open else (await self._read(build.id)).decode("utf-8", "replace")
        page = visit.render("build.html", log=text, took=took, **values)
        if not build.is_open:
            return page
        return await stream_log(
            visit.request,
            page,
            lambda offset, size: self._read(build.id, offset, size),
            lambda: self._ended(visit, build.id),
        )

    async def _read(self, build_id: int, offset: int = 0, size: int = 8 << 20) -> bytes:
        automation = self._automation
        return await automation.workers.run(automation.logs.read, build_id, offset, size)

    async def _ended(self, visit: Visit, build_id: int) -> str:
        """The note at the end of a page that was open meanwhile. Raises Gone."""

        def work(connection: Connection) -> Build:
            now = visit.again(connection)
            return queue.get(connection, build_id, demanded(connection, now).repository.id)

        try:
            build = await visit.read(work)
        except (SignInNeeded, RepositoryNotFound, NotAllowed, BuildNotFound) as error:
            raise Gone from error
        if build.is_open:
            return ""
        kind = "good" if build.state == State.SUCCESS else "bad"
        said = f"Build {build.state}" + (f" after {took(build)}" if took(build) else "")
        reload = Markup('<a href="">Reload the page</a>')
        return Markup('<div class="note {} ended" role="status">{}. {}</div>').format(
            kind, escape(said), reload
        )

    async def show_log(self, visit: Visit) -> web.StreamResponse:
        """The log alone, as text."""

        def work(connection: Connection) -> int:
            return _build(connection, visit, demanded(connection, visit).repository.id).id

        text = (await self._read(await visit.read(work))).decode("utf-8", "replace")
        return visit.done(web.Response(text=text, content_type="text/plain", charset="utf-8"))

    async def cancel(self, visit: Visit) -> web.StreamResponse:
        await visit.form()

        def work(connection: Connection) -> tuple[str, Build]:
            seen = demanded(connection, visit)
            build = _build(connection, visit, seen.repository.id)
            queue.request_cancel(connection, build)
            return _path(seen.repository, f"/{build.id}"), build

        path, build = await visit.write(work)
        if build.state == State.RUNNING:
            self._automation.cancel_running(build.id)
        return visit.redirect(path)

    async def again(self, visit: Visit) -> web.StreamResponse:
        await visit.form()
        who = visit.account().name

        def work(connection: Connection) -> str:
            seen = demanded(connection, visit)
            build = _build(connection, visit, seen.repository.id)
            return _path(seen.repository, f"/{start_again(connection, build, who=who)}")

        path = await visit.write(work)
        self._automation.wake()
        return visit.redirect(path, note="queued")
