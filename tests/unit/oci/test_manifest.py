import json

import pytest

from sampan.errors import InvalidArgument, Unsupported
from sampan.oci import mediatypes
from sampan.oci.manifest import Index, Manifest, encode, parse_manifest

DIGEST = "sha256:" + "a" * 64
CONFIG = {"mediaType": mediatypes.OCI_CONFIG, "digest": DIGEST, "size": 2}
LAYER = {"mediaType": mediatypes.OCI_LAYER_GZIP, "digest": DIGEST, "size": 3}
IMAGE = {"schemaVersion": 2, "config": CONFIG, "layers": [LAYER]}


def parse(document, media_type=None):
    return parse_manifest(json.dumps(document).encode(), media_type)


@pytest.mark.parametrize("family", [mediatypes.OCI_MANIFEST, mediatypes.DOCKER_MANIFEST])
def test_manifests_of_both_families_are_read(family):
    found = parse({**IMAGE, "mediaType": family, "annotations": None}, family)
    assert isinstance(found, Manifest)
    assert found.layers[0].size == 3


def test_an_index_is_told_by_its_content():
    entry = {**CONFIG, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}
    found = parse({"schemaVersion": 2, "manifests": [entry]})
    assert isinstance(found, Index)
    assert str(found.manifests[0].platform) == "linux/arm64/v8"


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"schemaVersion": 2},
        {**IMAGE, "layers": [{**LAYER, "digest": "sha256:../../x"}]},
        {**IMAGE, "layers": [{**LAYER, "size": -1}]},
        {**IMAGE, "layers": "x"},
        {**IMAGE, "manifests": []},  # CVE-2021-41190: both at once
    ],
)
def test_documents_that_make_no_sense_are_refused(document):
    with pytest.raises(InvalidArgument):
        parse(document)


def test_a_media_type_that_the_content_contradicts_is_refused():
    with pytest.raises(InvalidArgument):
        parse({**IMAGE, "mediaType": mediatypes.OCI_INDEX})
    with pytest.raises(InvalidArgument):
        parse({**IMAGE, "mediaType": mediatypes.OCI_MANIFEST}, mediatypes.DOCKER_MANIFEST)
    with pytest.raises(InvalidArgument):
        parse(IMAGE, mediatypes.OCI_INDEX)


def test_bytes_that_are_not_json_are_refused():
    with pytest.raises(InvalidArgument):
        parse_manifest(b"\xff<html>")


def test_schema_1_is_unsupported():
    with pytest.raises(Unsupported):
        parse({"schemaVersion": 1, "fsLayers": []})


def test_absent_members_stay_absent_when_encoded():
    document = {**IMAGE, "mediaType": mediatypes.OCI_MANIFEST}
    assert json.loads(encode(parse(document))) == document
