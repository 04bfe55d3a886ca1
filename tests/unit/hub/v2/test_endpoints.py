"""The distribution API as a client sees it, endpoint by endpoint."""

import hashlib
import json

import pytest
from sqlalchemy import select

from sampan.errors import Denied
from sampan.hub.db.schema import push_events, repositories, uploads
from sampan.hub.v2.access import AllowAll, Challenged, Identity
from unit.hub.running import INDEX, MANIFEST, RunningRegistry, descriptor, digest_of

BLOB = bytes(range(256)) * 100


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningRegistry(tmp_path_factory.mktemp("hub")) as running:
        yield running


def ns(request) -> str:
    """A repository of the test's own."""
    return f"t/{abs(hash(request.node.name))}"


@pytest.fixture
def name(request):
    return ns(request)


def test_base_speaks_the_protocol(hub):
    for path in ("/v2/", "/v2"):
        answer = hub.call("GET", path)
        assert answer.status == 200
        assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


ERRORS = [
    ("GET", "/v2/{name}/tags/list", 404, "NAME_UNKNOWN"),
    ("GET", "/v2/{name}/manifests/none", 404, "MANIFEST_UNKNOWN"),
    ("GET", "/v2/{name}/manifests/-bad", 400, "TAG_INVALID"),
    ("GET", "/v2/{name}/manifests/sha256:12", 400, "DIGEST_INVALID"),
    ("GET", "/v2/{name}/manifests/md5:0123", 400, "DIGEST_INVALID"),
    ("GET", "/v2/{name}/blobs/sha256:" + 64 * "0", 404, "BLOB_UNKNOWN"),
    ("GET", "/v2/{name}/blobs/sha256:" + 64 * "G", 400, "DIGEST_INVALID"),
    ("DELETE", "/v2/{name}/blobs/sha256:" + 64 * "0", 404, "NAME_UNKNOWN"),
    ("GET", "/v2/{name}/blobs/uploads/none", 404, "BLOB_UPLOAD_UNKNOWN"),
    ("PATCH", "/v2/{name}/blobs/uploads/none", 404, "BLOB_UPLOAD_UNKNOWN"),
    ("PUT", "/v2/{name}/blobs/uploads/none", 404, "BLOB_UPLOAD_UNKNOWN"),
    ("DELETE", "/v2/{name}/blobs/uploads/none", 404, "BLOB_UPLOAD_UNKNOWN"),
    ("GET", "/v2/{name}/referrers/nonsense", 400, "DIGEST_INVALID"),
    ("POST", "/v2/{name}/blobs/uploads/?digest=sha256:1", 400, "DIGEST_INVALID"),
    ("POST", "/v2/{name}/blobs/uploads/?digest-algorithm=md5", 400, "DIGEST_INVALID"),
    ("POST", "/v2/Upper/blobs/uploads/", 400, "NAME_INVALID"),
    ("POST", "/v2/a//b/blobs/uploads/", 400, "NAME_INVALID"),
    ("POST", "/v2/" + "a/" * 128 + "a/blobs/uploads/", 400, "NAME_INVALID"),
    ("GET", "/v2/_catalog?n=x", 400, "PAGINATION_NUMBER_INVALID"),
    ("GET", "/v2/_catalog?n=-1", 400, "PAGINATION_NUMBER_INVALID"),
    ("POST", "/v2/{name}/tags/list", 405, "UNSUPPORTED"),
    ("PUT", "/v2/", 405, "UNSUPPORTED"),
    ("GET", "/v2/{name}/nothing/here", 404, "UNSUPPORTED"),
]


@pytest.mark.parametrize(("method", "path", "status", "code"), ERRORS)
def test_failures_have_the_protocol_s_codes(hub, method, path, status, code):
    answer = hub.call(method, path.format(name="never/made"))
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["Content-Type"].startswith("application/json")


