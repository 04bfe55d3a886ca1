import pytest

from sampan.network.ruleset import (
    IPV4,
    IPV6,
    BridgeRules,
    PortRule,
    bridge_elements,
    port_element,
    table_text,
)


def test_each_family_has_its_own_subnet():
    rules = BridgeRules("br0", "10.0.0.0/24", "fd00::/64", icc=False)
    four, six = (bridge_elements(family, "t", "add", rules) for family in (IPV4, IPV6))
    assert four == [
        'add element ip t bridges { "br0" }\n',
        "add element ip t subnets { 10.0.0.0/24 }\n",
    ]
    assert six[1] == "add element ip6 t subnets { fd00::/64 }\n"


def test_internal_bridge_is_not_masqueraded_and_marked():
    found = bridge_elements(IPV4, "t", "add", BridgeRules("br0", "10.0.0.0/24", internal=True))
    assert [line.split()[4] for line in found] == ["bridges", "internal", "intra"]


@pytest.mark.parametrize(
    ("host_ip", "target", "element"),
    [
        ("0.0.0.0", "10.0.0.2", "ip t ports { tcp . 8080 : 10.0.0.2 . 80 }"),
        ("127.0.0.1", "10.0.0.2", "ip t addrports { 127.0.0.1 . tcp . 8080 : 10.0.0.2 . 80 }"),
        ("::", "fd00::2", "ip6 t ports { tcp . 8080 : fd00::2 . 80 }"),
        ("fd01::1", "fd00::2", "ip6 t addrports { fd01::1 . tcp . 8080 : fd00::2 . 80 }"),
    ],
)
def test_port_stands_in_the_map_of_its_address(host_ip, target, element):
    rule = PortRule("tcp", host_ip, 8080, target, 80)
    assert port_element("t", "add", rule) == f"add element {element}\n"
    assert " : " not in port_element("t", "delete", rule)


def test_only_ipv6_leaves_the_hosts_loopback_alone():
    assert "daddr != ::1 fib" in table_text(IPV6, "t")
    assert "daddr != " not in table_text(IPV4, "t")
