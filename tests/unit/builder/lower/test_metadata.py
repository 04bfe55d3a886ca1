"""Ports, destinations, build arguments: the pure parts of lowering."""

import pytest

from sampan.builder.dockerfile.stages import parse_dockerfile
from sampan.builder.lower.files import absolute_destination
from sampan.builder.lower.metadata import InvalidPort, InvalidProtocol, parse_ports
from sampan.builder.lower.scope import GlobalScope, StageScope, unused_arguments
from sampan.builder.lower.stage import go_list


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("80", ["80/tcp"]),
        ("53/UDP", ["53/udp"]),
        ("1-3", ["1/tcp", "2/tcp", "3/tcp"]),
        ("8080:80", ["80/tcp"]),
        ("127.0.0.1:1:2/udp", ["2/udp"]),
    ],
)
def test_ports(text, ports):
    assert parse_ports(text) == ports


@pytest.mark.parametrize("text", ["abc", "70000", "3-1", ""])
def test_bad_port(text):
    with pytest.raises(InvalidPort):
        parse_ports(text)


def test_bad_protocol():
    with pytest.raises(InvalidProtocol, match="Invalid proto: x"):
        parse_ports("80/x")


@pytest.mark.parametrize(
    ("text", "workdir", "expected"),
    [
        ("/a/", "", "/a/"),
        ("/a", "", "/a"),
        ("a", "/w", "/w/a"),
        (".", "/w", "/w/"),
        ("./", "", "/"),
        ("b/.", "/w", "/w/b/"),
        ("../../x", "/w", "/x"),
        ("//x", "", "/x"),
    ],
)
def test_destination(text, workdir, expected):
    assert absolute_destination(text, workdir) == expected


def scope(**given):
    return GlobalScope(given=given, values={"G": "global"}, escape="\\")


def test_value_of_the_client_beats_default_beats_global():
    stage = StageScope(scope(who="cli"))
    stage.declare("who", "default")
    stage.declare("G", None)
    stage.declare("G2", "default")
    stage.declare("unset", None)
    assert stage.values == {"who": "cli", "G": "global", "G2": "default"}


def test_environment_beats_argument():
    stage = StageScope(scope())
    stage.declare("a", "arg")
    assert stage.visible({"a": "env"}) == {"a": "env"}
    assert stage.referenced({"a": "env"}) == {}


def test_proxies_need_no_declaration_and_stay_out_of_sight():
    stage = StageScope(scope(HTTP_PROXY="p", other="x"))
    assert stage.proxies() == {"HTTP_PROXY": "p"}
    stage.declare("HTTP_PROXY", None)
    assert stage.proxies() == {}
    assert stage.referenced({}) == {"HTTP_PROXY": "p"}


def test_unused_arguments():
    parsed = parse_dockerfile("ARG a\nFROM x\nARG b=1\n")
    given = {"a": "1", "b": "1", "z": "1", "HTTP_PROXY": "p"}
    assert unused_arguments(parsed, given) == ["z"]


def test_go_quoting():
    assert go_list(["a", 'b"c', "d\n\\"]) == '["a" "b\\"c" "d\\n\\\\"]'
