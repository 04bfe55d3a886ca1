"""An overlay network as things of the kernel: a bridge, and a VXLAN device as one of its ports.

    sandbox --veth-- bridge --- vxlan ==UDP== vxlan --- bridge --veth-- sandbox
                     (no address: the host isn't in the network)

The device neither learns nor floods: for each far address it has a permanent neighbour and a
permanent tunnel entry (`sync_peers`), and answers ARP questions itself. Both devices are in the
daemon's network namespace and called after the instance and the network's number. What is there
after a restart is taken up; a device with another tunnel end is made anew.

Functions of the networking thread.
"""

import errno
import logging
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from sampan.errors import Unavailable
from sampan.lib.cleanup import attempted
from sampan.lib.log import fields
from sampan.linux import rtmessages as rt
from sampan.linux import rtneigh
from sampan.linux.netlink import Netlink
from sampan.linux.rtmessages import NetlinkError, Request
from sampan.linux.sysctl import ensure_sysctl
from sampan.network.bridge import mac_of, mtu_of, remove_bridge
from sampan.network.model import Network
from sampan.network.overlay_model import OPTION_VNI, OverlayPeer

log = logging.getLogger(__name__)

OVERHEAD_BYTES = 50  # outer Ethernet, IP, UDP and VXLAN headers
_DEFAULT_UNDERLAY_MTU = 1500
_BATCH = 100  # requests whose answers fit a socket's buffer


@dataclass(slots=True)
class Underlay:
    """Where tunnels of this node begin; `vtep` is "" until the swarm has said."""

    vtep: str = ""
    port: int = 4789


def bridge_name(prefix: str, vni: int) -> str:
    return f"{prefix}b{vni:x}"


def vxlan_name(network: Network) -> str:
    """`ovb1001` -> `ovx1001`."""
    vni = f"{vni_of(network):x}"
    return f"{network.bridge_name.removesuffix(f'b{vni}')}x{vni}"


def vni_of(network: Network) -> int:
    return int(network.options[OPTION_VNI])


def underlay_mtu(netlink: Netlink, vtep: str) -> int:
    """Of the interface that has the tunnel end's address."""
    for index, entry in netlink.addresses():
        if str(entry.ip) == vtep:
            return next(link.mtu for link in netlink.links() if link.index == index)
    return _DEFAULT_UNDERLAY_MTU


def ensure_overlay(netlink: Netlink, network: Network, underlay: Underlay, undo: ExitStack) -> int:
    """Returns the bridge's index. `undo` takes back what wasn't there before."""
    link = netlink.find_link(network.bridge_name)
    found = rtneigh.find_vxlan(netlink, vxlan_name(network))
    if not underlay.vtep and (link is None or found is None):
        raise Unavailable(f"network {network.name} waits for its swarm")
    if link is None:
        undo.callback(attempted, remove_bridge, netlink, network, what="undo a bridge")
        mac = mac_of("")
        made = rt.create_bridge(network.bridge_name, mac=mac, mtu=mtu_of(network), snooping=False)
        netlink.execute(made)
        ensure_sysctl(f"net/ipv6/conf/{network.bridge_name}/disable_ipv6", "1")
        link = netlink.get_link(network.bridge_name)
        log.info(fields("overlay.created", bridge=network.bridge_name, network=network.name))
    if underlay.vtep:
        _ensure_vxlan(netlink, network, underlay, link.index, undo)
    return link.index


def _ensure_vxlan(
    netlink: Netlink, network: Network, underlay: Underlay, bridge: int, undo: ExitStack
) -> None:
    name = vxlan_name(network)
    wanted = rtneigh.Vxlan(
        name, vni_of(network), underlay.vtep, underlay.port, bridge, mtu_of(network)
    )
    found = rtneigh.find_vxlan(netlink, name)
    if found and found[1] == wanted:
        return
    remove_vxlan(netlink, network)
    undo.callback(attempted, remove_vxlan, netlink, network, what="undo a tunnel")
    try:
        netlink.execute(rtneigh.create_vxlan(wanted))
    except NetlinkError as error:
        if error.errno != errno.EEXIST:
            raise
        raise Unavailable(
            f"network {network.name}: VXLAN {wanted.vni} on port {wanted.port} is in use on this"
            " machine",
            hint="two swarm nodes on one machine need a network namespace each",
        ) from error
    ensure_sysctl(f"net/ipv6/conf/{name}/disable_ipv6", "1")


def remove_vxlan(netlink: Netlink, network: Network) -> None:
    """Not there is fine."""
    link = netlink.find_link(vxlan_name(network))
    if link is not None:
        netlink.execute(rt.delete_link(link.index))


def remove_overlay(netlink: Netlink, network: Network) -> None:
    remove_vxlan(netlink, network)
    remove_bridge(netlink, network)


def sync_peers(netlink: Netlink, network: Network, vtep: str, peers: Iterable[OverlayPeer]) -> int:
    """Make the device know exactly `peers` (but those of this node); returns how much changed."""
    found = rtneigh.find_vxlan(netlink, vxlan_name(network))
    if found is None:
        return 0
    index, _ = found
    far = {peer.address: peer.vtep for peer in peers if peer.vtep != vtep}
    macs = {address: mac_of(address) for address in far}
    ends = {macs[address]: end for address, end in far.items()}
    known_macs, known_ends = rtneigh.neighbours(netlink, index), rtneigh.tunnels(netlink, index)
    drops = [
        *(rtneigh.drop_neighbour(index, address) for address in known_macs.keys() - macs),
        *(rtneigh.drop_tunnel(index, mac, known_ends[mac]) for mac in known_ends.keys() - ends),
    ]
    sets = [
        # the way first: who is told the MAC may use it at once
        *(rtneigh.set_tunnel(index, mac, end) for mac, end in _news(ends, known_ends)),
        *(rtneigh.set_neighbour(index, address, mac) for address, mac in _news(macs, known_macs)),
    ]
    for request in drops:
        with suppress(NetlinkError):  # gone by itself
            netlink.execute(request)
    _execute(netlink, sets)
    return len(drops) + len(sets)


def _news(wanted: Mapping[str, str], known: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(key, value) for key, value in wanted.items() if known.get(key) != value]


def _execute(netlink: Netlink, requests: list[Request]) -> None:
    for first in range(0, len(requests), _BATCH):
        netlink.execute(*requests[first : first + _BATCH])