def test_names_of_the_hub_s_own_api_are_no_repositories(hub):
    assert hub.call("POST", "/v2/users/x/blobs/uploads/").status == 404


def test_blob_in_one_request(hub, name):
    digest = hub.push_blob(BLOB, name)
    head = hub.call("HEAD", f"/v2/{name}/blobs/{digest}")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", "25600")
    got = hub.call("GET", f"/v2/{name}/blobs/{digest}")
    assert got.body == BLOB
    assert got.headers["Docker-Content-Digest"] == digest
    assert got.headers["Content-Type"] == "application/octet-stream"


def test_post_then_put(hub, name):
    location = hub.start(name)
    answer = hub.call("PUT", f"{location}?digest={digest_of(BLOB)}", BLOB)
    assert answer.status == 201
    assert answer.headers["Location"] == f"/v2/{name}/blobs/{digest_of(BLOB)}"
    assert hub.call("GET", answer.headers["Location"]).body == BLOB
    assert hub.call("GET", location).code == "BLOB_UPLOAD_UNKNOWN"


def test_one_patch_without_range_as_docker_sends_it(hub, name):
    location = hub.start(name)
    answer = hub.call("PATCH", location, iter([BLOB[:1000], BLOB[1000:]]))
    assert (answer.status, answer.headers["Range"]) == (202, f"0-{len(BLOB) - 1}")
    assert hub.call("PUT", f"{location}?digest={digest_of(BLOB)}").status == 201


def test_chunks_in_order(hub, name):
    location = hub.start(name)
    first = hub.call("PATCH", location, BLOB[:1000], Content_Range="0-999")
    assert (first.status, first.headers["Range"]) == (202, "0-999")
    ahead = hub.call("PATCH", location, BLOB[2000:3000], Content_Range="2000-2999")
    assert (ahead.status, ahead.code, ahead.headers["Range"]) == (416, "RANGE_INVALID", "0-999")
    again = hub.call("PATCH", location, BLOB[:1000], Content_Range="0-999")
    assert again.status == 416
    short = hub.call("PATCH", location, BLOB[1000:1500], Content_Range="1000-1999")
    assert (short.status, short.code) == (400, "SIZE_INVALID")
    assert hub.call("GET", location).headers["Range"] == "0-999"
    last = hub.call(
        "PUT",
        f"{location}?digest={digest_of(BLOB)}",
        BLOB[1000:],
        Content_Range=f"1000-{len(BLOB) - 1}",
    )
    assert last.status == 201
    assert hub.call("GET", last.headers["Location"]).body == BLOB


def test_wrong_digest_ends_the_upload(hub, name):
    location = hub.start(name)
    answer = hub.call("PUT", f"{location}?digest={digest_of(b'other')}", BLOB)
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert hub.call("GET", location).status == 404
    assert hub.call("HEAD", f"/v2/{name}/blobs/{digest_of(b'other')}").status == 404
    whole = hub.call("POST", f"/v2/{name}/blobs/uploads/?digest={digest_of(b'other')}", BLOB)
    assert (whole.status, whole.code) == (400, "DIGEST_INVALID")
    assert list(hub.staging.iterdir()) == []


def test_put_needs_a_digest_and_the_upload_s_own_repository(hub, name):
    location = hub.start(name)
    assert hub.call("PUT", location, b"x").code == "DIGEST_INVALID"
    hub.start(f"{name}/other")
    foreign = location.replace(name, f"{name}/other")
    assert hub.call("PATCH", foreign, b"x").code == "BLOB_UPLOAD_UNKNOWN"
    assert hub.call("DELETE", location).status == 204
    assert hub.call("DELETE", location).status == 404


def test_empty_blob(hub, name):
    location = hub.start(name)
    assert hub.call("GET", location).headers["Range"] == "0-0"
    assert hub.call("PUT", f"{location}?digest={digest_of(b'')}").status == 201
    assert hub.call("GET", f"/v2/{name}/blobs/{digest_of(b'')}").body == b""


