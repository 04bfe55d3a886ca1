"""Blobs on their way to clients: slow ones, ones that go away, and bytes that are missing."""

import hashlib
import http.client
import os
import socket
import time
from contextlib import suppress
from operator import gt
from pathlib import Path

import pytest

from sampan.hub.v2.sending import SENDERS
from unit.hub.running import RunningRegistry

CONTENT = os.urandom(8 << 20)  # more than the sockets of both sides hold


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningRegistry(tmp_path_factory.mktemp("hub")) as running:
        running.path = f"/v2/team/app/blobs/{running.push_blob(CONTENT)}"
        yield running


def _ask(hub, receive_bytes=64 << 10):
    """A connection that has asked for the blob and takes little at a time."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", hub.port))
    connection.sendall(f"GET {hub.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return connection


def _descriptors(kind):
    found = 0
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found += kind in str(each.readlink())
    return found


def test_clients_that_read_nothing_keep_nobody_waiting(hub):
    """More of them than there are threads to send with."""
    slow = [_ask(hub) for _ in range(SENDERS + 4)]
    try:
        for connection in slow:
            assert connection.recv(12) == b"HTTP/1.1 200"
        assert hub.call("GET", hub.path).body == CONTENT
    finally:
        for connection in slow:
            connection.close()


def test_a_slow_client_gets_every_byte(hub):
    with _ask(hub) as connection:
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        found = hashlib.sha256()
        for number in range(10**6):
            piece = answer.read(50_000)
            if not piece:
                break
            found.update(piece)
            if number < 5:
                time.sleep(0.05)  # longer than the sender's patience
        assert f"sha256:{found.hexdigest()}" == hub.path.rpartition("/")[2]


def test_several_ranges_over_one_connection(hub):
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=20)
    for start, end in ((0, 10), (300_000, 7_000_000), (len(CONTENT) - 1, len(CONTENT))):
        connection.request("GET", hub.path, headers={"Range": f"bytes={start}-{end - 1}"})
        answer = connection.getresponse()
        assert answer.status == 206
        assert answer.read() == CONTENT[start:end]
    connection.close()


def test_who_goes_away_leaves_no_descriptor(hub):
    before = [_descriptors(kind) for kind in ("socket", "blobs/sha256")]
    for _ in range(5):
        with _ask(hub) as connection:
            connection.recv(1000)
    deadline = time.monotonic() + 15
    while any(map(gt, now := [_descriptors(kind) for kind in ("socket", "blobs/sha256")], before)):
        assert time.monotonic() < deadline, (before, now)
        time.sleep(0.05)


def test_bytes_that_are_missing_end_the_connection(hub, tmp_path):
    digest = hub.push_blob(b"whole" * 1000)
    place = hub.storage.local_path(digest)
    place.write_bytes(b"whole" * 100)
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=20)
    connection.request("GET", f"/v2/team/app/blobs/{digest}")
    answer = connection.getresponse()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)) as caught:
        answer.read()
    assert b"errors" not in getattr(caught.value, "partial", b"")
    connection.close()
