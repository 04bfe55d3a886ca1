from dataclasses import dataclass

import pytest

from sampan.errors import InvalidArgument, NotFound
from sampan.oci.descriptor import Descriptor, Platform
from sampan.oci.platform import host_platform, parse_platform, select


@dataclass
class Entries:
    manifests: list


def index(*platforms):
    return Entries(
        [
            Descriptor(
                mediaType="m", digest=f"sha256:{number:064d}", size=1, platform=_platform(text)
            )
            for number, text in enumerate(platforms)
        ]
    )


def _platform(text):
    if text is None:
        return None
    names = ("os", "architecture", "variant")
    return Platform(**dict(zip(names, text.split("/"), strict=False)))


def chosen(entries, wanted):
    return str(select(entries, parse_platform(wanted)).platform)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("arm64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("armhf", "linux/arm/v7"),
    ],
)
def test_users_spellings_have_one_normal_form(text, normal):
    assert str(parse_platform(text)) == normal


@pytest.mark.parametrize("text", ["", "a/b/c/d", "linux//v7", "nonsense"])
def test_what_is_no_platform_is_refused(text):
    with pytest.raises(InvalidArgument):
        parse_platform(text)


def test_the_host_is_a_linux_with_a_known_architecture():
    assert host_platform().os == "linux"
    assert parse_platform("linux").architecture == host_platform().architecture


def test_the_exact_platform_is_chosen():
    entries = index("linux/amd64", "linux/arm64/v8", "linux/arm/v7")
    assert chosen(entries, "linux/arm64") == "linux/arm64/v8"
    assert chosen(entries, "linux/amd64") == "linux/amd64"


def test_arm_falls_to_the_nearest_lower_variant():
    entries = index("linux/arm/v5", "linux/arm/v6", "linux/arm64")
    assert chosen(entries, "linux/arm/v7") == "linux/arm/v6"
    with pytest.raises(NotFound):
        chosen(index("linux/arm/v7"), "linux/arm/v6")


def test_attestations_and_entries_without_platform_never_fit():
    with pytest.raises(
        NotFound, match="no matching manifest for linux/amd64 in the manifest list entries"
    ):
        chosen(index("unknown/unknown", None, "linux/s390x"), "linux/amd64")
