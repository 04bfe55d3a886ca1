"""A push that doesn't fit into its namespace's quota is refused, and leaves nothing behind."""

import json
import os
import socket

import pytest
from sqlalchemy import func, select

from sampan.hub.accounts import plans
from sampan.hub.accounts.plans import Plan
from sampan.hub.db.schema import blobs, namespaces, uploads
from unit.hub.running import LAYER, MANIFEST, RunningRegistry, descriptor, digest_of

QUOTA = 40_000


@pytest.fixture
def hub(tmp_path):
    with RunningRegistry(tmp_path, plan=Plan(organisation_bytes=QUOTA)) as running:
        yield running


def _count(hub, table):
    query = select(func.count()).select_from(table)
    return hub.database.read_now(lambda connection: connection.execute(query).scalar_one())


def _used(hub, name="team"):
    return hub.database.read_now(lambda connection: plans.used_bytes(connection, name))


def _nothing_is_left(hub, *, kept=0):
    stored = list(hub.storage.list())
    return (
        not list(hub.staging.iterdir())
        and _count(hub, uploads) == 0
        and _count(hub, blobs) == len(stored) == kept
    )


def test_a_blob_in_one_request_that_doesn_t_fit(hub):
    content = os.urandom(QUOTA + 1)
    answer = hub.call("POST", f"/v2/team/app/blobs/uploads/?digest={digest_of(content)}", content)
    assert (answer.status, answer.code) == (403, "DENIED")
    assert "storage quota of team" in answer.json["errors"][0]["message"]
    assert answer.json["errors"][0]["detail"] == {"namespace": "team", "used": 0, "quota": QUOTA}
    assert _nothing_is_left(hub)


def test_chunks_that_grow_beyond_it_end_the_upload(hub):
    place = hub.start()
    assert hub.call("PATCH", place, os.urandom(QUOTA - 1000)).status == 202
    answer = hub.call("PATCH", place, os.urandom(2000))
    assert (answer.status, answer.code) == (403, "DENIED")
    assert hub.call("GET", place).code == "BLOB_UPLOAD_UNKNOWN"
    assert _nothing_is_left(hub)
    hub.push_blob(os.urandom(QUOTA - 1000))  # there is room again


def test_a_body_without_a_length_is_stopped_on_its_way(hub):
    """As docker sends it."""
    place = hub.start()
    with socket.create_connection(("127.0.0.1", hub.port), timeout=20) as connection:
        head = f"PATCH {place} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        piece = b"%x\r\n%s\r\n" % (QUOTA + 1, os.urandom(QUOTA + 1))
        connection.sendall(head.encode() + piece + b"0\r\n\r\n")
        assert b" 403 " in connection.recv(65536).split(b"\r\n")[0]
    assert _nothing_is_left(hub)


def test_uploads_under_way_count_also_over_a_restart(hub, tmp_path):
    first, second = hub.start(), hub.start("team/other")
    assert hub.call("PATCH", first, os.urandom(QUOTA - 1000)).status == 202
    assert hub.call("PATCH", second, os.urandom(2000)).status == 403
    third = hub.start("team/other")
    hub.__exit__()
    with RunningRegistry(tmp_path, plan=Plan(organisation_bytes=QUOTA)) as again:
        assert again.call("PATCH", third, os.urandom(2000)).status == 403
        assert again.call("DELETE", first).status == 204
        content = os.urandom(2000)
        assert again.push_blob(content, "team/other")
    hub.__init__(tmp_path)
    hub.__enter__()


def test_others_have_their_own_and_blobs_shared_within_count_once(hub):
    content = os.urandom(QUOTA - 2000)
    digest = hub.push_blob(content)
    path = f"/v2/team/other/blobs/uploads/?mount={digest}&from=team/app"
    assert hub.call("POST", path).status == 201
    assert _used(hub) == len(content)
    hub.push_blob(os.urandom(QUOTA - 2000), "crew/app")
    path = f"/v2/crew/other/blobs/uploads/?mount={digest}&from=team/app"
    answer = hub.call("POST", path)
    assert (answer.status, answer.code) == (403, "DENIED")
    assert _used(hub, "crew") == QUOTA - 2000


def test_manifests_count_and_what_is_there_may_be_tagged_again(hub):
    image = hub.image(os.urandom(QUOTA - 3000))
    hub.push_manifest(image, "1")
    padded = {**image, "annotations": {"x": "y" * 3000}}
    answer = hub.call(
        "PUT", "/v2/team/app/manifests/2", json.dumps(padded).encode(), Content_Type=MANIFEST
    )
    assert (answer.status, answer.code) == (403, "DENIED")
    assert hub.call("GET", "/v2/team/app/manifests/2").status == 404
    hub.database.write_now(
        lambda connection: plans.set_quota(
            connection, connection.execute(select(namespaces.c.id)).scalar_one(), 10
        )
    )
    assert hub.push_manifest(image, "again")
    assert hub.call("POST", "/v2/team/app/blobs/uploads/").status == 403, "full: not even begun"


def test_a_namespace_s_own_quota_goes_before_the_plan(hub):
    hub.push_blob(b"first")
    team = hub.database.read_now(
        lambda connection: connection.execute(select(namespaces.c.id)).scalar_one()
    )
    hub.database.write_now(lambda connection: plans.set_quota(connection, team, plans.UNLIMITED))
    hub.push_blob(os.urandom(QUOTA * 2))
    hub.database.write_now(lambda connection: plans.set_quota(connection, team, None))
    content = b"one more"
    path = f"/v2/team/app/blobs/uploads/?digest={digest_of(content)}"
    assert hub.call("POST", path, content).status == 403


def test_what_the_collection_frees_can_be_used_again(hub):
    config = b"{}"
    layer = os.urandom(QUOTA - 2000)
    for blob in (config, layer):
        hub.push_blob(blob)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(config, "application/x"),
        "layers": [descriptor(layer, LAYER)],
    }
    digest = hub.push_manifest(document, "1")
    assert hub.call("DELETE", f"/v2/team/app/manifests/{digest}").status == 202
    other = os.urandom(QUOTA - 2000)
    path = f"/v2/team/app/blobs/uploads/?digest={digest_of(other)}"
    assert hub.call("POST", path, other).status == 403
    far = 10**19 // 2
    hub.collector(lambda: far).collect()
    assert hub.call("POST", path, other).status == 201
