"""Names of images: canonical text means what it was made from, and nothing else gets through."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.errors import SampanError
from sampan.oci.reference import parse_reference

PIECES = st.sampled_from(
    [
        *("a", "b1", "docker.io", "index.docker.io", "library", "localhost", "reg.example:5000"),
        *("[::1]:5000", "/", "/", ":", "@", "sha256:" + "a" * 64, "sha256:" + "A" * 64, "latest"),
        *(".", "_", "__", "-", "--", "..", "A", "é", "\n", "%2f", "f" * 64, "x" * 250, " "),
    ]
)
NAMES = st.one_of(st.lists(PIECES, min_size=1, max_size=8).map("".join), st.text(max_size=40))
FEW = settings(max_examples=300, deadline=None, database=None)


@FEW
@given(NAMES)
def test_parsing_what_was_written_gives_the_same(text):
    try:
        found = parse_reference(text)
    except SampanError:
        return
    assert parse_reference(str(found)) == found
    assert parse_reference(found.familiar) == found
    assert ".." not in found.path
    assert not set(str(found)) & set(" \n\\%?#")


COMPONENT = st.from_regex(r"\A[a-z0-9]{1,8}(?:[._-][a-z0-9]{1,4}){0,2}\Z")
DOMAIN = st.sampled_from(["docker.io", "reg.example", "reg.example:5000", "localhost", "HOST"])


@FEW
@given(
    DOMAIN,
    st.lists(COMPONENT, min_size=1, max_size=4),
    st.one_of(st.just(""), st.from_regex(r"\A:[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}\Z")),
    st.sampled_from(["", "@sha256:" + "0" * 64]),
)
def test_every_well_formed_name_is_taken(domain, path, tag, digest):
    found = parse_reference(f"{domain}/{'/'.join(path)}{tag}{digest}")
    assert found.domain == domain
    assert parse_reference(str(found)) == found
