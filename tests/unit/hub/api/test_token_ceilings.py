"""An access token gives no other one more than it has itself, and one that reads writes nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from unit.hub.whole import Tool, basic

TOKENS = "/v2/access-tokens"


def _in_days(days):
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


@pytest.fixture(scope="module")
def alice(harbour):
    return Tool(harbour, "alice")


@pytest.fixture
def short(harbour, alice):
    """A program with a token for everything, which ends tomorrow, and that token."""
    made = alice.call(
        "POST", TOKENS, token_label="short", scopes=["repo:admin"], expires_at=_in_days(1)
    ).json
    return Tool(harbour, "alice", made["token"]), made


def test_a_token_that_ends_makes_none_that_outlives_it(short):
    tool, own = short
    for wanted in (2, 400):
        refused = tool.call(
            "POST", TOKENS, token_label="x", scopes=["repo:read"], expires_at=_in_days(wanted)
        )
        assert refused.status == 403
        assert "later end" in refused.json["detail"]
    sooner = tool.call(
        "POST", TOKENS, token_label="x", scopes=["repo:admin"], expires_at=_in_days(0.5)
    )
    assert sooner.status == 201
    for path, body in (
        (TOKENS, {"token_label": "x", "scopes": ["repo:admin"]}),
        ("/v2/api_tokens", {"description": "x"}),
    ):
        made = tool.call("POST", path, **body)
        assert made.status == 201
        assert made.json["expires_at"] == own["expires_at"], "without an end: the maker's"


def test_nor_by_basic_credentials_nor_by_one_that_it_made(harbour, alice, short):
    tool, own = short
    child = tool.call("POST", TOKENS, token_label="c", scopes=["repo:admin"]).json["token"]
    for secret in (own["token"], child):
        answer = harbour.call(
            "POST",
            TOKENS,
            b'{"token_label": "x", "scopes": ["repo:admin"]}',
            Authorization=basic("alice", secret),
        )
        assert answer.json["expires_at"] == own["expires_at"]


def test_it_switches_none_on_that_outlives_it(alice, short):
    tool, _ = short
    lasting = alice.call("POST", TOKENS, token_label="old", scopes=["repo:read"]).json["uuid"]
    path = f"{TOKENS}/{lasting}"
    assert tool.call("PATCH", path, is_active=False).status == 200
    assert tool.call("PATCH", path, is_active=True).status == 403
    assert alice.call("GET", path).json["is_active"] is False
    assert tool.call("PATCH", path, token_label="renamed").status == 200
    assert alice.call("PATCH", path, is_active=True).json["is_active"] is True


@pytest.mark.parametrize("scope", ["repo:public_read", "repo:read"])
def test_a_token_that_reads_leaves_no_star(harbour, alice, scope):
    harbour.push("bob/lighthouse", "latest", who="bob")
    secret = alice.call("POST", TOKENS, token_label="r", scopes=[scope]).json["token"]
    reader = Tool(harbour, "alice", secret)
    stars = "/v2/repositories/bob/lighthouse/stars"
    assert reader.call("POST", stars).status == 403
    assert alice.call("GET", "/v2/repositories/bob/lighthouse").json["star_count"] == 0
    assert alice.call("POST", stars).status == 204
    assert reader.call("DELETE", stars).status == 403
    assert alice.call("GET", "/v2/repositories/bob/lighthouse").json["star_count"] == 1
    assert alice.call("DELETE", stars).status == 204
