import pytest

from sampan.errors import InvalidArgument
from sampan.wire.codec import decode, encode
from sampan.wire.containers import ContainerConfig, CreateRequest, HealthConfig


def test_null_means_the_zero_value_at_every_depth() -> None:
    body = b'{"User":null,"Labels":null,"HostConfig":{"RestartPolicy":null,"Memory":null}}'
    request = decode(body, CreateRequest)
    assert request.User == ""
    assert request.Labels is None
    assert request.HostConfig.Memory == 0
    assert request.HostConfig.RestartPolicy.Name == ""


def test_map_keys_with_null_values_stay() -> None:
    body = b'{"ExposedPorts":{"80/tcp":null},"HostConfig":{"PortBindings":{"80/tcp":null}}}'
    request = decode(body, CreateRequest)
    assert request.ExposedPorts == {"80/tcp": {}}
    assert request.HostConfig.PortBindings == {"80/tcp": []}


def test_a_lone_string_stands_for_a_list() -> None:
    assert decode(b'{"Cmd":"ls"}', CreateRequest).Cmd == ["ls"]


def test_unknown_fields_pass() -> None:
    assert decode(b'{"Image":"x","Brand":"new"}', CreateRequest).Image == "x"


def test_the_case_of_a_fields_name_matters_only_between_two_spellings() -> None:
    assert decode(b'{"image":"x","hostconfig":{"memory":5}}', CreateRequest).HostConfig.Memory == 5
    assert decode(b'{"image":"x","Image":"y"}', CreateRequest).Image == "y"
    assert decode(b'{"Labels":{"a":"1","A":"2"}}', CreateRequest).Labels == {"a": "1", "A": "2"}


@pytest.mark.parametrize("body", [b"{", b'{"Memory":"x"', b'{"HostConfig":{"Memory":"lots"}}'])
def test_bad_bodies_are_invalid_arguments(body: bytes) -> None:
    with pytest.raises(InvalidArgument):
        decode(body, CreateRequest)


def test_empty_optional_fields_are_left_out() -> None:
    text = encode(ContainerConfig(Image="x", Healthcheck=HealthConfig(Test=["NONE"]))).decode()
    assert '"Healthcheck":{"Test":["NONE"]}' in text
    assert "StopSignal" not in text
    assert '"Cmd":null' in text
    assert text.endswith("\n")


def test_bottomless_nesting_is_an_invalid_body() -> None:
    with pytest.raises(InvalidArgument):
        decode(b'{"x":' + b"[" * 100_000, CreateRequest)
