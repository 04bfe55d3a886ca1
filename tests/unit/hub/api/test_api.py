"""The HTTP API as tools of Docker's hub use it."""

import json

import pytest

from sampan.hub.api.routes import ENDPOINTS
from unit.hub.running import INDEX, MANIFEST
from unit.hub.whole import PASSWORD, Tool, basic

REPOSITORY_FIELDS = """
user name namespace repository_type status status_description description is_private is_automated
can_edit star_count pull_count last_updated date_registered collaborator_count affiliation hub_user
has_starred full_description permissions media_types content_types categories
immutable_tags_settings storage_size
"""
TAG_FIELDS = """
creator id images last_updated last_updater last_updater_username name repository full_size v2
tag_status tag_last_pulled tag_last_pushed media_type content_type digest
"""


@pytest.fixture(scope="module")
def alice(harbour):
    return Tool(harbour, "alice")


@pytest.fixture(scope="module")
def eve(harbour):
    return Tool(harbour, "eve")


def test_login_answers_as_docker_s_hub(harbour):
    nobody = Tool(harbour)
    wrong = nobody.call("POST", "/v2/users/login/", username="alice", password="wrong-one")
    assert wrong.status == 401
    assert wrong.json["detail"] == "incorrect username or password"
    right = nobody.call("POST", "/v2/users/login", username="alice", password=PASSWORD).json
    newer = nobody.call("POST", "/v2/auth/token", identifier="alice", secret=PASSWORD).json
    for scheme, token in (("JWT", right["token"]), ("Bearer", newer["access_token"])):
        answer = harbour.call("GET", "/v2/user/", Authorization=f"{scheme} {token}")
        assert answer.json["username"] == "alice"
    assert harbour.call("GET", "/v2/user", Authorization=basic("alice")).status == 200
    assert harbour.call("GET", "/v2/user").status == 401
    assert harbour.call("POST", "/v2/users/login", b"{nonsense").status == 400


def test_a_repository_s_life(harbour, alice, eve):
    made = alice.call(
        "POST",
        "/v2/repositories/",
        namespace="alice",
        name="shelf",
        description="A shelf",
        full_description="# Shelf",
        is_private=True,
    )
    assert made.status == 201
    assert set(made.json) == set(REPOSITORY_FIELDS.split())
    assert made.json["permissions"] == {"read": True, "write": True, "admin": True}
    path = "/v2/repositories/alice/shelf"
    again = alice.call("POST", "/v2/namespaces/alice/repositories", name="shelf")
    assert again.status == 409
    for hidden in (eve, Tool(harbour)):
        for method, tail in (("GET", ""), ("GET", "/tags"), ("HEAD", ""), ("GET", "/tags/v1/")):
            assert hidden.call(method, path + tail).status == 404
    assert eve.call("PATCH", path, description="mine").status == 404
    assert eve.call("DELETE", path).status == 404
    assert Tool(harbour).call("PATCH", path, description="mine").status == 401
    assert alice.call("PATCH", path + "/privacy/", is_private=False).status == 200
    assert eve.call("GET", path).json["description"] == "A shelf"
    assert eve.call("PATCH", path, description="mine").status == 403
    assert eve.call("DELETE", path).status == 403
    changed = alice.call("PATCH", path + "/", full_description="# New").json
    assert (changed["description"], changed["full_description"]) == ("A shelf", "# New")
    assert alice.call("PATCH", path, description="x" * 101).status == 400
    assert eve.call("POST", path + "/stars/").status == 204
    assert alice.call("GET", path).json["star_count"] == 1
    assert eve.call("GET", path).json["has_starred"]
    assert eve.call("DELETE", path + "/stars").status == 204
    assert alice.call("DELETE", path + "/").status == 202
    assert alice.call("GET", path).status == 404


@pytest.mark.parametrize("name", ["", "UPPER", "a b", "-x", "x/", "../x", "a" * 201])
def test_bad_repository_names(alice, name):
    assert alice.call("POST", "/v2/repositories", namespace="alice", name=name).status == 400


def test_whose_namespace(harbour, alice, eve):
    assert eve.call("POST", "/v2/repositories", namespace="alice", name="x").status == 403
    assert eve.call("POST", "/v2/repositories", namespace="ghost", name="x").status == 404
    edith = Tool(harbour, "edith")
    assert edith.call("POST", "/v2/repositories", namespace="yard", name="boat").status == 201
    assert edith.call("DELETE", "/v2/repositories/yard/boat").status == 403, "editors don't delete"
    assert alice.call("DELETE", "/v2/repositories/yard/boat").status == 202


