"""Deliveries in virtual time: retries, restarts, giving up, one success, replay, payload."""

import asyncio
import hashlib
import hmac
import json
from itertools import pairwise
from pathlib import Path

import anyio
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import insert, select, update

from sampan.errors import AlreadyExists
from sampan.hub.accounts import schema as accounts
from sampan.hub.accounts import users
from sampan.hub.automation import schema
from sampan.hub.automation.outgoing import Outcome
from sampan.hub.automation.sealing import Sealer
from sampan.hub.automation.webhooks import deliveries, hooks
from sampan.hub.automation.webhooks.dispatch import Dispatcher
from sampan.hub.automation.webhooks.retries import SECOND_NS, Schedule
from sampan.hub.db import schema as registry
from sampan.hub.db.engine import Database, default_url
from sampan.hub.db.migrations import migrate
from sampan.hub.v2 import repositories
from sampan.lib.workers import Workers

SPEC = Path(__file__).parent / "webhook-payload-example.json"
PARTS = [registry.PART, accounts.PART, schema.PART]
SEALER = Sealer(Fernet.generate_key())


class Killed(BaseException):
    """What no `except Exception` holds."""


class World:
    """A database that survives `restart`, a clock that is turned, a receiver with a mood."""

    def __init__(self, root, url=""):
        self.now, self.up, self.got = 10**18, True, []
        self.url = url or default_url(root)
        self.schedule, self.database = Schedule(), None
        self.restart()

    def restart(self):
        if self.database is not None:
            self.database.close()
        self.database = Database(self.url, Workers())
        migrate(self.database, PARTS)
        self.dispatcher = Dispatcher(
            database=self.database,
            sealer=SEALER,
            sender=self,
            base_url="https://hub.example",
            schedule=self.schedule,
            clock_ns=lambda: self.now,
            chance=lambda: 0.5,
        )

    async def post(self, url, body, headers):
        if self.up == "crash":
            raise Killed  # the process ends in the middle of an attempt
        self.got.append((url, body, dict(headers)))
        return Outcome(200 if self.up else 503, "", "hello", 5)

    def rounds(self):
        async def run():
            async with anyio.create_task_group() as tasks:
                await self.dispatcher.round(tasks)

        asyncio.run(run())

    def repository(self, name="alice/app"):
        def work(connection):
            if users.find(connection, "alice") is None:
                users.create(connection, "alice", password_hash="x")
            return repositories.ensure(connection, name, is_private=True)

        return self.database.write_now(work)

    def hook(self, name="ci", url="https://ci.example/hook", created_ns=0):
        def work(connection):
            made = hooks.create(
                connection, self.repository_id, name=name, url=url, creator="alice", sealer=SEALER
            )
            connection.execute(update(schema.webhooks).values(created_ns=created_ns))
            return made

        return self.database.write_now(work)

    def push(self, tag="latest"):
        values = {"tag": tag, "digest": "sha256:x", "media_type": "m", "pusher": "alice"}
        self.database.write_now(
            lambda c: c.execute(
                insert(registry.push_events).values(
                    repository_id=self.repository_id, time_ns=1417566161 * SECOND_NS, **values
                )
            )
        )

    def deliveries(self, hook):
        return self.database.read_now(lambda c: deliveries.list_deliveries(c, hook.id))[0]

    def attempts(self, delivery):
        return self.database.read_now(lambda c: deliveries.list_attempts(c, [delivery.id]))[
            delivery.id
        ]


@pytest.fixture
def world(tmp_path):
    found = World(tmp_path)
    found.repository_id = found.repository()
    yield found
    found.database.close()


def test_a_push_is_one_delivery_for_each_webhook(world):
    first, _ = world.hook("a")
    second, secret = world.hook("b", "https://b.example/")
    off, _ = world.hook("off", "https://off.example/")
    world.database.write_now(lambda c: hooks.switch(c, off, on=False))
    world.push("1.0")
    world.rounds()
    world.rounds()
    assert sorted(got[0] for got in world.got) == ["https://b.example/", "https://ci.example/hook"]
    (delivery,) = world.deliveries(second)
    assert (delivery.state, delivery.tag, delivery.attempts) == ("delivered", "1.0", 1)
    (attempt,) = world.attempts(delivery)
    assert (attempt.status, attempt.response, attempt.latency_ns) == (200, "hello", 5)
    body, headers = next(got[1:] for got in world.got if got[0] == "https://b.example/")
    assert headers["X-Hub-Delivery"] == delivery.id
    assert headers["X-Hub-Event"] == "push"
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-Hub-Signature-256"] == f"sha256={expected}"
    assert not world.deliveries(off)
    assert len(world.deliveries(first)) == 1
    assert not world.database.read_now(lambda c: c.execute(select(registry.push_events)).all())


def test_the_payload_is_docker_hub_s(world):
    world.hook()
    world.push()
    world.rounds()
    found, expected = json.loads(world.got[0][1]), json.loads(SPEC.read_text())
    assert found["push_data"].pop("images") == []
    found["repository"]["date_created"] = expected["repository"]["date_created"]
    assert found == expected


