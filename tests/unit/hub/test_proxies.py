"""Behind reverse proxies: whose address counts, and what of the headers is believed."""

import ipaddress
import os

import pytest

from sampan.errors import InvalidArgument
from sampan.hub.accounts import throttle
from sampan.hub.config import Config
from sampan.hub.proxies import Caller, caller_of
from sampan.hub.wiring import Hub
from unit.hub.whole import Visitor, WholeHub, basic

FREE = 3  # failures, so that the test needn't hash thirty passwords
TRUSTED = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "fd00::/8")))


@pytest.mark.parametrize(
    ("peer", "forwarded", "schemes", "expected"),
    [
        ("10.0.0.2", ["198.51.100.7"], ["https"], Caller("198.51.100.7", "https")),
        # whatever the caller wrote stands left of what proxies know
        ("10.0.0.2", ["1.1.1.1", "10.9.9.9", "198.51.100.7"], [], Caller("198.51.100.7")),
        # two proxies, each of which appended
        (
            "10.0.0.2",
            ["6.6.6.6", "198.51.100.7", "10.0.0.9"],
            ["gopher", "https", "http"],
            Caller("198.51.100.7", "https"),
        ),
        ("10.0.0.2", ["198.51.100.7", "10.0.0.9"], ["https"], Caller("198.51.100.7", "https")),
        # nobody who isn't a trusted proxy is believed
        ("198.51.100.7", ["10.0.0.1"], ["https"], Caller("198.51.100.7")),
        ("198.51.100.7", [], [], Caller("198.51.100.7")),
        # a proxy's own request, or one that only proxies passed on
        ("10.0.0.2", [], [], Caller("10.0.0.2")),
        ("10.0.0.2", ["10.0.0.5"], [], Caller("10.0.0.5")),
        # other ways to write addresses; what can't be read ends the list
        ("::ffff:10.0.0.2", ["[2001:db8::1]:443"], [], Caller("2001:db8::1")),
        ("fd00::2", ["198.51.100.7:5000"], [], Caller("198.51.100.7")),
        ("10.0.0.2", ["1.1.1.1", "unknown", "10.0.0.7"], [], Caller("10.0.0.7")),
        ("10.0.0.2", ["198.51.100.7"], ["javascript"], Caller("198.51.100.7")),
        ("", ["198.51.100.7"], ["https"], Caller("")),
    ],
)
def test_the_rightmost_that_is_no_proxy(peer, forwarded, schemes, expected):
    assert caller_of(peer, forwarded, schemes, TRUSTED) == expected


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(throttle, "FREE_ADDRESS", FREE)


@pytest.fixture
def proxied(tmp_path):
    with WholeHub(tmp_path, trusted_proxies=("127.0.0.0/8",)) as hub:
        hub.user("alice")
        yield hub


def _fail(hub, number, address):
    header = basic(f"user{number}", "wrong-wrong")
    return hub.call("GET", "/token", Authorization=header, X_Forwarded_For=address).status


def test_failed_logins_count_for_the_caller_s_address(proxied, few):
    for number in range(FREE):
        assert _fail(proxied, number, "1.2.3.4, 198.51.100.7") == 401
    assert _fail(proxied, "x", "5.6.7.8, 198.51.100.7") == 429, "what it makes up doesn't help"
    assert _fail(proxied, "x", "198.51.100.8") == 401


def test_without_the_setting_nobody_is_believed(tmp_path, few):
    with WholeHub(tmp_path) as hub:
        hub.user("alice")
        for number in range(FREE):
            _fail(hub, number, f"198.51.100.{number}")
        assert _fail(hub, "x", "198.51.100.200") == 429
        answer = hub.call("GET", "/v2/", X_Forwarded_Proto="https", Host="hub.example")
        assert 'realm="http://hub.example/token"' in answer.headers["WWW-Authenticate"]


def test_the_scheme_is_the_caller_s(proxied):
    seen = {"Host": "hub.example", "X_Forwarded_For": "198.51.100.7", "X_Forwarded_Proto": "https"}
    answer = proxied.call("GET", "/v2/", **seen)
    assert 'realm="https://hub.example/token"' in answer.headers["WWW-Authenticate"]
    page = proxied.call("GET", "/login", **seen)
    assert "Secure" in page.headers["Set-Cookie"]


def test_pages_and_the_registry_work_through_a_proxy(proxied):
    """Forms and uploads read their bodies behind the middleware; files are still sent as such."""
    call = proxied.call
    proxied.call = lambda *words, **headers: call(
        *words, **headers, X_Forwarded_For="198.51.100.7", X_Forwarded_Proto="https"
    )
    visitor = Visitor(proxied, "alice")
    assert visitor.open("/settings").status == 200
    layer = os.urandom(300_000)
    _, digest = proxied.push("alice/app", "1", who="alice", layer=layer)
    header = proxied.token("repository:alice/app:pull", who="alice")
    answer = proxied.call("GET", f"/v2/alice/app/blobs/{digest}", Authorization=header)
    assert answer.body == layer


def test_a_network_that_is_none(tmp_path):
    with pytest.raises(InvalidArgument, match="isn't a network"):
        Hub(Config(root=tmp_path, trusted_proxies=("proxy.example",)))