def test_tags(harbour, alice, eve):
    for tag in ("v1", "v2", "latest"):
        digest, _ = harbour.push("alice/tagged", tag, who="alice")
    base = "/v2/repositories/alice/tagged/tags"
    page = eve.call("GET", base + "/?page_size=2").json
    assert page["count"] == 3
    assert [tag["name"] for tag in page["results"]] == ["latest", "v2"]
    assert page["previous"] is None
    tag = page["results"][0]
    assert set(tag) == set(TAG_FIELDS.split())
    assert tag["last_updater_username"] == "alice"
    assert tag["images"][0]["digest"] == tag["digest"] == digest
    assert (tag["images"][0]["architecture"], tag["images"][0]["os"]) == ("arm64", "linux")
    assert tag["full_size"] > 0
    last = eve.call("GET", page["next"].partition(str(harbour.port))[2]).json
    assert [tag["name"] for tag in last["results"]] == ["v1"]
    assert last["next"] is None
    assert eve.call("GET", base + "?page=9").status == 404
    assert eve.call("GET", base + "?page=x").status == 400
    assert eve.call("GET", base + "?ordering=name").json["results"][0]["name"] == "latest"
    assert eve.call("GET", base + "?name=v").json["count"] == 2
    namespaced = "/v2/namespaces/alice/repositories/tagged/tags"
    assert eve.call("HEAD", namespaced + "/v1").status == 200
    assert eve.call("HEAD", namespaced + "/v9").status == 404
    assert eve.call("DELETE", base + "/v1/").status == 403
    assert alice.call("DELETE", base + "/v1/").status == 204
    assert alice.call("DELETE", base + "/v1/").status == 404
    assert eve.call("GET", base).json["count"] == 2


def test_the_platforms_of_an_index(harbour, eve):
    """Attestations that build tools add aren't platforms."""
    header = harbour.token("repository:alice/many:pull,push", who="alice")
    children = [
        harbour.push("alice/many", f"c{n}", who="alice", layer=b"%d" % n)[0] for n in (1, 2)
    ]
    known = [
        {"os": "linux", "architecture": "arm", "variant": "v7"},
        {"os": "unknown", "architecture": "unknown"},
    ]
    index = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [
                {"mediaType": MANIFEST, "digest": digest, "size": 1, "platform": platform}
                for digest, platform in zip(children, known, strict=True)
            ],
        }
    ).encode()
    path = "/v2/alice/many/manifests/all"
    put = harbour.call("PUT", path, index, Authorization=header, Content_Type=INDEX)
    assert put.status == 201, put.body
    tag = eve.call("GET", "/v2/repositories/alice/many/tags/all").json
    assert tag["media_type"] == INDEX
    shown = [(each["digest"], each["architecture"], each["variant"]) for each in tag["images"]]
    assert shown == [(children[0], "arm", "v7")]
    assert tag["full_size"] == tag["images"][0]["size"] > 0
    page = harbour.call("GET", "/r/alice/many/tags/all").body.decode()
    assert "linux/arm/v7" in page
    assert "unknown/unknown" not in page


def test_lists_and_search_hide_what_is_private(harbour, alice, eve):
    alice.call("POST", "/v2/repositories", name="hidden-cove", is_private=True)
    alice.call("POST", "/v2/repositories", name="open-cove", description="Sandy beach")

    def names(tool, path):
        found = tool.call("GET", path).json
        return {row.get("repo_name") or row.get("name") for row in found["results"]}, found

    for path in ("/v2/repositories/alice/", "/v2/namespaces/alice/repositories"):
        assert {"hidden-cove", "open-cove"} <= names(alice, path + "?page_size=100")[0]
        assert "hidden-cove" not in names(eve, path + "?page_size=100")[0]
    assert names(eve, "/v2/search/repositories/?query=cove")[0] == {"alice/open-cove"}
    mine, _ = names(alice, "/v2/search/repositories/?query=cove")
    assert mine == {"alice/open-cove", "alice/hidden-cove"}
    found, answer = names(Tool(harbour), "/v1/search?q=cove&n=5")
    assert found == {"alice/open-cove"}
    assert answer["num_results"] == 1
    row = answer["results"][0]
    assert row["description"] == "Sandy beach"
    assert row["is_official"] is False
    assert names(eve, "/v1/search?q=BEACH")[0] == {"alice/open-cove"}
    assert names(eve, "/v1/search?q=co%25ve")[0] == set(), "% is no wildcard"
    assert eve.call("GET", "/v1/search?q=x&n=0").status == 400


