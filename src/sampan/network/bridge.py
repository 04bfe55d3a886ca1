"""The bridge device of a network: made if missing, addressed, and fit for published ports.

Functions of the networking thread, in the host's namespace. `ensure_bridge` is idempotent: at
every start of the daemon it puts back what was lost and touches nothing else.
"""

import logging
import secrets
from contextlib import ExitStack, suppress
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network

from sampan.lib.cleanup import attempted
from sampan.lib.log import fields
from sampan.linux import rtmessages as rt
from sampan.linux import rtroutes
from sampan.linux.netlink import Netlink
from sampan.linux.rtmessages import NetlinkError
from sampan.linux.sysctl import ensure_sysctl
from sampan.network.model import OPTION_ICC, OPTION_MASQUERADE, OPTION_MTU, OVERLAY, Network
from sampan.network.ruleset import BridgeRules

log = logging.getLogger(__name__)


def mac_of(ipv4: str) -> str:
    """Docker's scheme: 02:42 and the address. The same address always has the same MAC."""
    if not ipv4:
        return "02:42:" + secrets.token_bytes(4).hex(":")
    return "02:42:" + ip_address(ipv4).packed.hex(":")


def mtu_of(network: Network) -> int:
    text = network.options.get(OPTION_MTU, "")
    return int(text) if text.isdecimal() else 0


def gateway_interfaces(network: Network) -> list[IPv4Interface | IPv6Interface]:
    """The bridge's own addresses."""
    return [
        ip_interface(f"{pool.gateway}/{ip_network(pool.subnet).prefixlen}")
        for pool in network.live_pools
        if pool.gateway
    ]


def ensure_bridge(netlink: Netlink, network: Network, undo: ExitStack) -> int:
    """Returns the interface's index. `undo` takes back what wasn't there before."""
    wanted = gateway_interfaces(network)
    link = netlink.find_link(network.bridge_name)
    if link is None:
        own = next((str(entry.ip) for entry in wanted if entry.version == 4), None)
        mac = mac_of(own) if own else ""
        # neighbour discovery is multicast: while a new bridge learns, the first packets wait 1 s
        made = rt.create_bridge(
            network.bridge_name, mac=mac, mtu=mtu_of(network), snooping=not network.enable_ipv6
        )
        undo.callback(attempted, remove_bridge, netlink, network, what="undo a bridge")
        netlink.execute(made)
        if network.enable_ipv6:
            _settle_ipv6(network.bridge_name)
        link = netlink.get_link(network.bridge_name)
        log.info(fields("bridge.created", bridge=network.bridge_name, network=network.name))
    if any(entry.version == 6 for entry in wanted):
        ensure_sysctl(f"net/ipv6/conf/{network.bridge_name}/disable_ipv6", "0")
        # a container must not tell the host where to route
        ensure_sysctl(f"net/ipv6/conf/{network.bridge_name}/accept_ra", "0")
    present = [entry for _, entry in netlink.addresses(link.index)]
    lacking = [entry for entry in wanted if entry not in present]
    undo.callback(_take_addresses, netlink, link.index, lacking)
    missing = [rtroutes.add_address(link.index, entry) for entry in lacking]
    if not link.up:
        missing.append(rt.set_up(link.index))
    if missing:
        netlink.execute(*missing)
    # published ports on 127.0.0.1 are rewritten to the container's address: without this the
    # kernel drops packets between loopback addresses and the bridge. The firewall's guard chain
    # keeps containers from using it in the other direction
    ensure_sysctl(f"net/ipv4/conf/{network.bridge_name}/route_localnet", "1")
    return link.index


def _take_addresses(
    netlink: Netlink, index: int, addresses: list[IPv4Interface | IPv6Interface]
) -> None:
    """Of a bridge that stays; what isn't there needn't be taken."""
    for entry in addresses:
        with suppress(NetlinkError):
            netlink.execute(rtroutes.delete_address(index, entry))


def _settle_ipv6(name: str) -> None:
    """The link-local address is good at once: nothing could have the same on a new bridge.

    Without it the host can't ask for neighbours of packets that it forwards.
    """
    ensure_sysctl(f"net/ipv6/conf/{name}/disable_ipv6", "1")
    ensure_sysctl(f"net/ipv6/conf/{name}/accept_dad", "0")
    ensure_sysctl(f"net/ipv6/conf/{name}/dad_transmits", "0")


def remove_bridge(netlink: Netlink, network: Network) -> None:
    """Blocks some tens of milliseconds. Not there is fine."""
    link = netlink.find_link(network.bridge_name)
    if link is not None and not network.adopted:
        netlink.execute(rt.delete_link(link.index))


def remove_ports(netlink: Netlink, network: Network, prefix: str) -> None:
    """Delete what dropped sandboxes left on the bridge: interfaces named with `prefix`.

    A namespace lives until the kernel has given up resending the last words of its connections,
    which takes minutes when their peers are gone as well; its interfaces would outlive the bridge.
    """
    bridge = netlink.find_link(network.bridge_name)
    for link in netlink.links() if bridge else ():
        if bridge and link.master == bridge.index and link.name.startswith(prefix):
            with suppress(NetlinkError):  # gone by itself
                netlink.execute(rt.delete_link(link.index))


def firewall_rules(network: Network) -> BridgeRules:
    if network.driver == OVERLAY:  # frames go through as they are: no address of ours is in it
        return BridgeRules(name=network.bridge_name)
    subnets = {ip_network(pool.subnet).version: pool.subnet for pool in network.live_pools}
    return BridgeRules(
        name=network.bridge_name,
        subnet=subnets.get(4, ""),
        subnet6=subnets.get(6, ""),
        internal=network.internal,
        icc=network.flag(OPTION_ICC, default=True),
        masquerade=network.flag(OPTION_MASQUERADE, default=True),
    )
