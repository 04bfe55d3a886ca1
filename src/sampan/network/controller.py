"""Sandboxes and endpoints of one daemon: bookkeeping joined to kernel work.

Everything runs on the networking thread, one call at a time; `service` is the async face. Nothing
here is written to disk but networks: which container has which endpoint and port is in the
container's record, and comes back by `restore` when the daemon starts. What the kernel holds
(namespaces, interfaces, addresses, rules) goes on working in between.

Invariants: an address is in use exactly while its endpoint is in a sandbox here; every step that
can fail undoes the ones before it; `destroy` may be called at any time, any number of times.
"""

import logging
import socket
from collections.abc import Collection, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from sampan.errors import Denied, Internal, NotFound
from sampan.lib.ids import random_id
from sampan.lib.log import fields
from sampan.linux import namespaces
from sampan.network import endpoints, sandbox
from sampan.network.attachments import Attachments
from sampan.network.model import (
    BRIDGE,
    OPTION_HOST_IP,
    OVERLAY,
    Endpoint,
    EndpointRequest,
    Network,
    NetworkInUse,
    NetworkSettings,
    PortRequest,
    PublishedPort,
)
from sampan.network.names import HOST_NAMES, NameTable, View
from sampan.network.networks import NetworkTable
from sampan.network.outlets import Outlets
from sampan.network.provision import Provisioner
from sampan.network.publisher import Publisher, Target
from sampan.network.vips import VirtualAddresses

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Sandbox:
    """One container's networking; it has a namespace of ours only if `path` is there."""

    path: Path
    endpoints: dict[str, Endpoint] = field(default_factory=dict)  # by network id
    view: View = field(default_factory=View)


class NotConnected(Internal):
    def __init__(self, container_id: str, network: Network) -> None:
        super().__init__(f"container {container_id} is not connected to network {network.name}")


