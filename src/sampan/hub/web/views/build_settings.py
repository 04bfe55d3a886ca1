"""How a repository is built: its source's address and key, rules, arguments, what triggers it."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from sqlalchemy import Connection

from sampan.errors import InvalidArgument
from sampan.hub.automation.builds import sources
from sampan.hub.automation.builds.rules import BRANCH, TAG, Rule
from sampan.hub.automation.builds.sources import POLL_CHOICES_S
from sampan.hub.automation.service import Automation
from sampan.hub.web.pages import repository_path
from sampan.hub.web.routes import SiteRoute
from sampan.hub.web.views.editing import demanded
from sampan.hub.web.views.repository import frame
from sampan.hub.web.visit import Visit

_BASE = "/r/{namespace}/{repository}/builds/settings"
POLLS = dict(
    zip(
        POLL_CHOICES_S,
        ("Never", "Every minute", "Every 5 minutes", "Every 15 minutes", "Every hour", "Daily"),
        strict=True,
    )
)
EMPTY_ROWS = 2


def read_rules(form: Mapping[str, str]) -> list[Rule]:
    """The rows of the editor that have a source, in order."""
    found = []
    for row in range(200):
        if f"source-{row}" not in form:
            break
        if form[f"source-{row}"] and form.get(f"remove-{row}") != "yes":
            found.append(
                Rule(
                    form.get(f"type-{row}", BRANCH),
                    form[f"source-{row}"],
                    form.get(f"tag-{row}", ""),
                    form.get(f"dockerfile-{row}", ""),
                    form.get(f"context-{row}", ""),
                    form.get(f"autobuild-{row}") == "yes",
                    form.get(f"caching-{row}") == "yes",
                )
            )
    return found


class BuildSettingsPages:
    def __init__(self, automation: Automation) -> None:
        self._automation = automation

    def routes(self) -> tuple[SiteRoute, ...]:
        return (
            ("GET", _BASE, self.show),
            ("POST", _BASE + "/rules", self.set_rules),
            ("POST", _BASE + "/arguments", self.set_arguments),
            ("POST", _BASE + "/poll", self.set_poll),
            ("POST", _BASE + "/trigger", self.renew_trigger),
            ("POST", _BASE + "/unlink", self.unlink),
        )

    async def show(self, visit: Visit) -> web.StreamResponse:
        return await self._page(visit)

    async def _page(
        self,
        visit: Visit,
        *,
        status: int = 200,
        wrong: str = "",
        rules: list[Rule] | None = None,
        arguments: str | None = None,
    ) -> web.Response:
        automation = self._automation

        def work(connection: Connection) -> dict[str, Any]:
            seen = demanded(connection, visit)
            source = sources.get(connection, seen.repository.id)
            held = sources.arguments_of(source, automation.sealer)
            return {
                **frame(connection, visit, seen, "builds"),
                "source": source,
                "rules": sources.list_rules(connection, seen.repository.id),
                "arguments": "".join(f"{name}={value}\n" for name, value in held.items()),
            }

        values = await visit.read(work)
        if rules is not None:
            values["rules"] = rules
        if arguments is not None:
            values["arguments"] = arguments
        source = values["source"]
        base = visit.services.base_url(visit.request)
        return visit.render(
            "build_settings.html",
            status=status,
            wrong=wrong,
            rows=[*values["rules"], *[Rule(BRANCH, "", "", "", "/")] * EMPTY_ROWS],
            kinds=(BRANCH, TAG),
            polls=POLLS,
            trigger_url=f"{base}/hooks/{source.trigger_id}",
            trigger_secret=automation.sealer.open(source.trigger_secret),
            **values,
        )

    async def set_rules(self, visit: Visit) -> web.StreamResponse:
        rules = read_rules(await visit.form())

        def work(connection: Connection) -> str:
            seen = demanded(connection, visit)
            sources.get(connection, seen.repository.id)
            sources.set_rules(connection, seen.repository.id, rules)
            return repository_path(seen.repository, "/builds/settings")

        try:
            path = await visit.write(work)
        except InvalidArgument as error:
            return await self._page(visit, status=400, wrong=error.message, rules=rules)
        return visit.redirect(path, note="saved")

    async def set_arguments(self, visit: Visit) -> web.StreamResponse:
        text = (await visit.form()).get("arguments", "")

        def work(connection: Connection) -> str:
            seen = demanded(connection, visit)
            sources.get(connection, seen.repository.id)
            arguments = sources.parse_arguments(text)
            sources.set_arguments(
                connection, seen.repository.id, arguments, self._automation.sealer
            )
            return repository_path(seen.repository, "/builds/settings")

        try:
            path = await visit.write(work)
        except InvalidArgument as error:
            return await self._page(visit, status=400, wrong=error.message, arguments=text)
        return visit.redirect(path, note="saved")

    async def set_poll(self, visit: Visit) -> web.StreamResponse:
        given = (await visit.form()).get("poll", "")

        def work(connection: Connection) -> str:
            seen = demanded(connection, visit)
            sources.get(connection, seen.repository.id)
            sources.set_poll(
                connection, seen.repository.id, int(given) if given.isdecimal() else -1
            )
            return repository_path(seen.repository, "/builds/settings")

        return visit.redirect(await visit.write(work), note="saved")

    async def renew_trigger(self, visit: Visit) -> web.StreamResponse:
        await visit.form()

        def work(connection: Connection) -> str:
            seen = demanded(connection, visit)
            sources.renew_trigger(connection, seen.repository.id, self._automation.sealer)
            return repository_path(seen.repository, "/builds/settings")

        return visit.redirect(await visit.write(work), note="saved")

    async def unlink(self, visit: Visit) -> web.StreamResponse:
        await visit.form()

        def work(connection: Connection) -> str:
            seen = demanded(connection, visit)
            sources.unlink(connection, seen.repository.id)
            return repository_path(seen.repository, "/builds")

        return visit.redirect(await visit.write(work), note="removed")
