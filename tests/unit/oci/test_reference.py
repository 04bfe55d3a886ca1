import pytest

from sampan.errors import InvalidArgument
from sampan.oci.reference import parse_reference

DIGEST = "sha256:" + "d" * 64


@pytest.mark.parametrize(
    ("text", "canonical", "familiar"),
    [
        ("busybox", "docker.io/library/busybox", "busybox"),
        ("busybox:1", "docker.io/library/busybox:1", "busybox:1"),
        ("docker.io/busybox", "docker.io/library/busybox", "busybox"),
        ("docker.io/library/busybox:1", "docker.io/library/busybox:1", "busybox:1"),
        ("index.docker.io/im", "docker.io/library/im", "im"),
        ("ns/im", "docker.io/ns/im", "ns/im"),
        ("library/ns/im", "docker.io/library/ns/im", "library/ns/im"),
        ("localhost/im", "localhost/im", "localhost/im"),
        ("reg.example:5000/im:1", "reg.example:5000/im:1", "reg.example:5000/im:1"),
        ("[::1]:5000/im", "[::1]:5000/im", "[::1]:5000/im"),
        ("Upper/im", "Upper/im", "Upper/im"),
        (f"a/b@{DIGEST}", f"docker.io/a/b@{DIGEST}", f"a/b@{DIGEST}"),
        (f"a:1@{DIGEST}", f"docker.io/library/a:1@{DIGEST}", f"a:1@{DIGEST}"),
        ("a__b/c--d.e", "docker.io/a__b/c--d.e", "a__b/c--d.e"),
    ],
)
def test_names_have_one_canonical_and_one_familiar_form(text, canonical, familiar):
    found = parse_reference(text)
    assert (str(found), found.familiar) == (canonical, familiar)
    assert parse_reference(str(found)) == found
    assert parse_reference(found.familiar) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid reference format"),
        (":tag", "invalid reference format"),
        ("a b", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("../etc", "invalid reference format"),
        ("a:", "invalid reference format"),
        ("a:b:c", "invalid reference format"),
        ("a@sha256:short", "invalid reference format"),
        ("foo/-bad", "invalid reference format"),
        ("a\n", "invalid reference format"),
        ("a" + "___b", "invalid reference format"),
        ("a:" + "t" * 129, "invalid reference format"),
        ("BadName", r"invalid reference format: repository name \(library/BadName\) must be lower"),
        ("ns/Bad:1", r"invalid reference format: repository name \(ns/Bad\) must be lowercase"),
        ("a" * 64, "cannot specify 64-byte hexadecimal strings"),
        ("x" * 260, "must not be more than 255 characters"),
        ("a@sha512:" + "a" * 128, "unsupported digest algorithm"),
    ],
)
def test_malformed_names_have_dockers_messages(text, message):
    with pytest.raises(InvalidArgument, match=message):
        parse_reference(text)


def test_the_default_tag_comes_only_where_nothing_is_said():
    assert parse_reference("a").with_default_tag().familiar == "a:latest"
    assert parse_reference("a:1").with_default_tag().familiar == "a:1"
    assert parse_reference(f"a@{DIGEST}").with_default_tag().familiar == f"a@{DIGEST}"


def test_tags_are_checked_when_replaced():
    assert parse_reference("a:1").with_tag("2").familiar == "a:2"
    with pytest.raises(InvalidArgument, match="invalid tag format"):
        parse_reference("a").with_tag("no/slash")
