"""The cut between an upgrade request and the bytes behind it."""

import pytest

from sampan.server.gate import HEAD_LIMIT_BYTES, Gate

PLAIN = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = b"POST /attach HTTP/1.1\r\nHost: a\r\nUpgrade: TCP\r\n\r\n"
WITH_BODY = b"POST /e HTTP/1.1\r\nupgrade: tcp\r\nContent-Length: 4\r\n\r\nbody"


@pytest.mark.parametrize("step", [1, 3, 7, 1000])
def test_bytes_behind_an_upgrade_are_kept_however_they_are_cut(step):
    gate, passed = Gate(), b""
    data = WITH_BODY + b"early"
    for start in range(0, len(data), step):
        passed += gate.feed(data[start : start + step])
    assert passed == WITH_BODY
    assert gate.kept == b"early"
    assert gate.upgrading


def test_upgrade_without_body_passes_only_the_head():
    gate = Gate()
    assert gate.feed(UPGRADE + b"stdin") == UPGRADE
    assert gate.feed(b"more") == b""
    assert gate.kept == b"stdinmore"


def test_ordinary_requests_pass_whole_with_their_bodies():
    gate = Gate()
    assert gate.feed(PLAIN + b"anything\r\nUpgrade: tcp\r\n\r\n") != b""
    assert not gate.upgrading
    assert gate.feed(UPGRADE) == UPGRADE, "bytes of a body aren't looked at"
    assert not gate.upgrading


def test_next_request_is_looked_at_again():
    gate = Gate()
    gate.feed(PLAIN)
    gate.next_request()
    gate.feed(UPGRADE)
    assert gate.upgrading


def test_incomplete_head_is_held_until_it_is_too_long():
    gate = Gate()
    assert gate.feed(b"GET /x") == b""
    flood = gate.feed(b"y" * HEAD_LIMIT_BYTES)
    assert flood.startswith(b"GET /xyyy")


@pytest.mark.parametrize("path", ["/grpc", "/v1.41/session?x=1"])
def test_what_follows_an_upgrade_to_http2_is_kept(path):
    gate = Gate()
    head = f"POST {path} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n".encode()
    assert gate.feed(head + b"PRI * HTTP/2.0") == head
    assert gate.kept == b"PRI * HTTP/2.0"


def test_an_offer_of_http2_elsewhere_changes_nothing():
    gate = Gate()
    head = b"GET /grpc HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert gate.feed(head) == head
    assert not gate.upgrading
