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

from sampan.lib.log import fields
from sampan.linux import rtmessages
from sampan.linux.netlink import Netlink
from sampan.network import bridge, endpoints, sandbox
from sampan.network.addresses import Addresses
from sampan.network.ipam import AddressInUse
from sampan.network.model import (
    BRIDGE,
    MACVLAN,
    OPTION_ICC,
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
                mac=request.mac or bridge.mac_of(endpoint.ipv4),
            )
            if network.driver == BRIDGE:
                name = f"{self._settings.veth_prefix}{endpoint.id}"[:_IFNAMSIZ]
                endpoint = replace(endpoint, host_interface=name)
            outward = endpoints.gateway_endpoint([*present, endpoint])
            leads = outward is endpoint
            sandbox.attach(self._netlink, path, self._attachment(network, endpoint, leads))
            undo.pop_all()
        log.debug(fields("endpoint.joined", network=network.name, address=endpoint.ipv4))
        if before and leads and before.gateway6 and not endpoint.gateway6:
            sandbox.set_gateways(path, endpoint.interface, endpoints.gateways(endpoint))
        return endpoint

    def _attachment(self, network: Network, endpoint: Endpoint, leads: bool) -> sandbox.Attachment:
        texts = [(endpoint.ipv4, endpoint.prefix), (endpoint.ipv6, endpoint.prefix6)]
        index = self._provisioner.uplink_index(network)
        uplink: sandbox.BridgePort | sandbox.ParentFace
        if network.driver == MACVLAN:
            mode = network.options.get(OPTION_MACVLAN_MODE) or "bridge"
            uplink = sandbox.ParentFace(index, mode)
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
                gateway = _gateway(network, version) if network.leads_outside else ""
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
        if endpoint.host_interface:
            sandbox.detach(self._netlink, endpoint.host_interface)
        elif endpoint.interface:
            sandbox.detach_inside(path, endpoint.interface)
        self._addresses.release(endpoint.network_id, endpoint.ipv4, endpoint.ipv6)

    def abandon(self, path: Path, endpoint: Endpoint) -> None:
        """The sandbox is about to be dropped, and its interfaces with it."""
        if endpoint.interface and not endpoint.host_interface:
            # two faces of one parent can't have the same address, not even for a moment
            sandbox.detach_inside(path, endpoint.interface)
        self._addresses.release(endpoint.network_id, endpoint.ipv4, endpoint.ipv6)
        if endpoint.host_interface:
            for text in filter(None, (endpoint.ipv4, endpoint.ipv6)):
                self._fading[text] = endpoint.host_interface

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
