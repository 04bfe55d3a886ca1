"""Networks as things of the kernel: bridges stand, rules know them, addresses can be handed out.

Owned by the networking thread. `start` brings the machine in line with the documents and makes the
three predefined networks; the default bridge follows the daemon's settings, all others their
documents. A network that can't be made to stand leaves nothing: every step pushes its undo before
it is done, as it may fail after half of it.
"""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import ip_interface, ip_network

from sampan.errors import AlreadyExists, Denied, Internal, SampanError, Unavailable
from sampan.lib.cleanup import attempted
from sampan.lib.ids import random_id
from sampan.lib.log import fields
from sampan.linux.netlink import Netlink
from sampan.linux.rtmessages import NetlinkError
from sampan.linux.sysctl import ensure_ipv6_forwarding, ensure_sysctl
from sampan.network import bridge, overlay_device, parents
from sampan.network.addresses import Addresses
from sampan.network.files import nameservers
from sampan.network.firewall import Firewall
from sampan.network.host_resolver import read_host_resolv_conf
from sampan.network.ipam import Net, choose_subnet
from sampan.network.model import (
    BRIDGE,
    HOST,
    NONE,
    NULL_DRIVER,
    OPTION_BRIDGE_NAME,
    OPTION_DEFAULT,
    OPTION_HOST_IP,
    OPTION_ICC,
    OPTION_MASQUERADE,
    OPTION_MTU,
    OVERLAY,
    Network,
    NetworkSettings,
    NetworkSpec,
    Pool,
)
from sampan.network.networks import NetworkTable
from sampan.network.plan import complete, local_ipv6_subnet, may_share, plan_network

log = logging.getLogger(__name__)


