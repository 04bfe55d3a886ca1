"""Attributes of the dockerfile.v0 frontend."""

import pytest

from sampan.engine.buildkit.options import UnsupportedFrontend, parse_options
from sampan.errors import InvalidArgument, Unsupported


def options(**attributes):
    return parse_options(
        "dockerfile.v0", {name.replace("_", "-"): value for name, value in attributes.items()}
    )


def test_defaults():
    found = options()
    assert (found.filename, found.context_directory) == ("Dockerfile", "context")
    assert found.dockerfile_directory == "dockerfile"
    assert found.use_cache
    assert not found.pull


def test_prefixed_attributes():
    found = parse_options(
        "dockerfile.v0",
        {"build-arg:A": "1", "label:l": "", "context:base": "local:x", "local-sessionid:x": "s"},
    )
    assert found.build_args == {"A": "1"}
    assert found.labels == {"l": ""}
    assert found.named == {"base": "local:x"}
    assert found.sessions == {"x": "s"}


def test_an_empty_no_cache_means_all_steps():
    assert not options(no_cache="").use_cache


def test_how_steps_run():
    host = options(
        add_hosts="a=1.2.3.4,b=::1",
        force_network_mode="host",
        shm_size="64",
        ulimit="nofile=1:2,core=0",
        image_resolve_mode="pull",
    ).host
    assert host.ExtraHosts == ["a:1.2.3.4", "b:::1"]
    assert (host.NetworkMode, host.ShmSize) == ("host", 64)
    assert [(one.Name, one.Soft, one.Hard) for one in host.Ulimits] == [
        ("nofile", 1, 2),
        ("core", 0, 0),
    ]


@pytest.mark.parametrize(
    "attributes",
    [
        {"force_network_mode": "mine"},
        {"add_hosts": "a"},
        {"shm_size": "x"},
        {"ulimit": "nofile=x"},
        {"platform": "what"},
    ],
)
def test_wrong_values(attributes):
    with pytest.raises(InvalidArgument):
        options(**attributes)


@pytest.mark.parametrize(
    "attributes", [{"requestid": "frontend.outline"}, {"platform": "linux/amd64,linux/arm64"}]
)
def test_what_is_not_built_says_so(attributes):
    with pytest.raises(Unsupported):
        options(**attributes)


def test_other_frontends():
    with pytest.raises(UnsupportedFrontend):
        parse_options("mine.v0", {})
    assert parse_options("gateway.v0", {"source": "docker/x"}).ignored_syntax == "docker/x"
