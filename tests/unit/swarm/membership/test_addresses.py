import pytest

from sampan.errors import InvalidArgument
from sampan.swarm.membership import addresses
from sampan.swarm.membership.addresses import Interface, resolve

LOOP = Interface("lo", ("127.0.0.1", "::1"), loopback=True)
ONE = [LOOP, Interface("eth0", ("192.0.2.5", "fe80::1"))]
TWO_ON_ONE = [LOOP, Interface("eth0", ("192.0.2.5", "192.0.2.6"))]
TWO = [LOOP, Interface("eth0", ("192.0.2.5",)), Interface("eth1", ("198.51.100.7",))]


def told(interfaces, listen="0.0.0.0:2377", advertise="", data_path="", **options):
    return resolve(interfaces, listen=listen, advertise=advertise, data_path=data_path, **options)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("host", ("host", None)),
        ("host:1", ("host", 1)),
        ("[::1]:2377", ("::1", 2377)),
        ("[::1]", ("::1", None)),
        ("2001:db8::1", ("2001:db8::1", None)),
    ],
)
def test_hosts_with_and_without_ports(text, parts):
    assert addresses.split(text) == parts


def test_joining_two_parts_of_an_address():
    assert addresses.joined("::1", 5) == "[::1]:5"
    assert addresses.joined("192.0.2.5", 5) == "192.0.2.5:5"
    assert addresses.remote("192.0.2.5") == "192.0.2.5:2377"
    assert addresses.remote("[2001:db8::1]:7") == "[2001:db8::1]:7"


def test_the_only_address_is_advertised():
    found = told(ONE)
    assert (found.listen_host, found.listen_port) == ("0.0.0.0", 2377)
    assert (found.advertise, found.data_path) == ("192.0.2.5:2377", "192.0.2.5")


def test_the_listen_address_is_advertised_when_it_is_one():
    assert told(TWO, listen="198.51.100.7:5000").advertise == "198.51.100.7:5000"


def test_interfaces_may_be_named():
    found = told(TWO, listen="eth1:4000", advertise="eth0", data_path="eth1")
    assert (found.listen_host, found.advertise) == ("198.51.100.7", "192.0.2.5:4000")
    assert found.data_path == "198.51.100.7"


def test_a_given_address_needs_not_be_the_machines():
    assert told(TWO, advertise="203.0.113.9:99").advertise == "203.0.113.9:99"
    assert told([LOOP], advertise="2001:db8::9").advertise == "[2001:db8::9]:2377"


def test_who_joins_may_leave_it_to_the_manager():
    assert told(TWO, detects=False).advertise == ""


@pytest.mark.parametrize(
    ("interfaces", "options", "text"),
    [
        (TWO_ON_ONE, {}, "multiple addresses on interface eth0 (192.0.2.5 and 192.0.2.6)"),
        (TWO, {}, "on different interfaces (192.0.2.5 on eth0 and 198.51.100.7 on eth1)"),
        ([LOOP], {}, "could not find the system's IP address"),
        (TWO_ON_ONE, {"advertise": "eth0"}, "interface eth0 has more than one IPv4 address"),
        (ONE, {"advertise": "0.0.0.0"}, addresses.BAD_ADVERTISE),
        (ONE, {"advertise": "nowhere:1"}, addresses.BAD_ADVERTISE),
        (ONE, {"listen": "nowhere:2377"}, addresses.BAD_LISTEN),
        (ONE, {"listen": ""}, 'invalid ListenAddr ""'),
        (ONE, {"data_path": "::"}, addresses.BAD_DATA_PATH),
    ],
)
def test_what_is_refused(interfaces, options, text):
    with pytest.raises(InvalidArgument) as refused:
        told(interfaces, **options)
    assert text in refused.value.message
