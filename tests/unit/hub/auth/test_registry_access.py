"""Docker's token flow end to end: what each caller's token opens, and what it never does."""

import itertools

import jwt
import pytest

from sampan.hub.accounts import access_tokens, teams, users
from sampan.hub.accounts.organisations import get as get_organisation
from sampan.hub.accounts.permissions import Right, Role, Scope, decide
from sampan.hub.accounts.standing import find_repository, standing, visible_paths
from sampan.hub.accounts.users import NOBODY, Caller
from unit.hub.whole import basic

LAYER = b"a layer that only this repository has"


@pytest.fixture(scope="module")
def port(harbour):
    """alice/secret and yard/secret are private, alice/open is public; bob reads, max pushes."""
    hub = harbour
    found = {}
    for name in ("alice/secret", "alice/open", "yard/secret"):
        found[name] = hub.push(name, "v1", who="alice", layer=LAYER + name.encode())

    def share(connection):
        from sqlalchemy import update

        from sampan.hub.db.schema import repositories

        for namespace in ("alice", "yard"):
            repository = find_repository(connection, namespace, "secret")
            connection.execute(
                update(repositories)
                .where(repositories.c.id == repository.id)
                .values(is_private=True)
            )
            bob = users.get(connection, "bob")
            teams.set_collaborator(connection, repository.id, bob, Role.READ)
        crew = teams.get(connection, get_organisation(connection, "yard"), "crew")
        teams.set_team_role(connection, repository.id, crew, Role.WRITE)

    hub.database.write_now(share)
    hub.images = found
    return hub


def paths(port, name):
    manifest, layer = port.images[name]
    return {
        ("GET", f"/v2/{name}/manifests/v1"): "pull",
        ("HEAD", f"/v2/{name}/manifests/{manifest}"): "pull",
        ("GET", f"/v2/{name}/blobs/{layer}"): "pull",
        ("HEAD", f"/v2/{name}/blobs/{layer}"): "pull",
        ("GET", f"/v2/{name}/tags/list"): "pull",
        ("GET", f"/v2/{name}/referrers/{manifest}"): "pull",
        ("POST", f"/v2/{name}/blobs/uploads/"): "push",
        ("DELETE", f"/v2/{name}/manifests/unknown"): "delete",
    }


def reading_paths(port):
    """Every way to a private repository's content: by digest, referrers, catalog, mount."""
    _, layer = port.images["alice/secret"]
    yield from paths(port, "alice/secret")
    yield "GET", "/v2/_catalog"
    yield "POST", f"/v2/eve/mine/blobs/uploads/?mount={layer}&from=alice/secret"


# who -> what they may in (alice/secret, alice/open, yard/secret)
EVERYTHING = {"pull", "push", "delete"}
MAY = {
    "": (set(), {"pull"}, set()),
    "eve": (set(), {"pull"}, set()),
    "bob": ({"pull"}, {"pull"}, {"pull"}),
    "max": (set(), {"pull"}, {"pull", "push"}),
    "edith": (set(), {"pull"}, EVERYTHING),
    "alice": (EVERYTHING, EVERYTHING, EVERYTHING),
    "root-admin": (EVERYTHING, EVERYTHING, EVERYTHING),
}
NAMES = ("alice/secret", "alice/open", "yard/secret")


@pytest.mark.parametrize("who", MAY)
@pytest.mark.parametrize("position", range(3))
def test_every_method_for_everybody(port, who, position):
    """Method x scope: with a token of all scopes asked for, and one of pull alone."""
    name, allowed = NAMES[position], MAY[who][position]
    wide = port.token(f"repository:{name}:pull,push,delete", who=who)
    narrow = port.token(f"repository:{name}:pull", who=who)
    for (method, path), action in paths(port, name).items():
        answer = port.call(method, path, Authorization=wide)
        assert (answer.status == 401) == (action not in allowed), (who, method, path, answer)
        answer = port.call(method, path, Authorization=narrow)
        opens = action == "pull" and "pull" in allowed
        assert (answer.status == 401) == (not opens), (who, method, path, answer)


