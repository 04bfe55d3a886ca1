"""Whatever a client sends, the readers answer with one of the protocol's failures."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from sampan.hub.v2.documents import read
from sampan.hub.v2.errors import RegistryFailure
from sampan.hub.v2.names import check_digest, parse_path
from sampan.hub.v2.serving import parse_range
from unit.hub.running import CONFIG, INDEX, MANIFEST

WORDS = st.sampled_from(
    ["v2", "blobs", "uploads", "manifests", "tags", "list", "referrers", "a", "", "..", "_catalog"]
)
KEYS = st.sampled_from(
    ["schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "digest", "size"]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=5),
    st.sampled_from([2, MANIFEST, INDEX, CONFIG, "sha256:" + 64 * "a"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=8),
    max_leaves=20,
)


@given(st.lists(WORDS | st.text(max_size=6), max_size=7))
def test_paths(words):
    with suppress(RegistryFailure):
        target = parse_path("/v2/" + "/".join(words))
        assert ".." not in target.name.split("/")


@given(VALUES, st.sampled_from([MANIFEST, INDEX, ""]))
def test_manifests(document, content_type):
    import msgspec

    with suppress(RegistryFailure):
        facts = read(msgspec.json.encode(document), content_type)
        for digest in (*facts.blobs, *facts.manifests):
            check_digest(digest)


@given(st.binary(max_size=60))
def test_bytes_as_manifests(payload):
    with suppress(RegistryFailure):
        read(payload, MANIFEST)


@given(st.text(alphabet="bytes=-0123456789, ", max_size=30), st.integers(0, 1 << 40))
def test_ranges(header, size):
    with suppress(RegistryFailure):
        found = parse_range(header, size)
        assert found is None or 0 <= found[0] < found[1] <= size
