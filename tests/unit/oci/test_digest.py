import hashlib

import pytest

from sampan.errors import InvalidArgument
from sampan.oci.digest import chain_ids, parse_digest, sha256_of


def test_digests_are_checked_and_returned():
    text = "sha256:" + "a" * 64
    assert parse_digest(text) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid checksum digest format"),
        ("abc", "invalid checksum digest format"),
        ("sha256:../../etc/passwd", "invalid checksum digest format"),
        ("sha256:abc", "invalid checksum digest length"),
        ("sha256:" + "A" * 64, "invalid checksum digest format"),
        ("sha256:" + "a" * 63 + "\n", "invalid checksum digest format"),
        ("sha512:" + "a" * 128, "unsupported digest algorithm"),
    ],
)
def test_bad_digests_have_go_digests_messages(text, message):
    with pytest.raises(InvalidArgument, match=message):
        parse_digest(text)


def test_the_first_chain_id_is_the_diff_id_and_each_covers_what_is_below():
    one, two, three = (sha256_of(text) for text in (b"1", b"2", b"3"))
    chain = chain_ids([one, two, three])
    assert chain[0] == one
    joined = hashlib.sha256(f"{one} {two}".encode()).hexdigest()
    assert chain[1] == f"sha256:{joined}"
    assert chain[2] == sha256_of(f"{chain[1]} {three}".encode())
    assert chain_ids([]) == []
