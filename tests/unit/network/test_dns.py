import struct

from sampan.network import dns
from sampan.network.model import Endpoint
from sampan.network.names import NameTable, View

VIEW = View({"n1": "net"})


def query(name, kind=dns.A, flags=0x0100, questions=1):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    head = struct.pack(">HHHHHH", 7, flags, questions, 0, 0, 0)
    return head + labels + b"\0" + struct.pack(">HH", kind, 1)


def table():
    names = NameTable()
    names.add(Endpoint("e1", "n1", "net", ipv4="10.0.0.2", dns_names=("web", "www")))
    return names


def answered(packet, view=VIEW):
    return dns.answer(packet, dns.parse_question(packet), table(), view)


def test_host_has_names_but_containers_come_first():
    view = View({"n1": "net"}, hosts={"host.docker.internal": ("10.0.0.1", "fd00::1"), "web": ()})
    found = answered(query("Host.Docker.Internal"), view)
    assert found.endswith(b"\0\4\x0a\0\0\1")
    assert answered(query("host.docker.internal", dns.AAAA), view).endswith(b"\0" * 13 + b"\1")
    assert answered(query("web"), view).endswith(b"\x0a\0\0\2")


def test_servers_that_give_up_are_known():
    packet = query("x")
    question = dns.parse_question(packet)
    codes = {code: dns.reply(packet, question, code=code) for code in (0, 2, 3, 5)}
    assert [code for code, found in codes.items() if dns.refused(found)] == [2, 5]
    assert dns.refused(b"")


def test_question_is_parsed():
    question = dns.parse_question(query("a.Bc", dns.AAAA))
    assert (question.name, question.kind) == ("a.Bc", dns.AAAA)


def test_what_is_no_plain_query_is_ignored():
    for packet in (b"", b"x" * 11, query("a", flags=0x8000), query("a", flags=0x0800)):
        assert dns.parse_question(packet) is None
    assert dns.parse_question(query("a", questions=2)) is None
    assert dns.parse_question(query("a")[:-3]) is None
    pointer = query("a")[:12] + b"\xc0\x0c" + b"\0\1\0\1"  # a name that points at itself
    assert dns.parse_question(pointer) is None


def test_address_answer_repeats_the_question_and_allows_recursion():
    packet = query("WEB")
    found = answered(packet)
    assert found[:12] == struct.pack(">HHHHHH", 7, 0x8180, 1, 1, 0, 0)
    assert found[12:].startswith(packet[12:])
    assert found.endswith(struct.pack(">HHHIH", 0xC00C, dns.A, 1, 600, 4) + b"\x0a\0\0\2")


def test_known_name_without_such_an_address_is_answered_empty():
    found = answered(query("web", dns.AAAA))
    assert struct.unpack_from(">HHHHHH", found)[1:4] == (0x8180, 1, 0)


def test_unknown_names_go_outside_or_dont_exist():
    assert answered(query("nosuch")) is None
    found = answered(query("nosuch"), View({"n1": "net"}, forwards=False))
    assert found[3] & 15 == dns.NXDOMAIN


def test_reverse_name_is_found_for_both_notations():
    assert b"\3web\3net\0" in answered(query("2.0.0.10.in-addr.arpa", dns.PTR))
    assert answered(query("nosense.in-addr.arpa", dns.PTR)) is None
    assert dns._reversed_address("1" + ".0" * 30 + ".f.ip6.arpa") == "f000::1"


def test_long_answers_are_cut_for_udp():
    packet = query("web")
    question = dns.parse_question(packet)
    records = [(dns.A, bytes(4))] * 60
    cut = dns.truncate(dns.reply(packet, question, code=0, records=records), question)
    assert len(cut) == len(packet)
    assert struct.unpack_from(">HHH", cut, 2) == (0x8180 | 0x0200, 1, 0)


def test_names_are_seen_by_network_and_alias_shared():
    names = table()
    names.add(Endpoint("e2", "n1", "net", ipv4="10.0.0.3", dns_names=("db", "www")))
    names.add(Endpoint("e3", "n2", "other", ipv4="10.1.0.3", dns_names=("far",)))
    assert {end.id for end in names.resolve(VIEW, "www.")} == {"e1", "e2"}
    assert [end.id for end in names.resolve(VIEW, "db.net")] == ["e2"]
    assert names.resolve(VIEW, "far") == ()
    assert [end.id for end in names.resolve(View({"n1": "net"}, {"x": "db"}), "X")] == ["e2"]
    names.remove(Endpoint("e2", "n1", "net"))
    assert names.resolve(VIEW, "db") == ()
    assert names.reverse(VIEW, "10.0.0.3") == ""
