"""Webhooks by the HTTP API: Docker Hub's pipelines (a name with addresses), and their deliveries.

A pipeline here is one webhook. Its secret is in the answer to its creation and in no other.
"""

from typing import Any

import msgspec
from aiohttp import web
from sqlalchemy import Connection

from sampan.errors import InvalidArgument
from sampan.hub.accounts.permissions import Right
from sampan.hub.accounts.standing import Seen, demand
from sampan.hub.api.calls import Call, answer, nothing
from sampan.hub.api.routes import Endpoint
from sampan.hub.api.shapes import time_text
from sampan.hub.automation.service import Automation
from sampan.hub.automation.webhooks import deliveries, hooks
from sampan.hub.automation.webhooks.deliveries import Attempt, Delivery
from sampan.hub.automation.webhooks.hooks import Webhook

_REPOSITORY = "/v2/repositories/{namespace}/{repository}"
_PIPELINE = _REPOSITORY + "/webhook_pipeline"
_DELIVERIES = _PIPELINE + "/{name}/deliveries"


class _Target(msgspec.Struct, frozen=True):
    name: str = ""
    hook_url: str = ""


class _Pipeline(msgspec.Struct, frozen=True):
    name: str = ""
    expect_final_callback: bool = False
    webhooks: list[_Target] = []


def demanded(connection: Connection, call: Call) -> Seen:
    """Raises Unauthenticated, RepositoryNotFound, NotAllowed."""
    call.account()
    return demand(
        connection, call.caller, call.text("namespace"), call.text("repository"), Right.EDIT
    )


def _found(connection: Connection, call: Call) -> Webhook:
    seen = demanded(connection, call)
    return hooks.get_by_name(connection, seen.repository.id, call.request.match_info["name"])


def pipeline_shape(found: Webhook, *, secret: str = "") -> dict[str, Any]:
    shape = {
        "name": found.name,
        "slug": found.name,
        "expect_final_callback": False,
        "is_active": found.is_active,
        "creator": found.creator,
        "created": time_text(found.created_ns),
        "last_updated": time_text(found.created_ns),
        "webhooks": [{"name": found.name, "hook_url": found.url}],
    }
    return {**shape, "secret": secret} if secret else shape


def delivery_shape(found: Delivery, attempts: list[Attempt] | None = None) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "id": found.id,
        "event": found.event,
        "tag": found.tag,
        "state": found.state,
        "attempts": found.attempts,
        "created": time_text(found.created_ns),
        "next_try": time_text(found.next_try_ns),
        "finished": time_text(found.finished_ns),
        "replay_of": found.replay_of,
    }
    if attempts is not None:
        shape["payload"] = msgspec.Raw(found.payload.encode())
        shape["history"] = [
            {
                "number": each.number,
                "started": time_text(each.started_ns),
                "latency_ms": None if each.latency_ns is None else each.latency_ns // 10**6,
                "status": each.status,
                "error": each.error,
                "response": each.response,
            }
            for each in attempts
        ]
    return shape


class WebhookEndpoints:
    def __init__(self, automation: Automation) -> None:
        self._automation = automation

    def endpoints(self) -> tuple[Endpoint, ...]:
        one = _DELIVERIES + "/{delivery}"
        return (
            Endpoint("GET", _REPOSITORY + "/webhooks", self.list_all, "List webhooks"),
            Endpoint("GET", _PIPELINE, self.list_all, "List webhooks"),
            Endpoint("POST", _PIPELINE, self.create, "Make a webhook", 201),
            Endpoint("DELETE", _PIPELINE + "/{name}", self.remove, "Remove a webhook", 204),
            Endpoint("POST", _PIPELINE + "/{name}/test", self.test, "Send a test", 202),
            Endpoint("GET", _DELIVERIES, self.list_deliveries, "List deliveries"),
            Endpoint("GET", one, self.get_delivery, "One delivery with its attempts"),
            Endpoint("POST", one + "/replay", self.replay, "Send the payload again", 202),
        )

    async def list_all(self, call: Call) -> web.Response:
        part = call.part()

        def work(connection: Connection) -> list[Webhook]:
            return hooks.list_webhooks(connection, demanded(connection, call).repository.id)

        found = await call.read(work)
        chosen = found[part.offset : part.offset + part.size]
        return call.page(part, len(found), [pipeline_shape(each) for each in chosen])

    async def create(self, call: Call) -> web.Response:
        given = await call.body(_Pipeline)
        if len(given.webhooks) != 1:
            raise InvalidArgument("a webhook pipeline has exactly one webhook here")
        target = given.webhooks[0]

        def work(connection: Connection) -> tuple[Webhook, str]:
            seen = demanded(connection, call)
            return hooks.create(
                connection,
                seen.repository.id,
                name=given.name or target.name,
                url=target.hook_url,
                creator=call.account().name,
                sealer=self._automation.sealer,
            )

        made, secret = await call.write(work)
        return answer(pipeline_shape(made, secret=secret), 201)

    async def remove(self, call: Call) -> web.Response:
        await call.write(lambda connection: hooks.remove(connection, _found(connection, call)))
        return nothing()

    async def test(self, call: Call) -> web.Response:
        base = self._automation.settings.base_url

        def work(connection: Connection) -> str:
            found, who = _found(connection, call), call.account().name
            return deliveries.add_test(connection, found, who, base)

        made = await call.write(work)
        self._automation.wake()
        return answer({"id": made}, 202)

    async def list_deliveries(self, call: Call) -> web.Response:
        part = call.part()

        def work(connection: Connection) -> tuple[list[Delivery], int]:
            found = _found(connection, call)
            return deliveries.list_deliveries(
                connection, found.id, limit=part.size, offset=part.offset
            )

        found, count = await call.read(work)
        return call.page(part, count, [delivery_shape(each) for each in found])

    async def get_delivery(self, call: Call) -> web.Response:
        def work(connection: Connection) -> dict[str, Any]:
            hook = _found(connection, call)
            found = deliveries.get(connection, hook.id, call.text("delivery"))
            attempts = deliveries.list_attempts(connection, [found.id])[found.id]
            return delivery_shape(found, attempts)

        return answer(await call.read(work))

    async def replay(self, call: Call) -> web.Response:
        def work(connection: Connection) -> str:
            hook = _found(connection, call)
            found = deliveries.get(connection, hook.id, call.text("delivery"))
            return deliveries.replay(connection, found)

        made = await call.write(work)
        self._automation.wake()
        return answer({"id": made}, 202)
