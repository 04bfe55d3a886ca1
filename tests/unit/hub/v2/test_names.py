import pytest

from sampan.hub.v2.errors import NameInvalid, PageUnknown
from sampan.hub.v2.names import Resource, canonical, check_name, parse_path, split

DIGEST = "sha256:" + 64 * "a"

PATHS = [
    ("/v2", Resource.BASE, "", ""),
    ("/v2/", Resource.BASE, "", ""),
    ("/v2/_catalog", Resource.CATALOG, "", ""),
    ("/v2/a/b/blobs/uploads/", Resource.UPLOADS, "a/b", ""),
    ("/v2/a/b/blobs/uploads", Resource.UPLOADS, "a/b", ""),
    ("/v2/a/b/blobs/uploads/id", Resource.UPLOAD, "a/b", "id"),
    (f"/v2/a/blobs/{DIGEST}", Resource.BLOB, "a", DIGEST),
    ("/v2/a/manifests/latest", Resource.MANIFEST, "a", "latest"),
    (f"/v2/a/referrers/{DIGEST}", Resource.REFERRERS, "a", DIGEST),
    ("/v2/a/tags/list", Resource.TAGS, "a", ""),
    ("/v2/tags/list/tags/list", Resource.TAGS, "tags/list", ""),
    ("/v2/blobs/uploads/manifests/uploads", Resource.MANIFEST, "blobs/uploads", "uploads"),
]


@pytest.mark.parametrize(("path", "resource", "name", "item"), PATHS)
def test_paths_are_read_from_their_end(path, resource, name, item):
    found = parse_path(path)
    assert (found.resource, found.name, found.item) == (resource, name, item)


@pytest.mark.parametrize("path", ["/v2/a", "/v2/a/b/tags", "/v2/a/manifests/", "/v2/a/tags/x"])
def test_other_paths_are_unknown(path):
    with pytest.raises(PageUnknown):
        parse_path(path)


@pytest.mark.parametrize(
    "name", ["", "A", "-a", "a-", "a..b", "a___b", "a/", "/a", "a//b", "é", "users/a", "a" * 256]
)
def test_bad_names(name):
    with pytest.raises(NameInvalid):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "a/b/c", "a--b", "a__b", "a.b_c-d/e", "users", "0/0"])
def test_good_names(name):
    assert check_name(name) == name


def test_hostile_name_is_read_quickly():
    with pytest.raises(NameInvalid):
        check_name("a-" * 120 + "!")


def test_canonical_names_have_a_namespace():
    assert canonical("busybox") == "library/busybox"
    assert canonical("a/b/c") == "a/b/c"
    assert split("a/b/c") == ("a", "b/c")