@pytest.mark.parametrize("who", MAY)
@pytest.mark.parametrize("position", range(3))
def test_basic_credentials_decide_the_same(port, who, position):
    name, allowed = NAMES[position], MAY[who][position]
    headers = {"Authorization": basic(who)} if who else {}
    for (method, path), action in paths(port, name).items():
        answer = port.call(method, path, **headers)
        if not who:
            assert answer.status == 401  # the challenge; a public pull begins with a token
        elif action in allowed:
            assert answer.status not in {401, 403}, (method, path)
        else:
            assert answer.status == (403 if "pull" in allowed else 404), (method, path)


def test_what_is_hidden_looks_like_what_is_not_there(port):
    """The same status, headers but for the name, and body."""
    for who, (method, tail) in itertools.product(
        ("", "eve"),
        [
            ("GET", "manifests/v1"),
            ("GET", "tags/list"),
            ("POST", "blobs/uploads/"),
            ("GET", f"blobs/{port.images['alice/secret'][1]}"),
            ("DELETE", "manifests/v1"),
        ],
    ):
        for scheme in ("bearer", "basic"):
            seen = []
            for name in ("alice/secret", "alice/absent"):
                header = (
                    port.token(f"repository:{name}:pull,push,delete", who=who)
                    if scheme == "bearer"
                    else (basic(who) if who else None)
                )
                headers = {"Authorization": header} if header else {}
                answer = port.call(method, f"/v2/{name}/{tail}", **headers)
                told = str(sorted(answer.headers.items())) + answer.body.decode()
                seen.append((answer.status, told.replace("absent", "secret")))
            dateless = [
                (status, told[: told.find("('Date'")] + told[told.find("GMT") :])
                for status, told in seen
            ]
            assert dateless[0] == dateless[1]


def test_a_blob_of_a_private_repository_is_in_no_other(port):
    """By digest through a repository that one may read, and by mounting it into one's own."""
    _, layer = port.images["alice/secret"]
    header = port.token("repository:alice/open:pull", who="eve")
    assert port.call("GET", f"/v2/alice/open/blobs/{layer}", Authorization=header).status == 404
    scope = "repository:eve/mine:pull,push repository:alice/secret:pull"
    header = port.token(scope, who="eve")
    for source in ("&from=alice/secret", ""):
        answer = port.call(
            "POST",
            f"/v2/eve/mine/blobs/uploads/?mount={layer}{source}",
            Authorization=header,
        )
        assert answer.status == 202, "mounted somebody else's blob"
    assert port.call("GET", f"/v2/eve/mine/blobs/{layer}", Authorization=header).status == 404
    mine = port.token("repository:alice/copy:pull,push repository:alice/secret:pull", who="alice")
    answer = port.call(
        "POST",
        f"/v2/alice/copy/blobs/uploads/?mount={layer}&from=alice/secret",
        Authorization=mine,
    )
    assert answer.status == 201


def test_the_catalog_shows_what_one_may_see(port):
    def listed(who):
        header = port.token("registry:catalog:*", who=who)
        return set(
            port.call("GET", "/v2/_catalog?n=100", Authorization=header).json["repositories"]
        )

    assert listed("alice") >= {"alice/secret", "yard/secret", "alice/open"}
    assert not listed("eve") & {"alice/secret", "yard/secret"}
    assert listed("max") & {"alice/secret", "yard/secret"} == {"yard/secret"}
    for header in ({}, {"Authorization": port.token("registry:catalog:*")}):
        assert port.call("GET", "/v2/_catalog", **header).status == 401
    other = port.token("repository:alice/open:pull", who="alice")
    assert port.call("GET", "/v2/_catalog", Authorization=other).status == 401


def test_lists_and_decisions_agree(port):
    def check(connection):
        every = ["alice/secret", "alice/open", "yard/secret"]
        for who, scope in itertools.product(MAY, [None, *Scope]):
            account = users.find(connection, who) if who else None
            caller = Caller(account, scope) if account else NOBODY
            one_by_one = {
                path
                for path in every
                if decide(standing(connection, caller, *path.split("/"))[1], Right.PULL).allowed
            }
            assert visible_paths(connection, caller, every) == one_by_one, (who, scope)

    port.database.read_now(check)


