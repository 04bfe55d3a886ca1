"""What a pusher may make others load: sizes, lists of referrers."""

import json

import pytest

from sampan.hub.v2 import manifests
from unit.hub.running import INDEX, LAYER, MANIFEST, RunningRegistry, descriptor, digest_of


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningRegistry(tmp_path_factory.mktemp("hub")) as running:
        yield running


def test_a_size_that_no_database_holds_is_refused(hub):
    part = {**descriptor(b"layer", LAYER), "size": 1 << 70, "urls": ["https://h.example/x"]}
    document = {**hub.image(), "layers": [part]}
    answer = hub.call(
        "PUT", "/v2/team/app/manifests/big", json.dumps(document).encode(), Content_Type=MANIFEST
    )
    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")


@pytest.mark.parametrize(("name", "most"), [("REFERRERS_MOST", 2), ("REFERRERS_BYTES", 1700)])
def test_referrers_come_by_pages(hub, monkeypatch, name, most):
    monkeypatch.setattr(manifests, name, most)
    subject = digest_of(name.encode())
    pushed = {
        hub.push_image(
            subject={"mediaType": INDEX, "digest": subject, "size": 1},
            artifactType="application/x.test",
            annotations={"number": f"{name} {number}"},
        )
        for number in range(5)
    }
    path, seen, pages = f"/v2/team/app/referrers/{subject}?artifactType=application/x.test", [], 0
    while path:
        answer = hub.call("GET", path)
        assert answer.headers["OCI-Filters-Applied"] == "artifactType"
        seen += [each["digest"] for each in answer.json["manifests"]]
        pages += 1
        following = answer.headers.get("Link")
        path = following.partition("<")[2].partition(">")[0] if following else ""
    assert (seen, pages) == (sorted(pushed), 3)
