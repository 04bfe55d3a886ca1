"""The text of rules for virtual addresses and the mesh; what names mean in an overlay."""

import pytest

from sampan.network.names import NameTable, View
from sampan.network.overlay_model import MeshPort, OverlayName, OverlayService, OverlayState
from sampan.network.overlay_names import meanings
from sampan.network.overlay_rules import mesh_text, vip_removal, vip_text

WEB = OverlayService("web", ("www",), "10.0.1.2", ("10.0.1.3", "10.0.1.4"))


def rules(text: str, chain: str) -> list[str]:
    found = [line for line in text.splitlines() if line.startswith("add rule")]
    return [line.split(maxsplit=5)[5] for line in found if line.split()[4] == chain]


def test_a_virtual_address_leads_to_its_backends_in_turn() -> None:
    assert rules(vip_text(4097, [WEB]), "services") == [
        "ip daddr 10.0.1.2 dnat to numgen inc mod 2 map { 0 : 10.0.1.3, 1 : 10.0.1.4 }"
    ]


@pytest.mark.parametrize(
    ("start", "first"), [(0, "10.0.1.3"), (1, "10.0.1.4"), (2, "10.0.1.3"), (5, "10.0.1.4")]
)
def test_turns_begin_where_they_are_told(start: int, first: str) -> None:
    assert f"{{ 0 : {first}," in vip_text(4097, [WEB], start)


def test_one_backend_takes_no_turns() -> None:
    lone = OverlayService("web", (), "10.0.1.2", ("10.0.1.3",))
    assert rules(vip_text(4097, [lone]), "services") == ["ip daddr 10.0.1.2 dnat to 10.0.1.3"]


def test_without_backends_clients_are_refused() -> None:
    text = vip_text(4097, [OverlayService("web", (), "10.0.1.2")])
    assert rules(text, "services") == []
    assert rules(text, "unserved") == [
        "ip daddr 10.0.1.2 meta l4proto tcp reject with tcp reset",
        "ip daddr 10.0.1.2 reject with icmp type host-unreachable",
    ]


def test_round_robin_by_names_needs_no_rule() -> None:
    text = vip_text(4097, [OverlayService("rr", (), "", ("10.0.1.3",))])
    assert rules(text, "services") == rules(text, "unserved") == []


def test_a_text_replaces_what_was_there() -> None:
    text = vip_text(4097, [WEB])
    for chain in ("services", "unserved", "output", "prerouting"):
        assert f"flush chain ip sampan_vip_1001 {chain}" in text
    assert text.index("flush chain ip sampan_vip_1001 services") < text.index("numgen")
    assert vip_removal(4097).split("\n")[:2] == [
        "add table ip sampan_vip_1001",
        "delete table ip sampan_vip_1001",
    ]


def test_ports_of_the_mesh() -> None:
    ports = [
        MeshPort("tcp", 8080, 80, ("10.0.0.5", "10.0.0.6")),
        MeshPort("udp", 53, 5353, ("10.0.0.5",)),
        MeshPort("tcp", 9000, 9000),
    ]
    text = mesh_text("eth0", ports)
    assert rules(text, "ports") == [
        "tcp dport 8080 dnat to numgen inc mod 2 map { 0 : 10.0.0.5, 1 : 10.0.0.6 } : 80",
        "udp dport 53 dnat to 10.0.0.5 : 5353",
    ]
    assert rules(text, "leave") == ['oifname "eth0" masquerade']


STATE = OverlayState(
    id="n",
    name="front",
    vni=4097,
    services=(
        WEB,
        OverlayService("rr", (), "", ("10.0.1.3", "10.0.1.9")),
        OverlayService("none", (), ""),
    ),
    tasks=(OverlayName(("web.1.x",), "10.0.1.3"), OverlayName(("shell", "abc"), "10.0.1.9")),
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web", {"10.0.1.2"}),
        ("WWW", {"10.0.1.2"}),
        ("web.front", {"10.0.1.2"}),
        ("tasks.web", {"10.0.1.3", "10.0.1.4"}),
        ("tasks.www", {"10.0.1.3", "10.0.1.4"}),
        ("rr", {"10.0.1.3", "10.0.1.9"}),
        ("tasks.rr", {"10.0.1.3", "10.0.1.9"}),
        ("web.1.x", {"10.0.1.3"}),
        ("shell", {"10.0.1.9"}),
        ("abc", {"10.0.1.9"}),
        ("none", set()),
        ("web.2.y", set()),
    ],
)
def test_names(name: str, expected: set[str]) -> None:
    table = NameTable()
    table.set_far("n", *meanings(STATE))
    found = table.resolve(View({"n": "front"}), name)
    assert {endpoint.ipv4 for endpoint in found} == expected
    assert table.resolve(View({"other": "front"}), name) == ()
    table.drop_far("n")
    assert table.resolve(View({"n": "front"}), name) == ()


@pytest.mark.parametrize(
    ("address", "name"),
    [("10.0.1.2", "web.front"), ("10.0.1.3", "web.1.x.front"), ("10.0.1.77", "")],
)
def test_reverse(address: str, name: str) -> None:
    table = NameTable()
    table.set_far("n", *meanings(STATE))
    assert table.reverse(View({"n": "front"}), address) == name