class Controller:
    def __init__(
        self,
        *,
        settings: NetworkSettings,
        table: NetworkTable,
        provisioner: Provisioner,
        attachments: Attachments,
        publisher: Publisher,
        names: NameTable,
        outlets: Outlets,
        vips: VirtualAddresses,
    ) -> None:
        self._settings = settings
        self._table = table
        self._provisioner = provisioner
        self._attachments = attachments
        self._publisher = publisher
        self._names = names
        self._outlets = outlets
        self._vips = vips
        self._sandboxes: dict[str, Sandbox] = {}

    def view(self, container_id: str) -> View:
        """What the container's resolver sees now. May be called from any thread."""
        found = self._sandboxes.get(container_id)
        return found.view if found else View()

    def containers_on(self, network_id: str) -> dict[str, Endpoint]:
        return {
            container_id: found.endpoints[network_id]
            for container_id, found in self._sandboxes.items()
            if network_id in found.endpoints
        }

    def remove_network(self, text: str) -> Network:
        network = self._table.get(text)
        users = self.containers_on(network.id)
        if users and not network.predefined:
            shorts = {end.id[:12]: end.container_name for end in users.values()}
            raise NetworkInUse(network, shorts)
        self._provisioner.remove(network)
        return network

    # --- sandboxes ---------------------------------------------------------------------------

    def create_sandbox(self, container_id: str) -> Path:
        path = self._settings.netns_root / container_id
        if container_id in self._sandboxes:
            self.destroy(container_id)
        namespaces.remove_netns(path)
        sandbox.create_sandbox(path)
        self._sandboxes[container_id] = Sandbox(path)
        return path

    def destroy(self, container_id: str) -> None:
        """Withdraw ports, names and addresses, drop the namespace. Idempotent."""
        found = self._sandboxes.pop(container_id, None)
        with ExitStack() as steps:  # each is done even if another fails; the last one first
            steps.callback(namespaces.remove_netns, self._settings.netns_root / container_id)
            for endpoint in found.endpoints.values() if found else ():
                steps.callback(self._release, self._settings.netns_root / container_id, endpoint)
            steps.callback(self._publisher.withdraw, container_id)

    def _release(self, path: Path, endpoint: Endpoint) -> None:
        self._names.remove(endpoint)
        self._attachments.abandon(path, endpoint)

    def open_name_server(self, container_id: str) -> tuple[socket.socket, socket.socket]:
        return sandbox.open_name_server(self._sandboxes[container_id].path)

    def open_socket(
        self, container_id: str, family: socket.AddressFamily, kind: socket.SocketKind
    ) -> socket.socket:
        found = self._sandboxes.get(container_id)
        if found is None:
            raise NotFound(f"container {container_id} has no network sandbox")
        return sandbox.open_socket(found.path, family, kind)

    # --- endpoints ---------------------------------------------------------------------------

    def check(self, request: EndpointRequest) -> None:
        endpoints.check_request(self._table.get(request.network_id), request)

    def join(self, container_id: str, container_name: str, request: EndpointRequest) -> Endpoint:
        network = self._table.get(request.network_id)
        endpoints.check_request(network, request)
        path = self._settings.netns_root / container_id
        found = self._sandboxes.setdefault(container_id, Sandbox(path))
        if network.id in found.endpoints:
            raise Denied(
                f"endpoint with name {container_name} already exists in network {network.name}"
            )
        endpoint = Endpoint(
            id=random_id(),
            network_id=network.id,
            network_name=network.name,
            aliases=request.aliases,
            dns_names=endpoints.dns_names(
                network, container_id, container_name, request.aliases, request.hostname
            ),
            links=request.links,
            gw_priority=request.gw_priority,
            container_name=container_name,
            driver=network.driver,
        )
        present = list(found.endpoints.values())
        with ExitStack() as undo:
            if network.addressed:
                endpoint = self._attachments.attach(found.path, present, network, endpoint, request)
                undo.callback(self._attachments.withdraw, found.path, present, endpoint)
            undo.callback(self._forget, found, endpoint)
            if network.driver == OVERLAY:
                undo.callback(self._vips.leave, found.path, network.id)
                self._vips.enter(container_id, found.path, network.id)
            self._enter(container_id, found, endpoint)
            self._ensure_outlet(container_id, found)
            undo.pop_all()
        return endpoint

    def _ensure_outlet(self, container_id: str, found: Sandbox) -> None:
        """An outlet for a sandbox that needs one, none for one that doesn't (see `outlets`)."""
        present = list(found.endpoints.values())
        outlet, wanted = self._outlets.find(present), self._outlets.wanted(present)
        if wanted and endpoints.gateway_endpoint(present) is None:
            outlet = self._outlets.attach(container_id, found.path, present)
            self._enter(container_id, found, outlet)
        elif outlet and not wanted:
            self._take_out(container_id, found, outlet)

    def _forget(self, found: Sandbox, endpoint: Endpoint) -> None:
        found.endpoints.pop(endpoint.network_id, None)
        self._names.remove(endpoint)
        self._refresh_view(found)

    def _enter(self, container_id: str, found: Sandbox, endpoint: Endpoint) -> None:
        """The endpoint is there: names, ports and what the container sees follow."""
        found.endpoints[endpoint.network_id] = endpoint
        if endpoint.dns_names:
            self._names.add(endpoint)
        self._refresh_view(found)
        if self._publisher.has_ports(container_id) and not any(
            self._publisher.target(container_id)
        ):
            self._publisher.redirect(container_id, self._ports_target(found))

    def leave(self, container_id: str, network_id: str) -> Endpoint:
        network = self._table.get(network_id)
        found = self._sandboxes.get(container_id)
        if found is None or network.id not in found.endpoints:
            raise NotConnected(container_id, network)
        endpoint = found.endpoints[network.id]
        self._take_out(container_id, found, endpoint)
        if network.driver == OVERLAY:
            self._vips.leave(found.path, network.id)
        self._ensure_outlet(container_id, found)
        return endpoint

    def _take_out(self, container_id: str, found: Sandbox, endpoint: Endpoint) -> None:
        before = endpoints.gateway_endpoint(found.endpoints.values())
        self._forget(found, endpoint)
        if self._publisher.target(container_id) == Target(endpoint.ipv4, endpoint.ipv6):
            self._publisher.redirect(container_id, self._ports_target(found))
        self._attachments.detach(found.path, endpoint)
        after = endpoints.gateway_endpoint(found.endpoints.values())
        if before is endpoint and after:
            sandbox.set_gateways(found.path, after.interface, endpoints.gateways(after))

    def _ports_target(self, found: Sandbox) -> Target:
        """Where published ports lead: into the network that leads outside, if it is a bridge."""
        outward = endpoints.gateway_endpoint(found.endpoints.values())
        if outward is None or not outward.host_interface:
            return Target()
        return Target(outward.ipv4, outward.ipv6)

    def _refresh_view(self, found: Sandbox) -> None:
        networks = {end.network_id: end.network_name for end in found.endpoints.values()}
        links = {
            alias.lower(): name.lower()
            for end in found.endpoints.values()
            for name, alias in end.links
        }
        outward = endpoints.gateway_endpoint(found.endpoints.values()) is not None
        found.view = View(networks, links, outward, self._hosts(found))

    def _hosts(self, found: Sandbox) -> dict[str, tuple[str, ...]]:
        """The host, by its names, at the addresses that it has in the container's first bridge."""
        for endpoint in found.endpoints.values():
            network = self._table.get(endpoint.network_id)
            if network.driver == BRIDGE:
                addresses = tuple(pool.gateway for pool in network.live_pools if pool.gateway)
                return dict.fromkeys(HOST_NAMES, addresses)
        return {}

    def rename(self, container_id: str, name: str) -> dict[str, Endpoint]:
        """Names follow a renamed container; returns its endpoints by network id."""
        found = self._sandboxes.get(container_id)
        if found is None:
            return {}
        outlet = self._outlets.find(found.endpoints.values())
        for network_id, endpoint in found.endpoints.items():
            if endpoint is outlet:
                continue
            old = endpoint.container_name
            names = tuple(name if known == old else known for known in endpoint.dns_names)
            endpoint = replace(endpoint, dns_names=names, container_name=name)
            found.endpoints[network_id] = endpoint
            if names:
                self._names.add(endpoint)
        return {key: end for key, end in found.endpoints.items() if end is not outlet}

    # --- ports -------------------------------------------------------------------------------

    def publish(
        self, container_id: str, endpoint: Endpoint, requests: Sequence[PortRequest]
    ) -> tuple[PublishedPort, ...]:
        if endpoint.driver == OVERLAY:
            found = self._sandboxes[container_id]
            endpoint = endpoints.gateway_endpoint(found.endpoints.values()) or endpoint
        network = self._table.get(endpoint.network_id)
        target = Target(endpoint.ipv4, endpoint.ipv6)
        if network.driver != BRIDGE or network.internal or not any(target):
            return ()
        host_ip = network.options.get(OPTION_HOST_IP) or self._settings.host_ip
        return self._publisher.publish(container_id, target, requests, host_ip)

    def doors(self, container_id: str) -> list[tuple[socket.socket, int]]:
        return self._publisher.doors(container_id)

    def relay_target(self, container_id: str) -> str:
        """Where a relay leads now: IPv6 first, as clients came that way. From any thread."""
        target = self._publisher.target(container_id)
        return target.ipv6 or target.ipv4

    def interface_at(self, index: int) -> str:
        """The name of the host's interface with this index; "" if it is gone."""
        return self._attachments.interface_at(index)

    def unpublish_ports(self, container_id: str, ports: Collection[tuple[str, int]]) -> None:
        """Only these (protocol, host port)."""
        self._publisher.withdraw_ports(container_id, ports)

    def unpublish(self, container_id: str) -> None:
        self._publisher.withdraw(container_id)

    # --- after a restart ---------------------------------------------------------------------

    def restore(
        self, container_id: str, restored: Sequence[Endpoint], ports: Sequence[PublishedPort]
    ) -> None:
        """Take up a running container again. Raises NotFound if its namespace is gone."""
        path = self._settings.netns_root / container_id
        if any(end.interface for end in restored) and not namespaces.is_netns(path):
            raise NotFound(f"the network sandbox of container {container_id} is gone")
        found = self._sandboxes[container_id] = Sandbox(path)
        for endpoint in restored:
            with suppress(NotFound):
                network = self._table.get(endpoint.network_id)
                self._attachments.take_up(network, endpoint)
                self._enter(container_id, found, endpoint)
                if network.driver == OVERLAY:
                    self._vips.enter(container_id, path, network.id)
        self._restore_outlet(container_id, found)
        self._publisher.restore(container_id, self._ports_target(found), ports)

    def _restore_outlet(self, container_id: str, found: Sandbox) -> None:
        if not self._outlets.wanted(found.endpoints.values()):
            return
        outlet = self._outlets.take_up(container_id, found.path)
        if outlet:
            self._enter(container_id, found, outlet)
        self._ensure_outlet(container_id, found)

    def drop_strays(self) -> None:
        """Sandboxes that no restored container has: their containers ended without us."""
        for path in self._settings.netns_root.iterdir():
            if path.name not in self._sandboxes:
                log.info(fields("sandbox.stray_dropped", container=path.name))
                namespaces.remove_netns(path)