def test_access_tokens(harbour, alice, eve):
    made = alice.call("POST", "/v2/access-tokens", token_label="CI", scopes=["repo:write"])
    assert made.status == 201
    secret, path = made.json["token"], "/v2/access-tokens/" + made.json["uuid"]
    assert alice.call("GET", path).json["token"] == ""
    assert eve.call("GET", path).status == 404
    page = alice.call("GET", "/v2/access-tokens?page_size=100").json
    assert secret not in json.dumps(page)
    assert page["active_count"] >= 1
    by_token = Tool(harbour, "alice", secret)
    assert by_token.call("GET", "/v2/user").status == 200
    assert by_token.call("GET", "/v2/access-tokens").status == 403, "tokens don't make tokens"
    answer = by_token.call("POST", "/v2/access-tokens", token_label="x", scopes=["repo:admin"])
    assert answer.status == 403
    assert by_token.call("PATCH", "/v2/repositories/alice/x", description="").status == 404
    assert alice.call("PATCH", path, is_active=False).json["is_active"] is False
    assert by_token.call("GET", "/v2/user").status == 401, "what it was exchanged for ends, too"
    assert alice.call("DELETE", path).status == 204
    assert alice.call("GET", path).status == 404
    for bad in (
        {"token_label": "", "scopes": ["repo:read"]},
        {"token_label": "x", "scopes": ["root"]},
        {"token_label": "x", "scopes": []},
        {"token_label": "x", "scopes": ["repo:read"], "expires_at": "2001-01-01T00:00:00Z"},
        {"token_label": "x", "scopes": ["repo:read"], "expires_at": "soon"},
    ):
        assert alice.call("POST", "/v2/access-tokens", **bad).status == 400, bad


def test_organisations(harbour, alice, eve):
    owner, member = alice, Tool(harbour, "max")
    assert eve.call("GET", "/v2/orgs/yard").json["orgname"] == "yard"
    assert eve.call("GET", "/v2/orgs/yard/members").status == 404
    assert member.call("GET", "/v2/orgs/yard/members").json["count"] == 3
    roles = member.call("GET", "/v2/orgs/yard/members?search=edi").json["results"]
    assert [(row["username"], row["role"]) for row in roles] == [("edith", "Editor")]
    assert member.call("PUT", "/v2/orgs/yard/members/eve", role="owner").status == 403
    assert owner.call("PUT", "/v2/orgs/yard/members/eve", role="member").status == 200
    assert eve.call("GET", "/v2/user/orgs/").json["results"][0]["orgname"] == "yard"
    assert owner.call("PUT", "/v2/orgs/yard/members/alice", role="member").status == 409
    assert owner.call("DELETE", "/v2/orgs/yard/members/alice").status == 409
    groups = "/v2/orgs/yard/groups"
    assert member.call("POST", groups, name="riggers").status == 403
    assert owner.call("POST", groups, name="riggers", description="ropes").status == 201
    assert owner.call("POST", groups, name="riggers").status == 409
    assert owner.call("POST", groups + "/riggers/members", member="eve").status == 200
    assert owner.call("POST", groups + "/riggers/members", member="bob").status == 404
    people = member.call("GET", groups + "/riggers/members").json["results"]
    assert [row["username"] for row in people] == ["eve"]
    assert owner.call("PATCH", groups + "/riggers", name="sails").json["description"] == "ropes"
    assert owner.call("PUT", groups + "/sails", name="sails").json["description"] == ""
    assert owner.call("DELETE", groups + "/sails/members/eve").status == 204
    assert owner.call("DELETE", groups + "/sails").status == 204
    table = owner.call("GET", "/v2/orgs/yard/members/export")
    assert table.headers["Content-Type"].startswith("text/csv")
    assert "eve" in table.body.decode()
    assert owner.call("DELETE", "/v2/orgs/yard/members/eve").status == 204


def test_what_is_not_built_says_so(alice):
    for method, path in (
        ("GET", "/v2/scim/2.0/Users"),
        ("GET", "/v2/auditlogs/alice"),
        ("PUT", "/v2/orgs/yard/settings"),
        ("POST", "/v2/users/2fa-login"),
        ("POST", "/v2/invites/bulk"),
    ):
        answer = alice.call(method, path)
        assert answer.status == 501, path
        assert "not supported" in answer.json["detail"]


def test_the_registry_and_the_api_share_v2(harbour, alice):
    assert harbour.call("GET", "/v2/").json["errors"][0]["code"] == "UNAUTHORIZED"
    assert "detail" in harbour.call("GET", "/v2/users/nobody").json
    header = harbour.token("repository:alice/users:pull,push", who="alice")
    made = harbour.call("POST", "/v2/alice/users/blobs/uploads/", Authorization=header)
    assert made.status == 202


def test_openapi_describes_every_path(harbour):
    described = harbour.call("GET", "/api/openapi.json").json
    assert described["openapi"].startswith("3.0")
    operations = {
        (method.upper(), path) for path, item in described["paths"].items() for method in item
    }
    served = {(endpoint.method, endpoint.path) for endpoint in harbour.faces._api.endpoints}
    assert operations == served > {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}
    identifiers = [
        operation["operationId"]
        for item in described["paths"].values()
        for operation in item.values()
    ]
    assert len(set(identifiers)) == len(identifiers)
