"""Accounts, API and pages on PostgreSQL: the same tests as on SQLite."""

import pytest

from unit.hub.api import test_api as api
from unit.hub.conftest import _organise
from unit.hub.web import test_pages as pages
from unit.hub.whole import Tool, Visitor, WholeHub

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def harbour(tmp_path_factory, postgresql):
    root = tmp_path_factory.mktemp("hub")
    with WholeHub(root, database_url=postgresql.make_database()) as hub:
        hub.user("root-admin", admin=True)
        for name in ("alice", "bob", "eve", "edith", "max"):
            hub.user(name)
        hub.database.write_now(_organise)
        yield hub


API = [
    api.test_a_repository_s_life,
    api.test_tags,
    api.test_lists_and_search_hide_what_is_private,
    api.test_access_tokens,
    api.test_organisations,
]


@pytest.mark.parametrize("check", API, ids=lambda check: check.__name__)
def test_api(harbour, check):
    names = check.__code__.co_varnames[: check.__code__.co_argcount]
    given = {"harbour": harbour, "alice": Tool(harbour, "alice"), "eve": Tool(harbour, "eve")}
    check(*(given[name] for name in names))


PAGES = [
    pages.test_a_repository_s_pages,
    pages.test_tags_are_shown_and_removed_after_a_question,
    pages.test_organisation_pages,
]


@pytest.mark.parametrize("check", PAGES, ids=lambda check: check.__name__)
def test_pages(harbour, check):
    check(harbour, Visitor(harbour, "alice"), Visitor(harbour, "eve"))


def test_administration(harbour):
    admin = Visitor(harbour, "root-admin")
    assert admin.open("/admin").status == 200
    assert "Largest repositories" in admin.page
    assert admin.open("/admin/users?filter=ali").status == 200
    assert "edith" not in admin.page