def test_sha512(hub, name):
    digest = "sha512:" + hashlib.sha512(BLOB).hexdigest()
    location = hub.call("POST", f"/v2/{name}/blobs/uploads/?digest-algorithm=sha512")
    assert hub.call("PUT", f"{location.headers['Location']}?digest={digest}", BLOB).status == 201
    assert hub.call("GET", f"/v2/{name}/blobs/{digest}").body == BLOB


RANGES = [
    ("bytes=0-9", 206, BLOB[:10], "bytes 0-9/25600"),
    ("bytes=25590-", 206, BLOB[25590:], "bytes 25590-25599/25600"),
    ("bytes=25590-99999", 206, BLOB[25590:], "bytes 25590-25599/25600"),
    ("bytes=-5", 206, BLOB[-5:], "bytes 25595-25599/25600"),
    ("bytes=-99999", 206, BLOB, "bytes 0-25599/25600"),
    ("bytes=25600-", 416, None, "bytes */25600"),
    ("bytes=-0", 416, None, "bytes */25600"),
    ("bytes=9-2", 200, BLOB, None),
    ("bytes=0-1,5-6", 200, BLOB, None),
    ("lines=1-2", 200, BLOB, None),
]


@pytest.mark.parametrize(("header", "status", "body", "content_range"), RANGES)
def test_ranges(hub, header, status, body, content_range):
    digest = hub.push_blob(BLOB, "t/ranges")
    answer = hub.call("GET", f"/v2/t/ranges/blobs/{digest}", Range=header)
    assert answer.status == status
    assert answer.headers["Content-Range"] == content_range
    if body is not None:
        assert answer.body == body
    else:
        assert answer.code == "RANGE_INVALID"


def test_conditional_requests(hub, name):
    digest = hub.push_blob(BLOB, name)
    path = f"/v2/{name}/blobs/{digest}"
    tag = hub.call("GET", path).headers["ETag"]
    assert hub.call("GET", path, If_None_Match=tag).status == 304
    assert hub.call("GET", path, If_None_Match='"other"').status == 200
    assert hub.call("GET", path, If_Range='"other"', Range="bytes=0-1").status == 200
    assert hub.call("GET", path, If_Range=tag, Range="bytes=0-1").status == 206
    manifest = hub.push_image("1", name=name)
    path = f"/v2/{name}/manifests/1"
    assert hub.call("GET", path, If_None_Match=f'"{manifest}"').status == 304


def test_mount(hub, name):
    digest = hub.push_blob(b"to be mounted " + name.encode(), name)
    target = f"{name}/target"
    answer = hub.call("POST", f"/v2/{target}/blobs/uploads/?mount={digest}&from={name}")
    assert (answer.status, answer.headers["Location"]) == (201, f"/v2/{target}/blobs/{digest}")
    assert hub.call("HEAD", f"/v2/{target}/blobs/{digest}").status == 200
    for source in (f"{name}/elsewhere", "Not-A-Name"):
        path = f"/v2/{target}2/blobs/uploads/?mount={digest}&from={source}"
        other = hub.call("POST", path)
        assert other.status == 202
        assert other.headers["Location"].startswith(f"/v2/{target}2/blobs/uploads/")
    assert hub.call("HEAD", f"/v2/{target}2/blobs/{digest}").status == 404


def test_a_blob_is_only_read_in_its_repositories(hub, name):
    digest = hub.push_blob(b"secret " + name.encode(), name)
    hub.start(f"{name}/other")
    assert hub.call("GET", f"/v2/{name}/other/blobs/{digest}").code == "BLOB_UNKNOWN"


