"""Values of --output, --secret, --ssh and --cache-to."""

import pytest

from sampan.cli.building import fields


@pytest.mark.parametrize(
    ("text", "kind", "dest", "attributes"),
    [
        ("out", "local", "out", {}),
        ("-", "tar", "-", {}),
        ("type=local,dest=d", "local", "d", {}),
        ("type=oci", "oci", "-", {}),
        ("type=docker", "moby", "", {}),
        ("type=docker,dest=x.tar", "docker", "x.tar", {}),
        ("type=registry", "image", "", {"push": "true"}),
        ('type=image,"name=a,b",push=true', "image", "", {"name": "a,b", "push": "true"}),
        ("type=cacheonly", "cacheonly", "", {}),
    ],
)
def test_outputs(text, kind, dest, attributes):
    found = fields.output(text)
    assert (found.kind, found.dest, found.attributes) == (kind, dest, attributes)


@pytest.mark.parametrize("text", ["dest=x", "type=local", "type=tar,x"])
def test_outputs_that_make_no_sense(text):
    with pytest.raises(ValueError, match=r"."):
        fields.output(text)


def test_secrets(tmp_path):
    (tmp_path / "s").write_bytes(b"file")
    environment = {"E": "value", "both": "variable"}
    for text, expected in (
        (f"id=a,src={tmp_path}/s", ("a", b"file")),
        (f"type=file,id=a,source={tmp_path}/s", ("a", b"file")),
        ("id=a,env=E", ("a", b"value")),
        ("type=env,id=E", ("E", b"value")),
        ("id=both", ("both", b"variable")),
        ("id=a,env=NOT_SET", ("a", b"")),
    ):
        name, read = fields.secret(text, environment)
        assert (name, read()) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("src=x", "secret missing ID"),
        ("id=a,color=red", "unexpected key 'color'"),
        ("id=a,src=/nowhere", "failed to stat"),
        ("id=a,type=wish", "unsupported secret type"),
        ("plain", "must be a key=value pair"),
    ],
)
def test_secrets_that_make_no_sense(text, message):
    with pytest.raises(ValueError, match=message):
        fields.secret(text, {})


def test_agents(tmp_path):
    assert fields.agent("default", {"SSH_AUTH_SOCK": str(tmp_path)}) == ("default", [str(tmp_path)])
    assert fields.agent(f"mine={tmp_path},{tmp_path}", {}) == ("mine", [str(tmp_path)] * 2)
    with pytest.raises(ValueError, match="SSH_AUTH_SOCK"):
        fields.agent("default", {})


def test_caches():
    assert fields.cache_entry("x/y") == ("registry", {"ref": "x/y"})
    assert fields.cache_entry("type=local,dest=d") == ("local", {"dest": "d"})
    with pytest.raises(ValueError, match="type required"):
        fields.cache_entry("ref=x")
