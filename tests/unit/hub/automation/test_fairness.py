"""Slow receivers hold only themselves up: whose deliveries go first when places are few."""

import asyncio

import anyio
import pytest
from sqlalchemy import update

from sampan.hub.accounts import users
from sampan.hub.automation import schema
from sampan.hub.automation.outgoing import Outcome
from sampan.hub.automation.webhooks.fairness import (
    AT_ONCE,
    PER_HOST,
    PER_OWNER,
    Waiting,
    choose,
)
from sampan.hub.automation.webhooks.retries import SECOND_NS
from unit.hub.automation.test_webhooks import World


def _many(count, *, host="slow", owner=1, start=0):
    return [Waiting(f"{host}-{owner}-{n}", host, owner) for n in range(start, start + count)]


def test_one_host_gets_its_share_and_no_more():
    assert len(choose(_many(500), [])) == PER_HOST
    assert choose(_many(500), _many(PER_HOST, start=900)) == []
    quick = _many(1, host="quick", owner=1)
    assert choose(_many(500) + quick, _many(PER_HOST, start=900)) == quick


def test_one_owner_of_many_hosts_leaves_places():
    spread = [Waiting(str(n), f"host{n}", 1) for n in range(500)]
    assert len(choose(spread, [])) == PER_OWNER
    assert PER_OWNER * 2 < AT_ONCE
    other = _many(1, host="x", owner=2)
    assert other[0] in choose(spread + other, [])


def test_the_last_place_goes_to_whoever_has_the_fewest_under_way():
    busy = [Waiting(f"b{n}", f"host{n}", n % 3) for n in range(AT_ONCE - 1)]
    waiting = [Waiting("old", "host900", 1), Waiting("new", "host901", 7)]
    assert [each.id for each in choose(waiting, busy)] == ["new"]
    assert choose(waiting, [*busy, Waiting("b", "h", 9)]) == []


def test_among_equals_the_longest_waiting_goes_first():
    waiting = [Waiting(f"w{n}", f"host{n}", n) for n in range(AT_ONCE + 9)]
    assert choose(waiting, []) == waiting[:AT_ONCE]


@pytest.fixture
def world(tmp_path):
    found = World(tmp_path)
    found.repository_id = found.repository()
    yield found
    found.database.close()


def test_thousands_for_a_slow_receiver_don_t_hide_the_others(world):
    """Those of the slow one have waited longer, and its first ones never come back."""
    for number in range(3):
        world.hook(f"slow{number}", "https://slow.example/")
    for number in range(400):
        world.push(str(number))

    async def run():
        release = anyio.Event()

        async def post(url, body, headers):
            world.got.append(url)
            if "slow" in url:
                await release.wait()
            return Outcome(200, "", "", 5)

        world.post = post
        async with anyio.create_task_group() as tasks:
            for _ in range(5):  # the outbox, a part of it each time; then what is due
                await world.dispatcher.round(tasks)
            slow = len(world.got)
            world.database.write_now(
                lambda connection: users.create(connection, "bob", password_hash="x")
            )
            world.repository_id = world.repository("bob/app")
            world.hook("quick", "https://quick.example/")
            world.push("1")
            world.now += 60 * SECOND_NS
            for _ in range(3):
                await world.dispatcher.round(tasks)
                await anyio.sleep(0.01)
            assert world.got[slow:] == ["https://quick.example/"]
            assert slow == PER_HOST
            release.set()
            world.database.write_now(lambda c: c.execute(update(schema.webhook_deliveries).values(
                state="failed", next_try_ns=None)))  # fmt: skip

    asyncio.run(run())