def test_manifest_comes_back_byte_for_byte(hub, name):
    document = hub.image(name=name)
    payload = json.dumps(document, indent=3).encode()
    put = hub.call("PUT", f"/v2/{name}/manifests/v1", payload, Content_Type=MANIFEST)
    digest = digest_of(payload)
    assert put.headers["Location"] == f"/v2/{name}/manifests/{digest}"
    for reference in ("v1", digest):
        got = hub.call("GET", f"/v2/{name}/manifests/{reference}")
        assert (got.status, got.body) == (200, payload)
        assert got.headers["Content-Type"] == MANIFEST
        assert got.headers["Docker-Content-Digest"] == digest
        head = hub.call("HEAD", f"/v2/{name}/manifests/{reference}")
        assert (head.body, head.headers["Content-Length"]) == (b"", str(len(payload)))


def test_manifest_with_missing_parts(hub, name):
    document = hub.image(name=name)
    document["layers"].append(descriptor(b"absent", "x"))
    document["layers"].append(descriptor(b"foreign", "x") | {"urls": ["https://example.com/x"]})
    payload = json.dumps(document).encode()
    answer = hub.call("PUT", f"/v2/{name}/manifests/v1", payload, Content_Type=MANIFEST)
    assert answer.status == 400
    entries = [(entry["code"], entry["detail"]["digest"]) for entry in answer.json["errors"]]
    assert entries == [("MANIFEST_BLOB_UNKNOWN", digest_of(b"absent"))]
    assert hub.call("GET", f"/v2/{name}/tags/list").json["tags"] == []


INVALID = [
    ({}, MANIFEST),
    ({"schemaVersion": 1, "fsLayers": []}, "application/vnd.docker.distribution.manifest.v1+json"),
    ({"schemaVersion": 2, "manifests": []}, MANIFEST),
    ({"schemaVersion": 2, "manifests": [], "layers": [{}]}, INDEX),
    ({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}, MANIFEST),
    ({"schemaVersion": 2, "manifests": []}, "text/plain"),
    ({"schemaVersion": 2, "manifests": [{"digest": "sha256:../../x", "size": 1}]}, INDEX),
    ({"schemaVersion": 2, "manifests": [{"digest": digest_of(b""), "size": -1}]}, INDEX),
]


@pytest.mark.parametrize(("document", "content_type"), INVALID)
def test_invalid_manifests(hub, document, content_type):
    path = "/v2/t/invalid/manifests/1"
    answer = hub.call("PUT", path, json.dumps(document).encode(), Content_Type=content_type)
    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")


def test_manifest_by_digest_must_match_and_may_be_tagged(hub, name):
    document = hub.image(name=name)
    payload = json.dumps(document).encode()
    wrong = hub.call(
        "PUT", f"/v2/{name}/manifests/{digest_of(b'')}", payload, Content_Type=MANIFEST
    )
    assert (wrong.status, wrong.code) == (400, "DIGEST_INVALID")
    path = f"/v2/{name}/manifests/{digest_of(payload)}?tag=a&tag=b"
    answer = hub.call("PUT", path, payload, Content_Type=MANIFEST)
    assert answer.headers.get_all("OCI-Tag") == ["a", "b"]
    assert hub.call("GET", f"/v2/{name}/tags/list").json == {"name": name, "tags": ["a", "b"]}


def test_manifests_have_a_greatest_size(hub):
    answer = hub.call("PUT", "/v2/t/big/manifests/1", b" " * ((4 << 20) + 1))
    assert (answer.status, answer.code) == (413, "SIZE_INVALID")


def test_index_needs_its_children(hub, name):
    child = hub.image(name=name)
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [descriptor(json.dumps(child).encode(), MANIFEST)],
    }
    payload = json.dumps(index).encode()
    early = hub.call("PUT", f"/v2/{name}/manifests/multi", payload, Content_Type=INDEX)
    assert early.code == "MANIFEST_BLOB_UNKNOWN"
    hub.push_manifest(child, name=name)
    hub.push_manifest(index, "multi", name)
    assert hub.call("GET", f"/v2/{name}/manifests/multi").headers["Content-Type"] == INDEX


