"""Webhooks of a repository: list, make, switch, remove; their deliveries, details, replay, test.

For whoever may change the repository's settings. A secret is in the page that answers to its
making, and in no other.
"""

from typing import Any

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from sampan.errors import AlreadyExists, Conflict, InvalidArgument
from sampan.hub.accounts.standing import Repository
from sampan.hub.automation.service import Automation
from sampan.hub.automation.webhooks import deliveries, hooks
from sampan.hub.automation.webhooks.hooks import Webhook, WebhookNotFound
from sampan.hub.web.pages import repository_path
from sampan.hub.web.routes import SiteRoute
from sampan.hub.web.views.editing import demanded
from sampan.hub.web.views.repository import frame
from sampan.hub.web.visit import Part, Visit

DELIVERIES_PER_PAGE = 20
_BASE = "/r/{namespace}/{repository}/webhooks"


def _path(repository: Repository, found: Webhook | None = None, tail: str = "") -> str:
    return repository_path(repository, f"/webhooks/{found.id}{tail}" if found else "/webhooks")


def _number(visit: Visit, name: str) -> int:
    text = visit.text(name)
    if not (text.isascii() and text.isdecimal() and len(text) < 18):
        raise WebhookNotFound
    return int(text)


def _found(connection: Connection, visit: Visit) -> tuple[dict[str, Any], Webhook]:
    """What the page's head needs, and the webhook of the path."""
    seen = demanded(connection, visit)
    found = hooks.get(connection, seen.repository.id, _number(visit, "id"))
    return frame(connection, visit, seen, "webhooks"), found


class WebhookPages:
    def __init__(self, automation: Automation) -> None:
        self._automation = automation

    def routes(self) -> tuple[SiteRoute, ...]:
        one = _BASE + "/{id}"
        return (
            ("GET", _BASE, self.show_all),
            ("POST", _BASE, self.create),
            ("GET", one, self.show),
            ("POST", one + "/switch", self.switch),
            ("POST", one + "/secret", self.renew_secret),
            ("POST", one + "/remove", self.remove),
            ("POST", one + "/test", self.test),
            ("GET", one + "/deliveries/{delivery}", self.show_delivery),
            ("POST", one + "/deliveries/{delivery}/replay", self.replay),
        )

    async def show_all(self, visit: Visit) -> web.StreamResponse:
        return await self._list(visit)

    async def _list(
        self,
        visit: Visit,
        *,
        status: int = 200,
        wrong: str = "",
        made: Webhook | None = None,
        secret: str = "",
        given: dict[str, str] | None = None,
    ) -> web.Response:
        def work(connection: Connection) -> dict[str, Any]:
            seen = demanded(connection, visit)
            listed = hooks.list_webhooks(connection, seen.repository.id)
            last = {each.id: deliveries.list_deliveries(connection, each.id, limit=1)[0]
                    for each in listed}  # fmt: skip
            return {
                **frame(connection, visit, seen, "webhooks"),
                "hooks": listed,
                "last": {key: found[0] for key, found in last.items() if found},
            }

        values = await visit.read(work)
        shown = {"name": "", "url": "", **(given or {})}
        return visit.render(
            "webhooks.html",
            status=status,
            wrong=wrong,
            made=made,
            secret=secret,
            given=shown,
            **values,
        )

    async def create(self, visit: Visit) -> web.StreamResponse:
        form = await visit.form()
        given = {"name": form.get("name", ""), "url": form.get("url", "")}
        creator = visit.account().name

        def work(connection: Connection) -> tuple[Webhook, str]:
            seen = demanded(connection, visit)
            return hooks.create(
                connection,
                seen.repository.id,
                creator=creator,
                sealer=self._automation.sealer,
                **given,
            )

        try:
            made, secret = await visit.write(work)
        except (InvalidArgument, AlreadyExists, Conflict) as error:
            return await self._list(visit, status=400, wrong=error.message, given=given)
        return await self._list(visit, made=made, secret=secret)

    async def show(self, visit: Visit) -> web.StreamResponse:
        return await self._page(visit)

    async def _page(self, visit: Visit, *, secret: str = "") -> web.Response:
        asked = visit.part(DELIVERIES_PER_PAGE)

        def work(connection: Connection) -> dict[str, Any]:
            values, found = _found(connection, visit)
            listed, count = deliveries.list_deliveries(
                connection, found.id, limit=asked.size, offset=asked.offset
            )
            attempts = deliveries.list_attempts(connection, [each.id for each in listed])
            last = {key: each[-1] for key, each in attempts.items() if each}
            part = Part(asked.page, asked.size, count)
            return {**values, "hook": found, "listed": listed, "last": last, "part": part}

        return visit.render("webhook.html", secret=secret, **await visit.read(work))

    async def switch(self, visit: Visit) -> web.StreamResponse:
        form = await visit.form()

        def work(connection: Connection) -> str:
            values, found = _found(connection, visit)
            hooks.switch(connection, found, on=form.get("on") == "yes")
            return _path(values["repository"], found)

        return visit.redirect(await visit.write(work), note="saved")

    async def renew_secret(self, visit: Visit) -> web.StreamResponse:
        """Answers the page itself: the secret is in no other answer."""
        await visit.form()

        def work(connection: Connection) -> str:
            _, found = _found(connection, visit)
            return hooks.renew_secret(connection, found, self._automation.sealer)

        return await self._page(visit, secret=await visit.write(work))

    async def remove(self, visit: Visit) -> web.StreamResponse:
        await visit.form()

        def work(connection: Connection) -> str:
            values, found = _found(connection, visit)
            hooks.remove(connection, found)
            return _path(values["repository"])

        return visit.redirect(await visit.write(work), note="removed")

    async def test(self, visit: Visit) -> web.StreamResponse:
        await visit.form()
        base, who = self._automation.settings.base_url, visit.account().name

        def work(connection: Connection) -> str:
            values, found = _found(connection, visit)
            made = deliveries.add_test(connection, found, who, base)
            return _path(values["repository"], found, f"/deliveries/{made}")

        path = await visit.write(work)
        self._automation.wake()
        return visit.redirect(path, note="sent")

    async def show_delivery(self, visit: Visit) -> web.StreamResponse:
        def work(connection: Connection) -> dict[str, Any]:
            values, found = _found(connection, visit)
            delivery = deliveries.get(connection, found.id, visit.text("delivery"))
            attempts = deliveries.list_attempts(connection, [delivery.id])[delivery.id]
            payload = msgspec.json.format(delivery.payload, indent=2)
            return {
                **values,
                "hook": found,
                "delivery": delivery,
                "attempts": attempts,
                "payload": payload,
            }

        return visit.render("delivery.html", **await visit.read(work))

    async def replay(self, visit: Visit) -> web.StreamResponse:
        await visit.form()

        def work(connection: Connection) -> str:
            values, found = _found(connection, visit)
            delivery = deliveries.get(connection, found.id, visit.text("delivery"))
            made = deliveries.replay(connection, delivery)
            return _path(values["repository"], found, f"/deliveries/{made}")

        path = await visit.write(work)
        self._automation.wake()
        return visit.redirect(path, note="sent")