def test_retries_go_on_over_restarts_and_success_is_recorded_once(world):
    hook, _ = world.hook()
    world.push()
    world.up = False
    times = []
    for _ in range(5):
        world.rounds()
        times.append((world.now, len(world.got)))
        world.restart()
        world.rounds()
        assert len(world.got) == times[-1][1], "nothing before its time, restart or not"
        (delivery,) = world.deliveries(hook)
        world.now = delivery.next_try_ns
    pauses = [(b[0] - a[0]) / SECOND_NS for a, b in pairwise(times)]
    assert pauses == [10, 20, 40, 80]
    world.up = True
    for _ in range(5):
        world.rounds()
        world.now += 10**15
        world.restart()
    (delivery,) = world.deliveries(hook)
    assert delivery.state == "delivered"
    statuses = [each.status for each in world.attempts(delivery)]
    assert statuses == [503] * 5 + [200]
    assert len({got[2]["X-Hub-Delivery"] for got in world.got}) == 1
    assert len({got[1] for got in world.got}) == 1, "retries send equal bytes"


def test_a_crash_within_an_attempt_leads_to_another_with_the_same_id(world):
    hook, _ = world.hook()
    world.push()
    world.up = "crash"
    with pytest.raises(BaseExceptionGroup):
        world.rounds()
    world.restart()
    world.up = True
    world.database.write_now(deliveries.note_interrupted)
    world.rounds()
    assert not world.got, "not at once: a hub that crashes again and again hammers nobody"
    world.now += 11 * SECOND_NS
    world.rounds()
    (delivery,) = world.deliveries(hook)
    assert (delivery.state, delivery.attempts) == ("delivered", 2)
    first, second = world.attempts(delivery)
    assert (first.latency_ns, first.error) == (None, "cut off when the hub was stopped")
    assert second.status == 200


def test_giving_up_and_replaying(world):
    world.schedule = Schedule(attempts=3)
    world.restart()
    hook, _ = world.hook()
    world.push()
    world.up = False
    for _ in range(6):
        world.rounds()
        world.now += 10**13
    (failed,) = world.deliveries(hook)
    assert (failed.state, failed.attempts, failed.next_try_ns) == ("failed", 3, None)
    assert len(world.got) == 3
    world.up = True
    world.now = 4 * 10**18
    again = world.database.write_now(lambda c: deliveries.replay(c, failed))
    world.dispatcher.wake()
    world.rounds()
    assert world.got[-1][2]["X-Hub-Delivery"] == again != failed.id
    assert world.got[-1][1] == world.got[0][1]
    found = {each.id: each for each in world.deliveries(hook)}
    assert (found[again].state, found[again].replay_of) == ("delivered", failed.id)
    assert found[failed.id].state == "failed"


def test_pauses_grow_to_an_hour_and_vary():
    schedule = Schedule()
    assert [schedule.pause_ns(n, 0.5) // SECOND_NS for n in (1, 2, 9, 10, 15)] == [
        *(10, 20, 2560, 3600, 3600)
    ]
    assert schedule.pause_ns(1, 0) == 8 * SECOND_NS
    assert schedule.pause_ns(1, 1) == 12 * SECOND_NS


def test_a_slow_receiver_holds_nobody_up(world):
    """While one is being sent, the others' rounds go on, and it isn't sent twice."""
    slow, _ = world.hook("slow", "https://slow.example/")
    world.hook("quick", "https://quick.example/")

    async def run():
        release, quick = anyio.Event(), anyio.Event()
        plain = world.post

        async def post(url, body, headers):
            if "slow" in url:
                await release.wait()
            outcome = await plain(url, body, headers)
            if len(world.got) == 2:
                quick.set()
            return outcome

        world.post = post
        async with anyio.create_task_group() as tasks:
            world.push("1")
            await world.dispatcher.round(tasks)
            world.push("2")
            world.now += 60 * SECOND_NS
            await world.dispatcher.round(tasks)
            await quick.wait()
            release.set()

    asyncio.run(run())
    assert sorted(got[0] for got in world.got) == [
        *["https://quick.example/"] * 2,
        *["https://slow.example/"] * 2,
    ]
    assert {each.attempts for each in world.deliveries(slow)} == {1}


def test_names_are_taken_once_and_secrets_aren_t_in_the_database(world):
    _, secret = world.hook()
    with pytest.raises(AlreadyExists):
        world.hook()
    stored = world.database.read_now(lambda c: c.execute(select(schema.webhooks)).one())
    assert secret not in str(stored)
    assert SEALER.open(stored.secret) == secret


def test_a_webhook_isn_t_told_of_pushes_before_it_was_made(world):
    world.push()
    hook, _ = world.hook(created_ns=10**19 // 2)
    world.rounds()
    assert not world.deliveries(hook)
    assert not world.got


def test_old_deliveries_go(world, monkeypatch):
    monkeypatch.setattr(deliveries, "KEPT", 3)
    hook, _ = world.hook()
    for number in range(6):
        world.now += SECOND_NS
        world.push(str(number))
        world.rounds()
    assert [each.tag for each in world.deliveries(hook)] == ["5", "4", "3", "2"]