def test_deleting_tags_and_manifests(hub, name):
    digest = hub.push_image("a", name=name)
    hub.push_image("b", name=name)
    layer = f"/v2/{name}/blobs/{digest_of(b'layer')}"
    assert hub.call("DELETE", layer).status == 405
    assert hub.call("DELETE", f"/v2/{name}/manifests/a").status == 202
    assert hub.call("GET", f"/v2/{name}/manifests/a").status == 404
    assert hub.call("GET", f"/v2/{name}/manifests/{digest}").status == 200
    assert hub.call("DELETE", f"/v2/{name}/manifests/{digest}").status == 202
    assert hub.call("GET", f"/v2/{name}/tags/list").json["tags"] == []
    assert hub.call("DELETE", f"/v2/{name}/manifests/{digest}").code == "MANIFEST_UNKNOWN"
    assert hub.call("DELETE", layer).status == 202
    assert hub.call("GET", layer).status == 404


def test_referrers(hub, name):
    subject = hub.push_image("1", name=name)
    about = {"mediaType": MANIFEST, "digest": subject, "size": 1}
    path = f"/v2/{name}/referrers/{subject}"
    assert hub.call("GET", path).json["manifests"] == []
    signature = hub.image(name=name, subject=about, artifactType="a/signature")
    listing = hub.image(name=name, subject=about, annotations={"k": "v"})
    payload = json.dumps(signature).encode()
    put = hub.call(
        "PUT", f"/v2/{name}/manifests/{digest_of(payload)}", payload, Content_Type=MANIFEST
    )
    assert put.headers["OCI-Subject"] == subject
    hub.push_manifest(listing, name=name)
    answer = hub.call("GET", path)
    assert answer.headers["Content-Type"] == INDEX
    found = {each["artifactType"]: each for each in answer.json["manifests"]}
    assert set(found) == {"a/signature", "application/vnd.oci.image.config.v1+json"}
    assert found["a/signature"]["digest"] == digest_of(payload)
    assert found["application/vnd.oci.image.config.v1+json"]["annotations"] == {"k": "v"}
    filtered = hub.call("GET", f"{path}?artifactType=a/signature")
    assert [each["artifactType"] for each in filtered.json["manifests"]] == ["a/signature"]
    assert filtered.headers["OCI-Filters-Applied"] == "artifactType"


def test_tags_by_pages(hub, name):
    for tag in ("c", "a", "B", "b-1", "b"):
        hub.push_image(tag, name=name)
    path = f"/v2/{name}/tags/list"
    assert hub.call("GET", path).json["tags"] == ["B", "a", "b", "b-1", "c"]
    found, link = [], f"{path}?n=2"
    while link:
        answer = hub.call("GET", link)
        found.append(answer.json["tags"])
        link = (answer.headers["Link"] or "").partition(">")[0].removeprefix("<")
    assert found == [["B", "a"], ["b", "b-1"], ["c"]]
    assert hub.call("GET", f"{path}?n=0").json["tags"] == []
    assert hub.call("GET", f"{path}?last=b").json["tags"] == ["b-1", "c"]
    assert hub.call("GET", f"{path}?n=2&last=b").headers["Link"] is None


def test_name_without_a_namespace(hub):
    digest = hub.push_image("1", name="alone")
    assert hub.call("GET", "/v2/alone/tags/list").json == {"name": "alone", "tags": ["1"]}
    assert hub.call("GET", f"/v2/library/alone/manifests/{digest}").status == 200