@pytest.mark.parametrize("scope", list(Scope))
def test_an_access_token_opens_no_more_than_its_scope(port, scope):
    def make(connection):
        alice = users.get(connection, "alice")
        return access_tokens.create(connection, alice.id, label="t", scope=scope)[1]

    secret = port.database.write_now(make)
    reach = {
        Scope.PUBLIC_READ: (set(), {"pull"}),
        Scope.READ: ({"pull"}, {"pull"}),
        Scope.WRITE: ({"pull", "push"}, {"pull", "push"}),
        Scope.ADMIN: (EVERYTHING, EVERYTHING),
    }[scope]
    for name, allowed in zip(("alice/secret", "alice/open"), reach, strict=True):
        header = port.token(f"repository:{name}:pull,push,delete", who="alice", secret=secret)
        for (method, path), action in paths(port, name).items():
            answer = port.call(method, path, Authorization=header)
            assert (answer.status == 401) == (action not in allowed), (scope, method, path)
    header = port.token("registry:catalog:*", who="alice", secret=secret)
    listed = port.call("GET", "/v2/_catalog?n=100", Authorization=header).json["repositories"]
    assert ("alice/secret" in listed) == (scope is not Scope.PUBLIC_READ)


def _revoked(port, change):
    """An access token, then `change(connection, account, token)`."""

    def make(connection):
        bob = users.get(connection, "bob")
        return access_tokens.create(connection, bob.id, label="t", scope=Scope.READ)

    token, secret = port.database.write_now(make)

    def work(connection):
        change(connection, users.get(connection, "bob"), token)

    port.database.write_now(work)
    return secret


@pytest.mark.parametrize("way", ["switched off", "removed", "expired", "somebody else's name"])
def test_a_dead_access_token_opens_nothing(port, way):
    def change(connection, bob, token):
        from sqlalchemy import update

        from sampan.hub.accounts.schema import access_tokens as table

        if way == "switched off":
            access_tokens.edit(connection, bob.id, token.id, is_active=False)
        elif way == "removed":
            access_tokens.remove(connection, bob.id, token.id)
        elif way == "expired":
            connection.execute(update(table).where(table.c.id == token.id).values(expires_ns=1))

    secret = _revoked(port, change)
    name = "alice" if way == "somebody else's name" else "bob"
    assert port.call("GET", "/token", Authorization=basic(name, secret)).status == 401


def test_wrong_credentials_never_become_anonymous(port):
    for header in (
        basic("alice", "wrong-one"),
        basic("nobody"),
        "Basic !!",
        "Basic YWxpY2U=",
        "X y",
    ):
        assert port.call("GET", "/token", Authorization=header).status == 401
        assert port.call("GET", "/v2/", Authorization=header).status == 401
        path = "/v2/alice/open/manifests/v1"
        assert port.call("GET", path, Authorization=header).status == 401


def test_foreign_and_broken_tokens(port, tmp_path):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from sampan.hub.accounts.scopes import Grant
    from sampan.hub.accounts.signing import Signer

    grant = Grant("repository", "alice/secret", ("pull",))
    signer = port.services.signer
    foreign = Signer(Ed25519PrivateKey.generate())
    late = Signer(signer._key, clock=lambda: 1_000_000)
    account = port.database.read_now(lambda connection: users.get(connection, "alice"))
    good = signer.registry_token("alice", "sampan-hub", [grant])
    head, body, signature = good.split(".")
    tokens = [
        foreign.registry_token("alice", "sampan-hub", [grant]),
        late.registry_token("alice", "sampan-hub", [grant]),
        signer.registry_token("alice", "another-service", [grant]),
        signer.api_token("alice", scope=None, stamp=f"{account.stamp}:"),
        signer.refresh_token("alice", scope=None, stamp=f"{account.stamp}:"),
        jwt.encode({"sub": "alice"}, "k" * 32, algorithm="HS256", headers={"kid": signer.key_id}),
        f"{head}.{body}.",
        f"{head}.{body}.{signature[::-1]}",
        "",
    ]
    path = "/v2/alice/secret/manifests/v1"
    assert port.call("GET", path, Authorization=f"Bearer {good}").status == 200
    for token in tokens:
        answer = port.call("GET", path, Authorization=f"Bearer {token}")
        assert answer.status == 401, token
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
        assert port.call("GET", "/v2/", Authorization=f"Bearer {token}").status == 401
        for method, reading in reading_paths(port):
            answer = port.call(method, reading, Authorization=f"Bearer {token}")
            assert answer.status == 401, (method, reading, token)
            assert LAYER not in answer.body
    for scheme in ("Bearer", "JWT"):  # and a registry's token is none of the API
        assert port.call("GET", "/v2/user", Authorization=f"{scheme} {good}").status == 401


