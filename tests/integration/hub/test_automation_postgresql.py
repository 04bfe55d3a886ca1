"""Webhooks and builds on PostgreSQL: the same tests as on SQLite."""

import pytest

from sampan.hub.accounts import users
from sampan.hub.db.engine import Database
from sampan.hub.db.migrations import migrate
from sampan.hub.v2 import repositories
from sampan.lib.workers import Workers
from unit.hub.automation import test_builds as builds
from unit.hub.automation import test_webhooks as webhooks

pytestmark = pytest.mark.integration


@pytest.fixture
def world(tmp_path, postgresql):
    found = webhooks.World(tmp_path, postgresql.make_database())
    found.repository_id = found.repository()
    yield found
    found.database.close()


WEBHOOKS = [
    webhooks.test_a_push_is_one_delivery_for_each_webhook,
    webhooks.test_retries_go_on_over_restarts_and_success_is_recorded_once,
    webhooks.test_giving_up_and_replaying,
]


@pytest.mark.parametrize("check", WEBHOOKS, ids=lambda check: check.__name__)
def test_webhooks(world, check):
    check(world)


def test_old_deliveries_go(world, monkeypatch):
    webhooks.test_old_deliveries_go(world, monkeypatch)


@pytest.fixture
def database(postgresql):
    found = Database(postgresql.make_database(), Workers())
    migrate(found, webhooks.PARTS)
    found.write_now(lambda c: users.create(c, "alice", password_hash="x"))
    found.write_now(lambda c: repositories.ensure(c, "alice/app", is_private=False))
    yield found
    found.close()


BUILDS = [
    builds.test_one_build_of_a_tag_at_a_time_the_oldest_first,
    builds.test_a_build_under_way_at_a_crash_is_taken_up_again_three_times_at_most,
    builds.test_cancelling,
]


@pytest.mark.parametrize("check", BUILDS, ids=lambda check: check.__name__)
def test_builds(database, check):
    check(database)


def test_polling(database, tmp_path):
    folder = builds.make_repository(tmp_path)
    builds.test_polling_builds_what_moved_and_not_what_was_there(database, tmp_path, folder)
