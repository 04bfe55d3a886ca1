import hashlib

import pytest

from sampan.errors import InvalidArgument
from sampan.swarm import tokens
from sampan.swarm.tokens import JoinToken, parse_token


def test_a_token_is_read_back_as_it_was_written():
    token = JoinToken(tokens.ca_digest(b"pem"), tokens.new_secret())
    assert str(token).startswith("SWMTKN-1-")
    assert len(str(token)) == len("SWMTKN-1-") + 50 + 1 + 25
    assert parse_token(f" {token}\n") == token


def test_the_digest_is_of_the_pem_bytes_in_base_36():
    number = int(hashlib.sha256(b"some pem").hexdigest(), 16)
    assert int(tokens.ca_digest(b"some pem"), 36) == number
    assert JoinToken(tokens.ca_digest(b"some pem"), "").fits(b"some pem")
    assert not JoinToken(tokens.ca_digest(b"some pem"), "").fits(b"some pem ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SWMTKN-1",
        "SWMTKN-1-abc-def",
        "SWMTKN-2-" + "0" * 50 + "-" + "0" * 25,
        "SWMTKN-1-" + "A" * 50 + "-" + "0" * 25,
        "SWMTKN-1-" + "0" * 50 + "-" + "0" * 25 + "-1",
    ],
)
def test_what_is_no_token_is_refused(text):
    with pytest.raises(InvalidArgument, match="invalid join token"):
        parse_token(text)


def test_unlock_keys():
    key = tokens.new_unlock_key()
    assert key.startswith("SWMKEY-1-")
    assert "=" not in key
    assert len(tokens.parse_unlock_key(key)) == 32
    for wrong in ("", "SWMKEY-1-", key[:-4], key.removeprefix("SWMKEY-1-"), "SWMKEY-1-?" + key):
        with pytest.raises(InvalidArgument, match="invalid key"):
            tokens.parse_unlock_key(wrong)
