import pytest

from sampan.errors import InvalidArgument
from sampan.swarm.model import Node, NodeDescription, NodeStatus
from sampan.swarm.scheduler.constraints import (
    label_value,
    node_matches,
    parse,
    runs_platform,
)
from sampan.wire.services import PlatformSpec
from sampan.wire.swarm import NodeSpec

NODE = Node(
    id="n0de",
    spec=NodeSpec(Labels={"zone": "A", "Case": "x"}),
    role="manager",
    status=NodeStatus(addr="10.0.0.7"),
    description=NodeDescription(
        hostname="host-1", os="linux", architecture="x86_64", engine_labels={"disk": "ssd"}
    ),
)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("node.id==n0de", True),
        ("node.id!=n0de", False),
        ("node.hostname == HOST-1", True),
        ("node.role==manager", True),
        ("node.role!=manager", False),
        ("NODE.ROLE==worker", False),
        ("node.platform.os==linux", True),
        ("node.platform.arch==x86_64", True),
        ("node.labels.zone==a", True),
        ("node.labels.zone!=b", True),
        ("node.labels.case==x", False),
        ("node.labels.none!=x", True),
        ("node.labels.none==x", False),
        ("engine.labels.disk==ssd", True),
        ("node.ip==10.0.0.7", True),
        ("node.ip==10.0.0.0/24", True),
        ("node.ip!=10.0.0.0/24", False),
        ("node.ip==nonsense", False),
        ("node.ip!=nonsense", False),
        ("node.labels.zone==a*", False),
        ("node.unknown==x", False),
        ("node.unknown!=x", False),
    ],
)
def test_a_constraint_holds_or_not(text: str, holds: bool) -> None:
    assert node_matches([text], NODE) is holds


def test_all_must_hold() -> None:
    assert node_matches(["node.role==manager", "node.labels.zone==a"], NODE)
    assert not node_matches(["node.role==manager", "node.labels.zone==b"], NODE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("node.role", "constraint expected one operator from ==, !="),
        ("node.role=manager", "constraint expected one operator from ==, !="),
        ("no de==x", "key 'no de' is invalid"),
        ("1node==x", "key '1node' is invalid"),
        ("node.id==", "value '' is invalid"),
        ("node.id==a,b", "value 'a,b' is invalid"),
        ("node.id!=a==b", "key 'node.id!=a' is invalid"),
    ],
)
def test_the_grammar_is_swarmkits(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse([text])
    assert caught.value.message == message


def test_platforms_go_by_either_name_of_an_architecture() -> None:
    assert runs_platform([], NODE)
    assert runs_platform([PlatformSpec(Architecture="amd64", OS="linux")], NODE)
    assert runs_platform([PlatformSpec(OS="windows"), PlatformSpec(OS="linux")], NODE)
    assert not runs_platform([PlatformSpec(Architecture="arm64", OS="linux")], NODE)


def test_what_is_spread_over() -> None:
    assert label_value("node.labels.zone", NODE) == "A"
    assert label_value("engine.labels.disk", NODE) == "ssd"
    assert label_value("node.labels.none", NODE) == ""
