import pytest

from sampan.errors import Unsupported
from sampan.network.model import PortRequest
from sampan.network.publisher import Target, host_addresses

BOTH, FOUR, SIX = Target("10.0.0.2", "fd00::2"), Target("10.0.0.2"), Target("", "fd00::2")


@pytest.mark.parametrize(
    ("target", "host_ip", "default", "expected"),
    [
        (FOUR, "", "0.0.0.0", ["0.0.0.0"]),
        (BOTH, "", "0.0.0.0", ["0.0.0.0", "::"]),
        (SIX, "", "0.0.0.0", ["::"]),
        (BOTH, "", "127.0.0.1", ["127.0.0.1"]),
        (BOTH, "0.0.0.0", "0.0.0.0", ["0.0.0.0"]),
        (BOTH, "0:0::1", "0.0.0.0", ["::1"]),
        (FOUR, "::1", "0.0.0.0", ["::1"]),
        (FOUR, "::ffff:1.2.3.4", "0.0.0.0", ["1.2.3.4"]),
    ],
)
def test_a_port_is_published_where_it_can_be_reached(target, host_ip, default, expected):
    assert host_addresses(PortRequest("tcp", 80, host_ip), target, default) == expected


def test_what_neither_rules_nor_relays_carry_is_refused():
    with pytest.raises(Unsupported, match="the container has no IPv4 address"):
        host_addresses(PortRequest("tcp", 80, "127.0.0.1"), SIX, "0.0.0.0")
    for target, host_ip in ((BOTH, "::1"), (FOUR, "fd01::1")):
        with pytest.raises(Unsupported, match="only TCP is relayed"):
            host_addresses(PortRequest("udp", 80, host_ip), target, "0.0.0.0")
