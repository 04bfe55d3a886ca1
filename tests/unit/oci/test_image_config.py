import json

import pytest

from sampan.errors import InvalidArgument
from sampan.oci import image_config
from sampan.oci.image_config import History, ImageRunConfig, ImageSpec, RootFS

DIGEST = "sha256:" + "a" * 64


def decode(document):
    return image_config.decode(json.dumps(document).encode())


def test_nulls_and_absent_members_are_the_same():
    found = decode({"config": {"Cmd": None, "Labels": {"a": None}}, "rootfs": None, "os": None})
    assert found.config.Cmd is None
    assert found.config.Labels == {}
    assert found.rootfs == RootFS()


def test_lone_strings_stand_for_lists_and_null_sets_are_sets():
    found = decode({"config": {"Entrypoint": "/x", "ExposedPorts": {"80/tcp": None}}})
    assert found.config.Entrypoint == ["/x"]
    assert found.config.ExposedPorts == {"80/tcp": {}}


def test_members_nobody_knows_pass():
    assert decode({"moby.buildkit.x": [1], "config": {"Image": "x"}}) == ImageSpec()


def test_dockers_additions_survive():
    spec = ImageSpec(
        docker_version="20", comment="c", history=(History(created_by="x", empty_layer=True),)
    )
    assert image_config.decode(image_config.encode(spec)) == spec


def test_encoding_leaves_out_what_is_not_there_and_keeps_rootfs():
    document = json.loads(image_config.encode(ImageSpec(config=ImageRunConfig(Env=["A=b"]))))
    assert document == {"config": {"Env": ["A=b"]}, "rootfs": {"type": "layers", "diff_ids": []}}


def test_equal_specs_have_equal_bytes_whatever_the_order_of_their_maps():
    one = ImageSpec(config=ImageRunConfig(Labels={"a": "1", "b": "2"}))
    two = ImageSpec(config=ImageRunConfig(Labels={"b": "2", "a": "1"}))
    assert image_config.encode(one) == image_config.encode(two)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"rootfs": {"diff_ids": ["sha256:../x"]}},
        {"config": {"Env": 5}},
        {"config": "x"},
    ],
)
def test_configs_that_make_no_sense_are_refused(document):
    with pytest.raises(InvalidArgument):
        decode(document)


def test_created_is_read_as_a_moment_or_as_never():
    assert decode({"created": "1970-01-01T00:00:01Z"}).created_ns == 10**9
    assert decode({"created": "yesterday"}).created_ns == 0
    assert decode({}).created_ns == 0
