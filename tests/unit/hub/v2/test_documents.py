import json

import pytest

from sampan.hub.v2.documents import PlatformFacts, read, read_platform
from sampan.hub.v2.errors import ManifestInvalid
from sampan.oci import mediatypes
from unit.hub.running import CONFIG, INDEX, LAYER, MANIFEST, descriptor, digest_of


def image(**more):
    return {
        "schemaVersion": 2,
        "config": descriptor(b"config", CONFIG),
        "layers": [descriptor(b"layer", LAYER), descriptor(b"layer", LAYER)],
        **more,
    }


def test_facts_of_an_image():
    facts = read(json.dumps(image()).encode(), f"{MANIFEST}; charset=utf-8")
    assert facts.media_type == MANIFEST
    assert facts.blobs == (digest_of(b"layer"), digest_of(b"config"))
    assert (facts.config, facts.artifact_type) == (digest_of(b"config"), CONFIG)
    assert facts.image_size == 2 * len(b"layer") + len(b"config")


def test_the_manifest_s_own_word_is_enough():
    facts = read(json.dumps(image(mediaType=mediatypes.DOCKER_MANIFEST)).encode(), "")
    assert facts.media_type == mediatypes.DOCKER_MANIFEST


def test_facts_of_an_index():
    child = descriptor(b"child", MANIFEST) | {"platform": {"os": "linux", "architecture": "arm"}}
    document = {"schemaVersion": 2, "manifests": [child], "subject": descriptor(b"s", INDEX)}
    facts = read(json.dumps(document).encode(), INDEX)
    assert (facts.blobs, facts.manifests) == ((), (digest_of(b"child"),))
    assert facts.subject == digest_of(b"s")


def test_sha512_parts():
    part = {"digest": "sha512:" + 128 * "a", "size": 1, "mediaType": LAYER}
    assert read(json.dumps(image(layers=[part])).encode(), MANIFEST).blobs[0] == part["digest"]


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"schemaVersion":2,"layers":[]}']
)
def test_garbage_is_refused(payload):
    with pytest.raises(ManifestInvalid):
        read(payload, MANIFEST)


def test_platform_of_a_config():
    found = read_platform(b'{"os":"linux","architecture":"arm","variant":"v7","config":{}}')
    assert found == PlatformFacts("linux", "arm", "v7")
    assert read_platform(b"no json") == PlatformFacts()
