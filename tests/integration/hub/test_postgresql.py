"""The registry on PostgreSQL: the same answers, gc beside pushes, a restarted server."""

import threading
import time

import pytest
from sqlalchemy import inspect

from sampan.hub.db import schema
from sampan.hub.db.migrations import migrate
from unit.hub.running import LEASE_S, RunningRegistry, digest_of

pytestmark = pytest.mark.integration


@pytest.fixture
def hub(postgresql, tmp_path):
    with RunningRegistry(tmp_path, url=postgresql.make_database()) as running:
        yield running


def test_schema_is_made_once(hub):
    migrate(hub.database, [schema.PART])
    names = hub.database.read_now(lambda c: set(inspect(c).get_table_names()))
    assert {"manifests", "push_events", "schema_versions"} <= names


def test_push_and_pull(hub):
    digest = hub.push_image("v1", b"layer")
    assert hub.push_image("v1", b"layer") == digest
    assert hub.call("GET", "/v2/team/app/manifests/v1").headers["Docker-Content-Digest"] == digest
    assert hub.call("GET", f"/v2/team/app/blobs/{digest_of(b'layer')}").body == b"layer"
    path = f"/v2/team/b/blobs/uploads/?mount={digest_of(b'layer')}&from=team/app"
    assert hub.call("POST", path).status == 201
    subject = {"mediaType": "x", "digest": digest, "size": 1}
    hub.push_image("", b"signature", subject=subject)
    assert len(hub.call("GET", f"/v2/team/app/referrers/{digest}").json["manifests"]) == 1
    assert hub.call("DELETE", f"/v2/team/app/manifests/{digest}").status == 202


def test_lists_are_sorted_by_bytes_here_too(hub):
    for name in ("a-b/x", "a/x", "a/X".lower() + "y", "b/x"):
        for tag in ("b", "B", "a", "a-1"):
            hub.push_image(tag, name=name)
    assert hub.call("GET", "/v2/a/x/tags/list?n=3").json["tags"] == ["B", "a", "a-1"]
    assert hub.call("GET", "/v2/a/x/tags/list?n=3&last=a-1").json["tags"] == ["b"]
    assert hub.call("GET", "/v2/_catalog").json["repositories"] == ["a-b/x", "a/x", "a/xy", "b/x"]


def test_pushes_beside_collections_lose_nothing(hub):
    """Every blob counts as garbage at once, but for what a push relies on at that moment."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def ahead() -> int:
        return time.time_ns() + (LEASE_S - 2) * 10**9  # leases of two seconds

    def collect() -> None:
        collector = hub.collector(ahead)
        while not stop.is_set():
            collector.collect()

    def push(number: int) -> None:
        try:
            for turn in range(6):
                layer = f"shared {turn}".encode()
                hub.push_image(f"t{number}", layer, name=f"team/app{number % 2}")
                name = f"team/app{number % 2}"
                got = hub.call("GET", f"/v2/{name}/manifests/t{number}").json
                for part in [got["config"], *got["layers"]]:
                    assert hub.call("GET", f"/v2/{name}/blobs/{part['digest']}").status == 200
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=push, args=(number,)) for number in range(6)]
    collecting = threading.Thread(target=collect)
    for thread in [*threads, collecting]:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    collecting.join()
    assert failures == []


def test_the_server_may_be_restarted(hub, postgresql):
    hub.push_image("before")
    postgresql.restart()
    assert hub.call("GET", "/v2/team/app/manifests/before").status == 200
    hub.push_image("after", b"other")
    postgresql.stop()
    answer = hub.call("GET", "/v2/team/app/manifests/before")
    postgresql.start()
    assert (answer.status, answer.code) == (503, "UNAVAILABLE")
    assert hub.call("GET", "/v2/team/app/tags/list").json["tags"] == ["after", "before"]
