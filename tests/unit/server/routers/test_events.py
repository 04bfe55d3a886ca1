"""Which events pass which filters, and what is sent."""

import json

import pytest

from sampan.engine.events import Event, EventLog
from sampan.server.routers.events import EventsRouter, encode, matches
from sampan.wire.filters import Filters

START = Event(
    "container", "start", "c" * 64, {"name": "web", "image": "busybox:1", "a": "b"}, time_ns=5
)
HEALTH = Event("container", "health_status: healthy", "c" * 64, {"name": "web"})
PULL = Event("image", "pull", "busybox:1", {"name": "busybox"})


@pytest.mark.parametrize(
    ("event", "key", "value", "passes"),
    [
        (START, "type", "container", True),
        (START, "type", "image", False),
        (START, "event", "start", True),
        (START, "event", "sta", False),
        (HEALTH, "event", "health_status", True),
        (HEALTH, "event", "health_status: healthy", True),
        (START, "container", "web", True),
        (START, "container", "cccc", True),
        (START, "container", "other", False),
        (START, "image", "busybox", True),
        (START, "image", "busybox:1", True),
        (PULL, "image", "busybox", True),
        (PULL, "image", "alpine", False),
        (START, "label", "a", True),
        (START, "label", "a=b", True),
        (START, "label", "a=c", False),
        (START, "scope", "local", True),
        (START, "scope", "swarm", False),
    ],
)
def test_filters(event, key, value, passes):
    assert matches(event, Filters({key: (value,)})) is passes


def test_container_events_repeat_the_old_fields():
    message = json.loads(encode(START))
    assert message["status"] == "start"
    assert message["id"] == "c" * 64
    assert message["from"] == "busybox:1"
    assert message["Actor"]["Attributes"]["name"] == "web"
    assert message["timeNano"] == 5
    network = json.loads(encode(Event("network", "create", "n", {"name": "x", "type": "bridge"})))
    assert "status" not in network


def test_history_up_to_now_ends_the_answer(served):
    log = EventLog()
    log.publish("volume", "create", "v", {"driver": "local"})

    async def scenario(client):
        answer = await client.ask("GET /events?since=0&until=1s")
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/json"
        nothing = await client.ask("GET /events?until=0s")
        assert b'"create"' in nothing.body

    served(EventsRouter(events=log).routes(), scenario)


def test_live_events_follow_until_the_log_closes(served):
    log = EventLog()

    async def scenario(client):
        reader, writer = await client.connect()
        writer.write(b"GET /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        log.publish("volume", "create", "v", {"driver": "local"})
        await reader.readuntil(b'"create"')
        log.close()
        assert (await reader.read()).endswith(b"0\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    served(EventsRouter(events=log).routes(), scenario)


def test_bad_moments_are_refused(served):
    async def scenario(client):
        assert (await client.ask("GET /events?since=abc")).status == 400
        assert (await client.ask("GET /events?since=10&until=5")).status == 400

    served(EventsRouter(events=EventLog()).routes(), scenario)