def test_push_events_and_pull_counts(hub, name):
    import asyncio

    digest = hub.push_image("v1", name=name)
    hub.push_image("v1", name=name)

    def events(connection):
        query = select(push_events.c.tag, push_events.c.digest).join(repositories)
        return connection.execute(query.where(repositories.c.name == name[2:])).all()

    assert hub.database.read_now(events) == [("v1", digest), ("v1", digest)]
    hub.call("GET", f"/v2/{name}/manifests/v1")
    hub.call("HEAD", f"/v2/{name}/manifests/v1")
    hub.call("GET", f"/v2/{name}/manifests/{digest}")
    asyncio.run_coroutine_threadsafe(hub.pulls.flush(), hub._loop).result(10)
    count = select(repositories.c.pull_count).where(repositories.c.name == name[2:])
    assert hub.database.read_now(lambda c: c.execute(count).scalar_one()) == 2


class _Members(AllowAll):
    """Nobody may read `secret/`, and only pushes of `me` to `mine/` are allowed."""

    async def authenticate(self, request):
        raise Challenged('Basic realm="hub"')

    async def require(self, request, repository, action):
        if repository.startswith("secret/"):
            raise Challenged('Basic realm="hub"')
        if action != "pull" and not repository.startswith("mine/"):
            raise Denied("requested access to the resource is denied")
        return Identity("me")

    async def may_list(self, request, repositories):
        return frozenset(each for each in repositories if not each.startswith("secret/"))


def test_access_is_asked_first_and_decides(tmp_path):
    with RunningRegistry(tmp_path) as open_hub:
        digest = open_hub.push_blob(b"x", "secret/a")
        for repository in ("secret/a", "secret/b", "mine/a", "mine/b", "mine/c"):
            open_hub.push_image("1", name=repository)
    with RunningRegistry(tmp_path, access=_Members()) as hub:
        base = hub.call("GET", "/v2/")
        assert (base.status, base.code) == (401, "UNAUTHORIZED")
        assert base.headers["WWW-Authenticate"] == 'Basic realm="hub"'
        for path in (f"blobs/{digest}", "manifests/1", "tags/list", f"referrers/{digest}"):
            for repository in ("secret/a", "secret/none"):
                assert hub.call("GET", f"/v2/{repository}/{path}").status == 401
        denied = hub.call("POST", "/v2/theirs/a/blobs/uploads/")
        assert (denied.status, denied.code) == (403, "DENIED")
        path = f"/v2/mine/a/blobs/uploads/?mount={digest}&from=secret/a"
        assert hub.call("POST", path).status == 202
        listed = hub.call("GET", "/v2/_catalog?n=2")
        assert listed.json == {"repositories": ["mine/a", "mine/b"]}
        assert listed.headers["Link"] == '</v2/_catalog?n=2&last=mine%2Fb>; rel="next"'
        rest = hub.call("GET", "/v2/_catalog?n=2&last=mine/b")
        assert (rest.json, rest.headers["Link"]) == ({"repositories": ["mine/c"]}, None)


def test_uploads_go_on_after_a_restart(tmp_path):
    with RunningRegistry(tmp_path) as hub:
        location = hub.start()
        hub.call("PATCH", location, BLOB[:7000])
    with RunningRegistry(tmp_path) as hub:
        assert hub.call("GET", location).headers["Range"] == "0-6999"
        answer = hub.call("PATCH", location, BLOB[7000:], Content_Range=f"7000-{len(BLOB) - 1}")
        assert answer.status == 202
        assert hub.call("PUT", f"{location}?digest={digest_of(BLOB)}").status == 201
        assert hub.call("GET", f"/v2/team/app/blobs/{digest_of(BLOB)}").body == BLOB
        rows = hub.database.read_now(lambda c: c.execute(select(uploads)).all())
        assert rows == []


def test_abandoned_sessions_are_forgotten_but_not_lost(tmp_path, monkeypatch):
    monkeypatch.setattr("sampan.hub.v2.uploads.REMEMBERED", 10)
    with RunningRegistry(tmp_path) as hub:
        first = hub.start()
        hub.call("PATCH", first, BLOB)
        for _ in range(15):
            hub.start()
        assert len(hub.uploads._sessions) <= 10
        assert hub.call("PUT", f"{first}?digest={digest_of(BLOB)}").status == 201
