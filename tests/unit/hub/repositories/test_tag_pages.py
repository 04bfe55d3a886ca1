"""A page of tags: the same few queries and a bounded amount of data, whatever was pushed."""

import json

import pytest
from sqlalchemy import event, insert

from sampan.hub.accounts import users
from sampan.hub.accounts.users import Caller
from sampan.hub.automation.schema import build_sources
from sampan.hub.db.schema import manifests, tags
from sampan.hub.repositories import catalog
from sampan.hub.repositories import tags as pages
from sampan.hub.v2 import repositories
from unit.hub.running import INDEX, MANIFEST
from unit.hub.whole import Tool, WholeHub

INDEX_BYTES = 2 << 20
PAGE = 100


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with WholeHub(tmp_path_factory.mktemp("hub")) as found:
        found.user("alice")
        yield found


def _manifest(repository_id, digest, media_type, payload, **more):
    return {
        "repository_id": repository_id,
        "digest": digest,
        "media_type": media_type,
        "payload": payload,
        "size": len(payload),
        "pushed_ns": 1,
        "touched_ns": 1,
        "os": "",
        "architecture": "",
        **more,
    }


def _fill(connection, indexes):
    """As many tagged indexes, each padded to INDEX_BYTES, with two platforms."""
    repository_id = repositories.ensure(connection, "alice/many", is_private=False)
    rows, named = [], []
    for number in range(indexes):
        children = []
        for arch in ("amd64", "arm64"):
            digest = f"sha256:{arch}{number}"
            children.append({"digest": digest, "platform": {"os": "linux", "architecture": arch}})
            rows.append(_manifest(repository_id, digest, MANIFEST, b"{}", os="linux",
                architecture=arch))  # fmt: skip
        document = {"manifests": children, "annotations": {"pad": "x" * INDEX_BYTES}}
        digest = f"sha256:index{number}"
        rows.append(_manifest(repository_id, digest, INDEX, json.dumps(document).encode()))
        named.append({"repository_id": repository_id, "name": f"t{number:03}", "digest": digest,
            "pushed_ns": 1})  # fmt: skip
    connection.execute(insert(manifests), rows)
    connection.execute(insert(tags), named)
    return repository_id


def test_a_page_of_large_indexes_is_bounded(hub, monkeypatch):
    repository_id = hub.database.write_now(lambda connection: _fill(connection, 30))
    decoded = []
    plain = pages._decode
    monkeypatch.setattr(pages, "_decode", lambda body: decoded.append(len(body)) or plain(body))
    statements = []

    def work(connection):
        event.listen(
            connection, "before_cursor_execute", lambda *words: statements.append(words[2])
        )
        return pages.list_tags(connection, repository_id, ordering="name", limit=PAGE)

    found, count = hub.database.read_now(work)
    assert (len(found), count) == (30, 30)
    assert 0 < sum(decoded) <= pages.PAYLOADS_BYTES
    assert len(statements) <= 5
    assert [each.name for each in found[0].platforms] == ["linux/amd64", "linux/arm64"]
    assert found[-1].platforms == ()
    last = Tool(hub, "alice").call("GET", "/v2/repositories/alice/many/tags/t029").json
    assert [each["architecture"] for each in last["images"]] == ["amd64", "arm64"]


def test_the_api_says_what_is_built_automatically_and_its_size(hub):
    alice = Tool(hub, "alice")
    hub.push("alice/plain", "1", who="alice", layer=b"x" * 1000)
    hub.push("alice/built", "1", who="alice", layer=b"x" * 1000)

    def link(connection):
        connection.execute(
            insert(build_sources).values(
                repository_id=repositories.get_id(connection, "alice/built"),
                url="u",
                trigger_id="t",
                trigger_secret="s",
                arguments="a",
                created_ns=1,
                linked_by="alice",
            )
        )

    hub.database.write_now(link)
    for name, expected in (("built", True), ("plain", False)):
        assert alice.call("GET", f"/v2/repositories/alice/{name}").json["is_automated"] is expected
    searched = alice.call("GET", "/v1/search?q=built").json["results"]
    assert [each["is_automated"] for each in searched] == [True]
    searched = alice.call("GET", "/v2/search/repositories?query=alice").json["results"]
    known = {each["repo_name"]: each["is_automated"] for each in searched}
    assert known["alice/built"]
    assert not known["alice/plain"]
    listed = alice.call("GET", "/v2/repositories/alice").json["results"]
    sizes = {each["name"]: each["storage_size"] for each in listed}
    assert sizes["plain"] == sizes["built"] > 1000
    caller = Caller(hub.database.read_now(lambda c: users.get(c, "alice")))
    found = hub.database.read_now(lambda c: catalog.of_account(c, caller))
    assert hub.database.read_now(lambda c: len(catalog.automated(c, found.repositories))) == 1
