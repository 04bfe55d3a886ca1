"""GET /events: what happened since a moment, then what happens, until a moment or for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec
from aiohttp import web

from sampan.engine.events import Event
from sampan.errors import InvalidArgument
from sampan.lib import gotime
from sampan.lib.broadcast import Subscription
from sampan.server import streams
from sampan.server.call import JSON, Call
from sampan.server.routes import Route
from sampan.wire.events import event_message
from sampan.wire.filters import Filters

# Actions that carry a command or state after a colon; filters name them without it.
_PREFIXED = ("health_status", "exec_create", "exec_start")
# Filters on the actor, by its id or name, beginning of either; the type isn't looked at.
_ACTORS = ("container", "volume", "network", "daemon", "plugin", "service", "node", "secret")


class EventsBackend(Protocol):
    def history(self, since_ns: int, until_ns: int | None = None) -> list[Event]: ...
    def subscribe(self) -> AbstractContextManager[Subscription[Event]]: ...


class EventsRouter:
    def __init__(self, *, events: EventsBackend) -> None:
        self._events = events

    def routes(self) -> list[Route]:
        return [Route("GET", "/events", self.events)]

    async def events(self, call: Call) -> web.StreamResponse:
        since_ns, until_ns = _moment(call.text("since")), _moment(call.text("until"))
        if since_ns is not None and until_ns is not None and until_ns < since_ns:
            raise InvalidArgument("`since` time cannot be after `until` time")
        wanted = call.filters()
        found = self._select(since_ns, until_ns, wanted)
        return await streams.raw(call, found, JSON, at_once=True)

    async def _select(
        self, since_ns: int | None, until_ns: int | None, wanted: Filters
    ) -> AsyncIterator[bytes]:
        # Subscribing and reading history happen without a pause between: no gap, no doubles.
        with self._events.subscribe() as live:
            if since_ns is not None or until_ns is not None:
                for event in self._events.history(since_ns or 0, until_ns):
                    if matches(event, wanted):
                        yield encode(event)
            left_s = None
            if until_ns is not None:
                left_s = (until_ns - gotime.now_ns()) / gotime.NANOS
                if left_s <= 0:
                    return
            async for event in _until(live, left_s):
                if matches(event, wanted):
                    yield encode(event)


async def _until(live: Subscription[Event], left_s: float | None) -> AsyncIterator[Event]:
    try:
        async with asyncio.timeout(left_s):
            async for event in live:
                yield event
    except TimeoutError:
        return


def _moment(text: str) -> int | None:
    if not text:
        return None
    try:
        return gotime.parse_moment_ns(text)
    except ValueError:
        raise InvalidArgument(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def encode(event: Event) -> bytes:
    message = event_message(
        kind=event.type,
        action=event.action,
        actor_id=event.actor_id,
        attributes=event.attributes,
        scope=event.scope,
        time_ns=event.time_ns,
    )
    return msgspec.json.encode(message) + b"\n"


def matches(event: Event, wanted: Filters) -> bool:
    """Whether an event passes the filters of GET /events."""
    return (
        _action_matches(event.action, wanted)
        and wanted.match_exact("type", event.type)
        and wanted.match_exact("scope", event.scope)
        and all(_actor_matches(event, wanted, key) for key in _ACTORS)
        and _image_matches(event, wanted)
        and wanted.match_labels(event.attributes)
    )


def _action_matches(action: str, wanted: Filters) -> bool:
    if "event" not in wanted:
        return True
    return any(
        action == value or (value in _PREFIXED and action.startswith(value))
        for value in wanted.get("event")
    )


def _actor_matches(event: Event, wanted: Filters, key: str) -> bool:
    if key not in wanted:
        return True
    name = event.attributes.get("name", "")
    return any(
        event.actor_id.startswith(value) or name.startswith(value) for value in wanted.get(key)
    )


def _image_matches(event: Event, wanted: Filters) -> bool:
    if "image" not in wanted:
        return True
    name = event.attributes.get("image" if event.type == "container" else "name", "")
    known = {event.actor_id, name, _without_tag(event.actor_id), _without_tag(name)}
    return any(value in known for value in wanted.get("image"))


def _without_tag(name: str) -> str:
    head, colon, tail = name.rpartition(":")
    return head if colon and "/" not in tail else name
