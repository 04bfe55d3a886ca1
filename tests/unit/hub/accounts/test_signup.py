"""Who may make an account, and how often; private repositories within the plan."""

import subprocess
import sys
from pathlib import Path

import pytest

from sampan.hub.accounts.signup import SignUps, TooManySignUps
from sampan.hub.accounts.throttle import place_of
from unit.hub.whole import PASSWORD, Tool, Visitor, WholeHub, basic

SAMPAN = Path(sys.executable).with_name("sampan")


class _Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


def test_accounts_of_one_address_are_counted_for_an_hour():
    clock = _Clock()
    sign_ups = SignUps("open", per_hour=3, clock=clock)
    for _ in range(3):
        sign_ups.count("203.0.113.5")
        clock.now_s += 60
    with pytest.raises(TooManySignUps) as caught:
        sign_ups.count("203.0.113.5")
    assert caught.value.wait_s == 3600 - 180
    sign_ups.count("203.0.113.6")
    clock.now_s += caught.value.wait_s
    sign_ups.count("203.0.113.5")
    with pytest.raises(TooManySignUps):
        sign_ups.count("203.0.113.5")


def test_a_network_of_ipv6_is_one_address():
    assert place_of("2001:db8:1:2::5") == place_of("2001:db8:1:2:ffff::9")
    assert place_of("2001:db8:1:2::5") != place_of("2001:db8:1:3::5")
    assert place_of("::ffff:203.0.113.5") == place_of("203.0.113.5")
    assert place_of("fe80::1%eth0") == place_of("fe80::2")
    assert place_of("") == ""


def test_a_form_sent_too_often_is_told_to_wait(tmp_path):
    with WholeHub(tmp_path, sign_ups_per_hour=2) as hub:
        for name in ("carol", "dave"):
            visitor = Visitor(hub)
            visitor.open("/signup")
            assert visitor.send("/signup", name=name, password="short").status == 400
            assert visitor.send("/signup", name=name, password=PASSWORD).status == 200
        visitor = Visitor(hub)
        visitor.open("/signup")
        refused = visitor.send("/signup", name="erin", password=PASSWORD)
        assert refused.status == 429
        assert int(refused.headers["Retry-After"]) > 3000
        assert hub.call("GET", "/v2/users/erin").status == 404


def test_an_administrator_switches_new_accounts_on(tmp_path):
    with WholeHub(tmp_path, sign_up="approval") as hub:
        captain = Visitor(hub)
        captain.open("/signup")
        captain.send("/signup", name="captain", password=PASSWORD)
        assert captain.open("/admin/users").status == 200, "the first account needs no approval"
        mate = Visitor(hub)
        mate.open("/signup")
        mate.send("/signup", name="mate", password=PASSWORD)
        assert "An administrator has to switch it on" in mate.page
        assert "sampan_session" not in mate.cookies
        assert hub.call("GET", "/token", Authorization=basic("mate")).status == 401
        captain.send("/admin/users/mate", action="on")
        assert "sampan_session" in Visitor(hub, "mate").cookies


@pytest.fixture
def small(tmp_path):
    with WholeHub(tmp_path, private_repositories_per_account=1, account_quota=5_000_000) as hub:
        hub.user("alice")
        hub.user("eve")
        yield hub


def test_one_private_repository_on_the_plan(small):
    alice = Tool(small, "alice")
    new = {"namespace": "alice", "is_private": True}
    assert alice.call("POST", "/v2/repositories", name="one", **new).status == 201
    refused = alice.call("POST", "/v2/repositories", name="two", **new)
    assert refused.status == 403
    assert "at most one private repository" in refused.json["detail"]
    assert alice.call("POST", "/v2/repositories", name="open", namespace="alice").status == 201
    path = "/v2/repositories/alice/"
    for tail in ("open", "open/privacy"):
        assert alice.call("PATCH", path + tail, is_private=True).status == 403
    assert alice.call("GET", path + "open").json["is_private"] is False
    assert alice.call("PATCH", path + "one", is_private=True, description="x").status == 200
    visitor = Visitor(small, "alice")
    visitor.open("/r/alice/open/settings")
    assert visitor.send("/r/alice/open/visibility", visibility="private").status == 409
    assert "At most one private repository" in visitor.page.replace("at most", "At most")
    visitor.open("/new")
    assert visitor.send("/new", name="three", visibility="private").status == 400
    assert alice.call("PATCH", path + "one/privacy", is_private=False).status == 200
    assert alice.call("PATCH", path + "open/privacy", is_private=True).status == 200


def test_a_push_never_makes_a_public_one_instead(small):
    visitor = Visitor(small, "alice")
    visitor.open("/settings")
    visitor.send("/settings", visibility="private")
    small.push("alice/one", "1", who="alice")
    header = small.token("repository:alice/two:pull,push", who="alice")
    answer = small.call("POST", "/v2/alice/two/blobs/uploads/", Authorization=header)
    assert (answer.status, answer.code) == (403, "DENIED")
    assert "private" in answer.json["errors"][0]["message"]
    assert Tool(small, "alice").call("GET", "/v2/repositories/alice/two").status == 404


def test_the_account_s_page_shows_what_is_held(small, tmp_path):
    small.push("alice/app", "1", who="alice", layer=b"x" * 2_000_000)
    visitor = Visitor(small, "alice")
    visitor.open("/settings")
    assert "2.0 MB of 5.0 MB" in visitor.page
    assert "0 of 1" in visitor.page
    done = subprocess.run(
        [SAMPAN, "hub", "user", "quota", "--root", tmp_path, "alice", "1m"],
        capture_output=True, text=True, check=False, timeout=25,
    )  # fmt: skip
    assert done.stdout == "alice\n", done.stderr
    visitor.open("/settings")
    assert "2.0 MB of 1.0 MB" in visitor.page
    for name in ("alice/app", "alice/another"):
        header = small.token(f"repository:{name}:pull,push", who="alice")
        answer = small.call("POST", f"/v2/{name}/blobs/uploads/", Authorization=header)
        assert (answer.status, answer.code) == (403, "DENIED")
    assert small.call("GET", "/v2/repositories/alice/another").status == 404, "not begun either"
