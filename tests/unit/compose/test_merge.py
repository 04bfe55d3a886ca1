import pytest

from sampan.compose.failures import BadKey
from sampan.compose.merge import merge, unique


def merged(base, over):
    tree = merge({"services": {"web": base}}, {"services": {"web": over}})
    return unique(tree)["services"]["web"]


@pytest.mark.parametrize(
    ("base", "over", "expected"),
    [
        ({"image": "a"}, {"image": "b"}, {"image": "b"}),
        ({"command": ["a"]}, {"command": "b"}, {"command": "b"}),
        ({"cap_add": ["A"]}, {"cap_add": ["B", "A"]}, {"cap_add": ["A", "B"]}),
        ({"environment": {"A": 1}}, {"environment": ["A=2", "B"]}, {"environment": ["A=2", "B"]}),
        ({"dns": "1"}, {"dns": ["2"]}, {"dns": ["1", "2"]}),
        ({"volumes": ["xx:/d", "/e"]}, {"volumes": ["yy:/d"]}, {"volumes": ["yy:/d", "/e"]}),
        ({"build": "."}, {"build": {"target": "t"}}, {"build": {"context": ".", "target": "t"}}),
        ({"networks": ["a"]}, {"networks": {"b": {}}}, {"networks": {"a": None, "b": {}}}),
        (
            {"logging": {"driver": "a", "options": {"x": 1}}},
            {"logging": {"driver": "b", "options": {"y": 2}}},
            {"logging": {"driver": "b", "options": {"y": 2}}},
        ),
        (
            {"logging": {"driver": "a", "options": {"x": 1}}},
            {"logging": {"options": {"y": 2}}},
            {"logging": {"driver": "a", "options": {"x": 1, "y": 2}}},
        ),
        (
            {"depends_on": ["a"]},
            {"depends_on": {"a": {"condition": "service_healthy"}}},
            {"depends_on": {"a": {"condition": "service_healthy", "required": True}}},
        ),
        ({"extra_hosts": ["a:1"]}, {"extra_hosts": {"a": "1"}}, {"extra_hosts": ["a:1", "a=1"]}),
        ({"ports": ["80:80"]}, {"ports": ["80:80", "81:81"]}, {"ports": ["80:80", "81:81"]}),
        ({"tty": True}, {"tty": None}, {"tty": True}),
        ({"ulimits": {"a": {"soft": 1, "hard": 1}}}, {"ulimits": {"a": 2}}, {"ulimits": {"a": 2}}),
    ],
)
def test_each_key_merges_by_its_rule(base, over, expected):
    assert merged(base, over) == expected


def test_long_ports_are_one_by_address_and_target():
    first = {"target": 80, "published": "80"}
    second = {"target": 80, "published": "80", "mode": "host"}
    third = {"target": 80, "published": "80", "protocol": "udp"}
    assert merged({"ports": [first]}, {"ports": [second, third]})["ports"] == [second, third]


def test_address_pools_merge_by_subnet():
    base = {"networks": {"n": {"ipam": {"config": [{"subnet": "a", "gateway": "g"}]}}}}
    over = {"networks": {"n": {"ipam": {"config": [{"subnet": "a", "ip_range": "r"}]}}}}
    assert merge(base, over)["networks"]["n"]["ipam"]["config"] == [
        {"subnet": "a", "gateway": "g", "ip_range": "r"}
    ]


@pytest.mark.parametrize(
    ("base", "over"),
    [({"deploy": {"mode": "x"}}, {"deploy": "y"}), ({"cap_add": []}, {"cap_add": "A"})],
)
def test_kinds_that_do_not_fit_are_refused(base, over):
    with pytest.raises(BadKey, match=r"cannot override services\.web"):
        merged(base, over)
