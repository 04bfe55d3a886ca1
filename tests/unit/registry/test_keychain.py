import base64
import json

import pytest

from sampan.registry import keychain
from sampan.registry.keychain import ANONYMOUS, Credentials


def encode(config, *, url_safe=True, padded=True):
    data = json.dumps(config).encode()
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(data).decode()
    return text if padded else text.rstrip("=")


@pytest.mark.parametrize("url_safe", [True, False])
@pytest.mark.parametrize("padded", [True, False])
def test_header_is_read_in_every_base64_spelling(url_safe, padded):
    config = {"username": "me", "password": "a?>~ÿ/secret+"}
    found = keychain.from_header(encode(config, url_safe=url_safe, padded=padded))
    assert (found.username, found.password) == ("me", "a?>~ÿ/secret+")


@pytest.mark.parametrize("value", [None, "", "e30=", "%%%", "bm90IGpzb24=", "W10="])
def test_missing_or_unreadable_header_is_anonymous(value):
    assert keychain.from_header(value) == ANONYMOUS


def test_auth_member_holds_name_and_password():
    packed = base64.b64encode(b"me:with:colon").decode()
    found = keychain.from_header(encode({"auth": packed}))
    assert (found.username, found.password) == ("me", "with:colon")


def test_identity_token_isnt_anonymous():
    assert not keychain.from_header(encode({"identitytoken": "t"})).anonymous


def test_build_header_maps_registries_and_knows_the_hub_by_its_index():
    header = encode(
        {
            "https://index.docker.io/v1/": {"username": "hub"},
            "reg.example:5000": {"username": "reg"},
        }
    )
    found = keychain.from_config_header(header)
    assert keychain.for_domain(found, "docker.io").username == "hub"
    assert keychain.for_domain(found, "reg.example:5000").username == "reg"
    assert keychain.for_domain(found, "other.example") is ANONYMOUS


def test_repr_shows_no_secret():
    assert "hunter2" not in repr(Credentials("me", "hunter2", "hunter2", "hunter2"))
