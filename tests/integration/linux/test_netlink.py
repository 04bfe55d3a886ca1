"""rtnetlink, nftables and their notices in a namespace made for the test (needs root)."""

import errno
import threading
from ipaddress import IPv4Interface, ip_address, ip_network

import pytest

from sampan.linux import mounts, namespaces, rtmessages, rtroutes
from sampan.linux.netlink import Netlink
from sampan.linux.nft import Nft, RulesetRefused
from sampan.linux.nfwatch import RulesetWatch
from sampan.linux.rtmessages import NetlinkError

pytestmark = pytest.mark.integration


@pytest.fixture
def inside(tmp_path):
    """The test runs in a namespace of its own."""
    path = tmp_path / "ns"
    namespaces.create_netns(path, lambda: None)
    with namespaces.entered_path(path):
        yield path
    namespaces.remove_netns(path)
    assert mounts.mounts_below(tmp_path) == []


def test_bridge_with_address_and_route(inside):
    with Netlink() as netlink:
        netlink.execute(rtmessages.create_bridge("b0", mac="02:42:00:00:00:01", mtu=1400))
        link = netlink.get_link("b0")
        assert (link.kind, link.up, link.mac, link.mtu) == (
            "bridge",
            True,
            "02:42:00:00:00:01",
            1400,
        )
        address = IPv4Interface("10.0.0.1/24")
        netlink.execute(
            rtroutes.add_address(link.index, address),
            rtroutes.replace_default_route(ip_address("10.0.0.2"), link.index),
            rtroutes.add_route(ip_network("10.9.0.0/16"), link.index),
        )
        assert netlink.addresses(link.index) == [(link.index, address)]
        routes = {str(r.destination): r.gateway for r in netlink.routes()}
        assert routes["0.0.0.0/0"] == ip_address("10.0.0.2")
        assert set(routes) == {"0.0.0.0/0", "10.0.0.0/24", "10.9.0.0/16"}
        netlink.execute(rtroutes.delete_default_route(4))
        netlink.execute(rtroutes.delete_address(link.index, address))
        assert netlink.addresses(link.index) == []
        netlink.execute(rtmessages.delete_link(link.index))
        assert netlink.find_link("b0") is None


def test_refusals_carry_errno_and_later_requests_still_work(inside):
    with Netlink() as netlink:
        netlink.execute(rtmessages.create_bridge("b0"))
        with pytest.raises(NetlinkError) as failure:
            netlink.execute(rtmessages.create_bridge("b0"), rtmessages.create_bridge("b1"))
        assert failure.value.errno == errno.EEXIST
        assert {link.name for link in netlink.links()} >= {"b0", "b1"}
        with pytest.raises(NetlinkError):
            netlink.get_link("nosuch")


def test_namespace_is_left_even_after_a_failure(inside):
    with Netlink() as netlink:
        netlink.execute(rtmessages.create_bridge("mark"))
    other = inside.parent / "other"

    def failing():
        raise ValueError

    with pytest.raises(ValueError):
        namespaces.create_netns(other, failing)
    assert not other.exists()
    with Netlink() as netlink:
        assert netlink.find_link("mark")


def test_is_netns_tells_mounts_from_files(inside, tmp_path):
    (tmp_path / "file").touch()
    assert namespaces.is_netns(inside)
    assert not namespaces.is_netns(tmp_path / "file")
    assert not namespaces.is_netns(tmp_path / "nosuch")


def test_commands_of_one_run_happen_together_or_not_at_all(inside):
    with Nft() as nft:
        nft.run("add table ip a\nadd set ip a s { type ipv4_addr; }")
        with pytest.raises(RulesetRefused, match="No such file"):
            nft.run("add element ip a s { 10.0.0.1 }\ndelete element ip a s { 10.0.0.2 }")
        (found,) = nft.list("set ip a s")
        assert "elem" not in found["set"]


def test_watch_reports_what_others_do_and_not_what_its_owner_does(inside):
    watch = RulesetWatch(threading.get_native_id())
    with Nft() as nft:
        nft.run("add table ip mine\nadd chain ip mine c")
        assert watch.drain().tables == frozenset()
        stranger = threading.Thread(target=_in_namespace, args=(inside, "delete chain ip mine c"))
        stranger.start()
        stranger.join()
        change = watch.drain()
    watch.close()
    assert (change.tables, change.structure, change.lost_notices) == ({"mine"}, {"mine"}, False)


def _in_namespace(path, commands):
    with namespaces.entered_path(path), Nft() as nft:
        nft.run(commands)
