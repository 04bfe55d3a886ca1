"""Endpoints as things of the kernel: addresses, interfaces, the way out.

Owned by the networking thread; `controller` keeps the books of who is where. `attach` is done
wholly or not at all. An endpoint that is abandoned (its sandbox is dropped) goes in the background
and may answer for its address a little longer; whoever gets the address next waits until it is
gone.
"""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import ip_interface, ip_network
from pathlib import Path

from sampan.lib.cleanup import attempted
from sampan.lib.log import fields
from sampan.linux import rtmessages
from sampan.linux.netlink import Netlink
from sampan.network import bridge, endpoints, sandbox
from sampan.network.addresses import Addresses
from sampan.network.ipam import AddressInUse
from sampan.network.model import (
    IPVLAN,
    OPTION_ICC,
    OPTION_IPVLAN_FLAG,
    OPTION_IPVLAN_MODE,
    OPTION_MACVLAN_MODE,
    Endpoint,
    EndpointRequest,
    Network,
    NetworkSettings,
)
from sampan.network.provision import Provisioner

log = logging.getLogger(__name__)

_IFNAMSIZ = 15


class Attachments:
    def __init__(
        self,
        *,
        settings: NetworkSettings,
        provisioner: Provisioner,
        addresses: Addresses,
        netlink: Netlink,
    ) -> None:
        self._settings = settings
        self._provisioner = provisioner
        self._addresses = addresses
        self._netlink = netlink
        self._fading: dict[str, str] = {}  # address -> interface that may still answer for it

    def attach(
        self,
        path: Path,
        present: Sequence[Endpoint],
        network: Network,
        endpoint: Endpoint,
        request: EndpointRequest,
    ) -> Endpoint:
        """The endpoint with addresses and interface, beside those `present` in the sandbox."""
        before = endpoints.gateway_endpoint(present)
        with ExitStack() as undo:
            endpoint = self._address(undo, network, endpoint, request)
            endpoint = replace(
                endpoint,
                interface=endpoints.interface_name(present, network, request),
                # all faces of an ipvlan parent have the parent's
                mac="" if network.driver == IPVLAN else request.mac or bridge.mac_of(endpoint.ipv4),
                direct=network.routed and network.leads_outside,
            )
            if not network.on_parent:
                name = f"{self._settings.veth_prefix}{endpoint.id}"[:_IFNAMSIZ]
                endpoint = replace(endpoint, host_interface=name)
            outward = endpoints.gateway_endpoint([*present, endpoint])
            leads = outward is endpoint
            if before and leads:  # its default routes are about to be replaced
                undo.callback(attempted, self._lead, path, before, what="undo a way out")
            sandbox.attach(self._netlink, path, self._attachment(network, endpoint, leads))
            undo.callback(attempted, self._take_out, path, endpoint, what="undo an interface")
            if before and leads and before.gateway6 and not endpoint.gateway6:
                self._lead(path, endpoint)
            undo.pop_all()
        log.debug(fields("endpoint.joined", network=network.name, address=endpoint.ipv4))
        return endpoint

    def _lead(self, path: Path, endpoint: Endpoint) -> None:
        sandbox.set_gateways(path, endpoint.interface, endpoints.gateways(endpoint))

    def withdraw(self, path: Path, present: Sequence[Endpoint], endpoint: Endpoint) -> None:
        """Undo an `attach`; `present` are the endpoints that stay. Failures are logged."""
        attempted(self._take_out, path, endpoint, what="undo an interface")
        self._addresses.release(endpoint.network_id, endpoint.ipv4, endpoint.ipv6)
        before = endpoints.gateway_endpoint(present)
        if before and endpoints.gateway_endpoint([*present, endpoint]) is endpoint:
            attempted(self._lead, path, before, what="undo a way out")

    def _attachment(self, network: Network, endpoint: Endpoint, leads: bool) -> sandbox.Attachment:
        texts = [(endpoint.ipv4, endpoint.prefix), (endpoint.ipv6, endpoint.prefix6)]
        index = self._provisioner.uplink_index(network)
        options = network.options
        uplink: sandbox.BridgePort | sandbox.ParentFace | sandbox.RoutedFace
        if network.driver == IPVLAN:
            mode = options.get(OPTION_IPVLAN_MODE) or "l2"
            uplink = sandbox.RoutedFace(index, mode, options.get(OPTION_IPVLAN_FLAG) or "bridge")
        elif network.on_parent:
            uplink = sandbox.ParentFace(index, options.get(OPTION_MACVLAN_MODE) or "bridge")
        else:
            isolated = not network.flag(OPTION_ICC, default=True)
            uplink = sandbox.BridgePort(endpoint.host_interface, index, isolated)
        return sandbox.Attachment(
            name=endpoint.interface,
            uplink=uplink,
            mac=endpoint.mac,
            addresses=[ip_interface(f"{text}/{length}") for text, length in texts if text],
            gateways=endpoints.gateways(endpoint) if leads else (),
            mtu=bridge.mtu_of(network),
        )

    def _address(
        self, undo: ExitStack, network: Network, endpoint: Endpoint, request: EndpointRequest
    ) -> Endpoint:
        """Fill in addresses and gateways; `undo` gives the addresses back."""
        taken: dict[int, tuple[str, int, str]] = {4: ("", 0, ""), 6: ("", 0, "")}
        for version, wanted in ((4, request.ipv4), (6, request.ipv6)):
            text = self._addresses.take(network.id, version, wanted)
            if text:
                address, _, prefix = text.partition("/")
                undo.callback(self._addresses.release, network.id, address)
                asks = network.leads_outside and not network.routed
                gateway = _gateway(network, version) if asks else ""
                taken[version] = (address, int(prefix), gateway)
                self._evict(address)
        ipv4, prefix4, gateway4 = taken[4]
        ipv6, prefix6, gateway6 = taken[6]
        return replace(
            endpoint,
            ipv4=ipv4,
            prefix=prefix4,
            gateway=gateway4,
            ipv6=ipv6,
            prefix6=prefix6,
            gateway6=gateway6,
        )

    def _evict(self, address: str) -> None:
        """If the kernel hasn't yet removed the interface that had `address` before, do it now."""
        interface = self._fading.pop(address, "")
        if interface:
            sandbox.detach(self._netlink, interface)

    def detach(self, path: Path, endpoint: Endpoint) -> None:
        """Take the interface out of a sandbox that goes on."""
        self._take_out(path, endpoint)
        self._addresses.release(endpoint.network_id, endpoint.ipv4, endpoint.ipv6)

    def _take_out(self, path: Path, endpoint: Endpoint) -> None:
        if endpoint.host_interface:
            sandbox.detach(self._netlink, endpoint.host_interface)
        elif endpoint.interface:
            sandbox.detach_inside(path, endpoint.interface)

    def abandon(self, path: Path, endpoint: Endpoint) -> None:
        """The sandbox is about to be dropped, and its interfaces with it."""
        if endpoint.interface and not endpoint.host_interface:
            # two faces of one parent can't have the same address, not even for a moment
            sandbox.detach_inside(path, endpoint.interface)
        self._addresses.release(endpoint.network_id, endpoint.ipv4, endpoint.ipv6)
        if endpoint.host_interface:
            for text in filter(None, (endpoint.ipv4, endpoint.ipv6)):
                self._fading[text] = endpoint.host_interface

    def interface_at(self, index: int) -> str:
        """The name of the host's interface with this index; "" if it is gone."""
        return next((link.name for link in self._netlink.links() if link.index == index), "")

    def take_up(self, network: Network, endpoint: Endpoint) -> None:
        """An endpoint that an earlier daemon attached."""
        if not network.addressed:
            return
        for version, text in ((4, endpoint.ipv4), (6, endpoint.ipv6)):
            try:
                if text:
                    self._addresses.take(network.id, version, text)
            except AddressInUse:
                log.warning(fields("endpoint.address_in_use", address=text))
        self._reattach(network, endpoint)

    def _reattach(self, network: Network, endpoint: Endpoint) -> None:
        """A bridge that had to be made anew gets its ports back."""
        if not endpoint.host_interface:
            return
        index = self._provisioner.uplink_index(network)
        link = self._netlink.find_link(endpoint.host_interface)
        if link is None or link.master == index:
            return
        isolated = not network.flag(OPTION_ICC, default=True)
        port = rtmessages.bridge_port(endpoint.host_interface, hairpin=True, isolated=isolated)
        self._netlink.execute(rtmessages.set_master(link.index, index), port)


def _gateway(network: Network, version: int) -> str:
    for pool in network.live_pools:
        if ip_network(pool.subnet).version == version:
            return pool.gateway
    return ""
