"""Token scopes as asked for, and the tokens themselves: what is refused and why."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sampan.errors import DataLoss
from sampan.hub.accounts.scopes import Grant, challenge, parse_scopes
from sampan.hub.accounts.signing import (
    API_LIFE_S,
    REGISTRY_LIFE_S,
    BadToken,
    Signer,
    load_key,
)

GRANT = Grant("repository", "alice/app", ("pull", "push"))
NOW_S = 1_800_000_000


class _Clock:
    now_s: float = NOW_S

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def signer(key: Ed25519PrivateKey, clock: _Clock) -> Signer:
    return Signer(key, clock=clock)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["repository:alice/app:pull"], [("repository", "alice/app", ("pull",))]),
        (
            ["repository:alice/app:push,pull repository:bob/x:pull"],
            [("repository", "alice/app", ("pull", "push")), ("repository", "bob/x", ("pull",))],
        ),
        (
            ["repository:a/b:pull", "repository:a/b:push"],
            [("repository", "a/b", ("pull", "push"))],
        ),
        (["repository:a/b:*"], [("repository", "a/b", ("delete", "pull", "push"))]),
        (["registry:catalog:*"], [("registry", "catalog", ("*",))]),
        (["repository(plugin):a/b:pull"], [("repository", "a/b", ("pull",))]),
        (["repository:host:5000/b:pull"], [("repository", "host:5000/b", ("pull",))]),
        (["repository:a/b:fly"], []),
        (["repository:a/b"], []),
        (["", "nonsense", "::", "repository::pull", "x:y:pull"], []),
        (["registry:catalog:pull"], []),
    ],
)
def test_scopes(given: list[str], read: list[tuple[str, str, tuple[str, ...]]]) -> None:
    assert [(grant.type, grant.name, grant.actions) for grant in parse_scopes(given)] == read


def test_scopes_are_bounded() -> None:
    assert len(parse_scopes([f"repository:a/b{number}:pull" for number in range(500)])) == 20


def test_challenge() -> None:
    assert challenge("http://h/token", "h", [GRANT], error="insufficient_scope") == (
        'Bearer realm="http://h/token",service="h",'
        'scope="repository:alice/app:pull,push",error="insufficient_scope"'
    )


def test_a_registry_token_carries_its_grants(signer: Signer) -> None:
    claims = signer.check_registry(signer.registry_token("alice", "hub:5000", [GRANT]), "hub:5000")
    assert claims.subject == "alice"
    assert claims.grants == (GRANT,)


def test_tokens_of_one_kind_are_no_tokens_of_another(signer: Signer) -> None:
    registry = signer.registry_token("alice", "hub:5000", [GRANT])
    api = signer.api_token("alice", scope=None, stamp="s")
    refresh = signer.refresh_token("alice", scope="repo:read", stamp="s")
    assert signer.check_api(api).stamp == "s"
    assert signer.check_refresh(refresh).scope == "repo:read"
    for check, foreign in [
        (signer.check_api, (registry, refresh)),
        (signer.check_refresh, (registry, api)),
        (lambda token: signer.check_registry(token, "hub:5000"), (api, refresh)),
        (lambda token: signer.check_registry(token, "other:5000"), (registry,)),
        (lambda token: signer.check_registry(token, ""), (registry, api, refresh)),
    ]:
        for token in foreign:
            with pytest.raises(BadToken):
                check(token)


def test_times(signer: Signer, clock: _Clock) -> None:
    token = signer.registry_token("alice", "hub", [GRANT])
    api = signer.api_token("alice", scope=None, stamp="")
    clock.now_s = NOW_S + REGISTRY_LIFE_S - 1
    signer.check_registry(token, "hub")
    clock.now_s = NOW_S + REGISTRY_LIFE_S
    with pytest.raises(BadToken, match="expired"):
        signer.check_registry(token, "hub")
    clock.now_s = NOW_S - 3600
    with pytest.raises(BadToken, match="not valid yet"):
        signer.check_registry(token, "hub")
    clock.now_s = NOW_S + API_LIFE_S
    with pytest.raises(BadToken, match="expired"):
        signer.check_api(api)


def _part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _claims(token: str) -> dict[str, object]:
    return jwt.decode(token, options={"verify_signature": False})


def _forgeries(signer: Signer, key: Ed25519PrivateKey) -> dict[str, str]:
    good = signer.registry_token("alice", "hub", [GRANT])
    claims = _claims(good)
    head, body, signature = good.split(".")
    public = key.public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw
    )
    other = Ed25519PrivateKey.generate()
    kid = {"kid": signer.key_id}
    wider = {**claims, "access": [{"type": "repository", "name": "bob/x", "actions": ["pull"]}]}

    def signed(changed: dict[str, object], *, by: Ed25519PrivateKey = key) -> str:
        return jwt.encode(changed, by, algorithm="EdDSA", headers=kid)

    def without(name: str) -> str:
        return signed({field: value for field, value in claims.items() if field != name})

    return {
        "nothing": "",
        "no token": "a.b.c",
        "two parts": f"{head}.{body}",
        "unsigned": f"{_part({'alg': 'none', 'typ': 'JWT', **kid})}.{body}.",
        "algorithm none, signature kept": f"{_part({'alg': 'none', **kid})}.{body}.{signature}",
        "public key as a shared secret": jwt.encode(
            claims, public.hex(), algorithm="HS256", headers=kid
        ),
        "another key": signed(claims, by=other),
        "another key's id": jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": "x"}),
        "no key id": jwt.encode(claims, key, algorithm="EdDSA"),
        "claims exchanged": f"{head}.{_part(wider)}.{signature}",
        "another issuer": signed({**claims, "iss": "elsewhere"}),
        "expiry as text": signed({**claims, "exp": "never"}),
        "no expiry": without("exp"),
        "no start": without("nbf"),
        "no audience": without("aud"),
        "no issuer": without("iss"),
        "no subject": without("sub"),
        "broken access list": signed({**claims, "access": [{"type": "repository"}]}),
        "access list is no list": signed({**claims, "access": 7}),
    }


def test_forged_and_foreign_tokens(signer: Signer, key: Ed25519PrivateKey) -> None:
    for what, token in _forgeries(signer, key).items():
        with pytest.raises(BadToken):
            signer.check_registry(token, "hub")
            pytest.fail(f"accepted: {what}")


def test_flipped_signature_bits(signer: Signer) -> None:
    head, body, signature = signer.registry_token("alice", "hub", [GRANT]).split(".")
    raw = bytearray(urlsafe_b64decode(signature + "=="))
    for position in (0, 31, 63):
        raw[position] ^= 1
        changed = urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode()
        with pytest.raises(BadToken):
            signer.check_registry(f"{head}.{body}.{changed}", "hub")
        raw[position] ^= 1


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "token-key.pem"
    first = Signer(load_key(path))
    assert path.stat().st_mode & 0o777 == 0o600
    second = Signer(load_key(path))
    assert first.key_id == second.key_id
    second.check_registry(first.registry_token("alice", "hub", [GRANT]), "hub")
    with pytest.raises(BadToken):
        Signer(load_key(tmp_path / "other.pem")).check_registry(
            first.registry_token("alice", "hub", [GRANT]), "hub"
        )


def test_a_damaged_key_is_no_reason_for_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "token-key.pem"
    path.write_text("garbage")
    with pytest.raises(DataLoss):
        load_key(path)
    assert path.read_text() == "garbage"
