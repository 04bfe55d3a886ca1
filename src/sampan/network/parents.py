"""The parent of a macvlan or ipvlan network: found, or made where the name says how.

    eth0           an interface of the host, taken as it is
    eth0.10        the VLAN 10 of eth0; made if missing, and then removed with the network
    dm-<id>        no parent given (di-<id> for ipvlan): an end of a pair that leads nowhere; the
                   containers of the network reach each other only. (A pair, as every kernel that
                   runs containers has it; the dummy interface that Docker takes often isn't there.)

Functions of the networking thread, in the host's namespace.
"""

import errno
import logging

from sampan.errors import InvalidArgument, Unsupported
from sampan.lib.log import fields
from sampan.linux import rtmessages as rt
from sampan.linux.netlink import Netlink
from sampan.linux.rtmessages import NetlinkError
from sampan.network.model import IPVLAN, MACVLAN, Network

log = logging.getLogger(__name__)

_LONE = {MACVLAN: "dm-", IPVLAN: "di-"}  # Docker's names
_LONE_PEER = "dp-"
_MAX_VLAN = 4094


def lone_parent(driver: str, short_id: str) -> str:
    """What a network without a parent hangs on; 15 characters are what a name may have."""
    return f"{_LONE[driver]}{short_id}"


def split_vlan(parent: str) -> tuple[str, int]:
    """`eth0.10` -> eth0, 10. Raises InvalidArgument."""
    master, dot, text = parent.rpartition(".")
    if not dot or not master:
        raise InvalidArgument(
            f"invalid subinterface vlan name {parent}, example formatting is eth0.10"
        )
    if not text.isdecimal():
        raise InvalidArgument(
            f"unable to parse a valid vlan id from: {text} (ex. eth0.10 for vlan 10)"
        )
    if not 1 <= int(text) <= _MAX_VLAN:
        raise InvalidArgument(f"vlan id must be between 1-{_MAX_VLAN}, received: {text}")
    return master, int(text)


def ensure_parent(netlink: Netlink, network: Network) -> int:
    """The index of the parent. Raises InvalidArgument for a name that isn't to be made."""
    name = network.bridge_name
    link = netlink.find_link(name)
    if link is None:
        if name == lone_parent(network.driver, network.id[:12]):
            netlink.execute(*rt.create_veth_pair(name, _LONE_PEER + network.id[:12]))
        else:
            _create_vlan(netlink, name)
        link = netlink.get_link(name)
        log.info(fields("network.parent_created", parent=name, network=network.name))
    return link.index


def _create_vlan(netlink: Netlink, name: str) -> None:
    master, number = split_vlan(name)
    link = netlink.find_link(master)
    if link is None:
        raise InvalidArgument(f"-o parent interface was not found on the host: {master}")
    try:
        netlink.execute(rt.create_vlan(name, link.index, number))
    except NetlinkError as error:
        if error.errno == errno.EOPNOTSUPP:
            raise Unsupported(
                f"failed to create {name} vlan link: operation not supported",
                hint="the kernel module 8021q is missing",
            ) from error
        raise


def remove_parent(netlink: Netlink, network: Network) -> None:
    """Not there is fine; what was there before the network stays."""
    link = netlink.find_link(network.bridge_name)
    if link is not None and not network.adopted:
        netlink.execute(rt.delete_link(link.index))