class Provisioner:
    def __init__(
        self,
        *,
        table: NetworkTable,
        settings: NetworkSettings,
        netlink: Netlink,
        firewall: Firewall,
        addresses: Addresses,
        now_ns: Callable[[], int],
    ) -> None:
        self._table = table
        self._settings = settings
        self._netlink = netlink
        self._firewall = firewall
        self._addresses = addresses
        self._now_ns = now_ns
        self._indexes: dict[str, int] = {}  # network id -> bridge's interface index
        self.underlay = overlay_device.Underlay()

    def start(self) -> None:
        if self._settings.ip_forward:
            ensure_sysctl("net/ipv4/ip_forward", "1")
        self._firewall.start()
        for name, driver in ((HOST, HOST), (NONE, NULL_DRIVER)):
            if self._table.find_name(name) is None:
                self._table.put(Network(random_id(), name, driver, self._now_ns()))
        self._ensure_default_bridge()
        for network in self._table.standing():
            try:
                self._stand_up(network)
            except Unavailable as reason:
                log.info(fields("network.waits", network=network.name, reason=reason.message))
            except (OSError, SampanError):  # one broken network must not keep the others down
                log.exception(fields("network.failed", network=network.name))

    def _stand_up(self, network: Network) -> None:
        """Wholly or not at all."""
        with ExitStack() as undo:
            undo.callback(self._addresses.close, network.id)
            self._addresses.open(network)
            undo.callback(self._indexes.pop, network.id, None)
            if network.on_parent:
                self._hang_on_parent(network, undo)
            elif network.driver == OVERLAY:
                self._raise_overlay(network, undo)
            else:
                self._raise_bridge(network, undo)
            undo.pop_all()

    def _hang_on_parent(self, network: Network, undo: ExitStack) -> None:
        if self._netlink.find_link(network.bridge_name) is None:
            parent = (parents.remove_parent, self._netlink, network)
            undo.callback(attempted, *parent, what="undo a parent")
        self._indexes[network.id] = parents.ensure_parent(self._netlink, network)

    def _raise_bridge(self, network: Network, undo: ExitStack) -> None:
        if network.enable_ipv6 and self._settings.ip_forward and not network.internal:
            ensure_ipv6_forwarding(self._uplinks())
        self._indexes[network.id] = bridge.ensure_bridge(self._netlink, network, undo)
        rules = (self._firewall.remove_bridge, network.bridge_name)
        undo.callback(attempted, *rules, what="undo a bridge's rules")
        self._firewall.add_bridge(bridge.firewall_rules(network))

    def _raise_overlay(self, network: Network, undo: ExitStack) -> None:
        index = overlay_device.ensure_overlay(self._netlink, network, self.underlay, undo)
        self._indexes[network.id] = index
        rules = (self._firewall.remove_bridge, network.bridge_name)
        undo.callback(attempted, *rules, what="undo a bridge's rules")
        self._firewall.add_bridge(bridge.firewall_rules(network))

    def adopt(self, network: Network) -> None:
        """A network of the swarm: documented, standing, and as it is described now."""
        known = self._table.find(network.id)
        if known != network:
            self._table.put(network)
        if network.id in self._indexes:
            with ExitStack() as undo:
                overlay_device.ensure_overlay(self._netlink, network, self.underlay, undo)
                undo.pop_all()
            return
        try:
            self._stand_up(network)
        except BaseException:
            if known is None:
                attempted(self._table.remove, network, what="undo a network")
            raise

    def retire(self, network: Network) -> None:
        """The swarm's network isn't used here any more; nobody is connected."""
        self._take_down(network)

    def _uplinks(self) -> list[str]:
        """The interfaces of the host's IPv6 default routes."""
        ways = {way.index for way in self._netlink.routes(6) if way.destination.prefixlen == 0}
        return [link.name for link in self._netlink.links() if link.index in ways]

    def uplink_index(self, network: Network) -> int:
        """The bridge or the parent that endpoints hang on."""
        if network.id not in self._indexes:
            raise Unavailable(f"the bridge of network {network.name} couldn't be set up")
        return self._indexes[network.id]

    def create(self, spec: NetworkSpec) -> Network:
        if self._table.find_name(spec.name) and spec.name not in {BRIDGE, HOST, NONE}:
            raise AlreadyExists(f"network with name {spec.name} already exists")
        network = plan_network(
            spec,
            created_ns=self._now_ns(),
            ours=self._table.subnets(),
            host=self._host_subnets(),
            default_pools=self._settings.default_address_pools,
            bridges={
                known.bridge_name: known.id
                for known in self._table.standing()
                if known.driver == BRIDGE
            },
        )
        self._check_parent(network)
        adopted = self._netlink.find_link(network.bridge_name) is not None
        network = replace(network, adopted=adopted)
        self._table.put(network)
        try:
            self._stand_up(network)
        except BaseException:
            attempted(self._table.remove, network, what="undo a network")
            raise
        log.info(fields("network.created", network=network.name, id=network.id))
        return network

    def _sharing(self, network: Network) -> list[Network]:
        """Other networks with the same parent."""
        return [
            other
            for other in self._table.standing()
            if network.on_parent
            and other.on_parent
            and other.id != network.id
            and other.bridge_name == network.bridge_name
        ]

    def _check_parent(self, network: Network) -> None:
        """Raises Internal for a parent whose other networks need it in another way."""
        for other in self._sharing(network):
            if not may_share(network, other):
                user = parents.lone_parent(other.driver, other.id[:12])
                raise Internal(
                    f"network {user} is already using parent interface {network.bridge_name}"
                )

    def remove(self, network: Network) -> None:
        """The caller has seen to it that nobody is connected."""
        if network.predefined:
            raise Denied(f"{network.name} is a pre-defined network and cannot be removed")
        self._take_down(network)
        log.info(fields("network.removed", network=network.name, id=network.id))

    def _take_down(self, network: Network) -> None:
        if network.on_parent:
            self._leave_parent(network)
        else:
            self._firewall.remove_bridge(network.bridge_name)
            if network.driver == OVERLAY:
                overlay_device.remove_vxlan(self._netlink, network)
            bridge.remove_ports(self._netlink, network, self._settings.veth_prefix)
            bridge.remove_bridge(self._netlink, network)
        self._addresses.close(network.id)
        self._indexes.pop(network.id, None)
        self._table.remove(network)

    def _leave_parent(self, network: Network) -> None:
        heirs = self._sharing(network)
        if not heirs:
            parents.remove_parent(self._netlink, network)
        elif not network.adopted:  # a sub-interface that we made: the next one removes it
            self._table.put(replace(heirs[0], adopted=False))

    def remove_all(self) -> None:
        """Every bridge that is ours; the documents stay."""
        for network in self._table.standing():
            remove = parents.remove_parent if network.on_parent else bridge.remove_bridge
            if network.driver == OVERLAY:
                remove = overlay_device.remove_overlay
            try:
                bridge.remove_ports(self._netlink, network, self._settings.veth_prefix)
                remove(self._netlink, network)
            except NetlinkError as failure:
                log.warning(fields("bridge.not_removed", network=network.name, reason=failure))

    # --- the default bridge ------------------------------------------------------------------

    def _ensure_default_bridge(self) -> None:
        present = self._table.find_name(BRIDGE)
        if self._settings.bridge_name == NONE:
            if present:
                self._take_down(present)
            return
        pool, adopted = self._default_pool(present)
        wanted = Network(
            id=present.id if present else random_id(),
            name=BRIDGE,
            driver=BRIDGE,
            created_ns=present.created_ns if present else self._now_ns(),
            enable_ipv6=self._settings.ipv6,
            pools=(pool, *self._default_pools6(present)),
            options=self._default_options(),
            bridge_name=self._settings.bridge_name,
            adopted=adopted,
        )
        if wanted != present:
            self._table.put(wanted)

    def _default_pools6(self, present: Network | None) -> list[Pool]:
        if not self._settings.ipv6:
            return []
        if self._settings.fixed_cidr_v6:
            return [complete(Pool(subnet=self._settings.fixed_cidr_v6))]
        known = [pool for pool in present.live_pools if ":" in pool.subnet] if present else []
        return known or [complete(Pool(subnet=str(local_ipv6_subnet())))]

    def _default_options(self) -> dict[str, str]:
        settings = self._settings
        return {
            OPTION_DEFAULT: "true",
            OPTION_ICC: str(settings.icc).lower(),
            OPTION_MASQUERADE: str(settings.masquerade).lower(),
            OPTION_HOST_IP: settings.host_ip,
            OPTION_BRIDGE_NAME: settings.bridge_name,
            OPTION_MTU: str(settings.mtu or 1500),
        }

    def _default_pool(self, present: Network | None) -> tuple[Pool, bool]:
        """(subnet and gateway, whether the bridge is someone else's).

        First what the settings say, then what the bridge has, then what we had, then a free one.
        """
        link = self._netlink.find_link(self._settings.bridge_name)
        ours = present is not None and present.bridge_name == self._settings.bridge_name
        adopted = link is not None and not (ours and present is not None and not present.adopted)
        if self._settings.bip:
            return _pool_of(self._settings.bip), adopted
        if link:
            for _, entry in self._netlink.addresses(link.index):
                if entry.version == 4:
                    return _pool_of(str(entry)), adopted
        taken = [*self._table.subnets(without=present.id if present else ""), *self._host_subnets()]
        if present and present.pools:
            subnet = ip_network(present.pools[0].subnet)
            if not any(subnet.overlaps(other) for other in taken if other.version == 4):
                return present.pools[0], adopted
        chosen = choose_subnet(self._settings.default_address_pools, taken)
        return complete(Pool(subnet=str(chosen))), adopted

    def _host_subnets(self) -> list[Net]:
        """What the machine uses itself: its routes, addresses and name servers."""
        found: list[Net] = self._netlink.claimed()
        found += [entry.network for _, entry in self._netlink.addresses()]
        for server in nameservers(read_host_resolv_conf()):
            try:
                found.append(ip_network(server))
            except ValueError:
                continue
        return found


def _pool_of(text: str) -> Pool:
    """The pool of a bridge that has this address, such as 172.17.0.1/16."""
    entry = ip_interface(text)
    return Pool(subnet=str(entry.network), gateway=str(entry.ip))