def test_the_challenge_names_the_token_server(port):
    answer = port.call("GET", "/v2/alice/secret/manifests/v1")
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer realm="http://127.0.0.1:{port.port}/token",service="sampan-hub",'
        'scope="repository:alice/secret:pull"'
    )


def _post(port, **fields):
    from urllib.parse import urlencode

    kind = "application/x-www-form-urlencoded"
    return port.call("POST", "/token", urlencode(fields).encode(), Content_Type=kind)


def test_oauth_grants(port):
    scope = "repository:alice/secret:pull"
    login = {"username": "alice", "password": "ahoy-ahoy-7", "service": "sampan-hub"}
    answer = _post(port, grant_type="password", scope=scope, access_type="offline", **login).json
    path = "/v2/alice/secret/manifests/v1"
    opened = port.call("GET", path, Authorization="Bearer " + answer["access_token"])
    assert opened.status == 200
    refresh = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    again = _post(port, scope=scope, **refresh).json
    opened = port.call("GET", path, Authorization="Bearer " + again["access_token"])
    assert opened.status == 200
    assert "refresh_token" not in _post(port, grant_type="password", **login).json
    assert _post(port, grant_type="password", **{**login, "password": "no"}).status == 401
    assert _post(port, grant_type="refresh_token", refresh_token="x.y.z").status == 401
    assert _post(port, grant_type="client_credentials").status == 401
    assert _post(port, **{**login, "service": "else"}).status == 400


def test_a_refresh_token_dies_with_the_password_and_the_access_token(port):
    def pat(connection):
        max_ = users.get(connection, "max")
        return access_tokens.create(connection, max_.id, label="t", scope=Scope.READ)

    token, secret = port.database.write_now(pat)
    common = {"grant_type": "password", "access_type": "offline", "username": "max"}
    by_pat = _post(port, password=secret, **common).json["refresh_token"]
    by_password = _post(port, password="ahoy-ahoy-7", **common).json["refresh_token"]

    def works(refresh):
        return _post(port, grant_type="refresh_token", refresh_token=refresh).status == 200

    assert works(by_pat)
    port.database.write_now(
        lambda connection: access_tokens.edit(
            connection, token.account_id, token.id, is_active=False
        )
    )
    assert not works(by_pat)
    assert works(by_password)
    hashed = port.services.passwords.hash("ahoy-ahoy-7")
    port.database.write_now(
        lambda connection: users.set_password(connection, token.account_id, hashed)
    )
    assert not works(by_password)


def test_the_first_push_makes_the_repository_as_its_owner_wants(port):
    def settle(connection):
        bob = users.get(connection, "bob")
        users.set_profile(connection, bob.id, full_name="", email="", private_by_default=True)

    port.push("bob/before", "v1", who="bob")
    port.database.write_now(settle)
    port.push("bob/after", "v1", who="bob")

    def private(connection):
        return [find_repository(connection, "bob", name).is_private for name in ("before", "after")]

    assert port.database.read_now(private) == [False, True]


@pytest.mark.parametrize(
    ("who", "name"), [("eve", "bob/x"), ("max", "yard/x"), ("alice", "ghost/x"), ("alice", "x")]
)
def test_nobody_makes_repositories_elsewhere(port, who, name):
    header = port.token(f"repository:{name}:pull,push", who=who)
    answer = port.call("POST", f"/v2/{name}/blobs/uploads/", Authorization=header)
    assert answer.status == 401
    answer = port.call("POST", f"/v2/{name}/blobs/uploads/", Authorization=basic(who))
    assert answer.status == 404


def test_login_is_throttled(port):
    statuses = [
        port.call("GET", "/token", Authorization=basic("edith", f"guess-{number}")).status
        for number in range(7)
    ]
    assert statuses[:5] == [401] * 5
    assert 429 in statuses
