"""The way out of sandboxes that are in overlay networks only: a local bridge, docker_gwbridge.

An overlay has no gateway: the host isn't in it. So a sandbox that joins one (unless it is internal)
gets an endpoint in a bridge network of this node besides, by which its default route goes and its
host-mode ports come. Engine and clients don't see that endpoint among the container's networks.

Nothing is recorded: after a restart the endpoint is read from the sandbox itself (`take_up`). It
stays as long as the sandbox is in any such overlay, and yields the default route to any other
network that leads outside.

Containers of the bridge don't reach each other there. A network of that name that exists already,
with a subnet of the user's choice, is used as it is.
"""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_interface, ip_network
from pathlib import Path

from sampan.lib.ids import random_id
from sampan.network import sandbox
from sampan.network.attachments import Attachments
from sampan.network.model import (
    GATEWAY_NETWORK,
    OPTION_ICC,
    OPTION_MASQUERADE,
    OVERLAY,
    Endpoint,
    EndpointRequest,
    Network,
    NetworkSpec,
)
from sampan.network.networks import NetworkTable
from sampan.network.provision import Provisioner

_LAST = -(1 << 31)  # any other network that leads outside goes first


class Outlets:
    """Owned by the networking thread."""

    def __init__(
        self, *, table: NetworkTable, provisioner: Provisioner, attachments: Attachments
    ) -> None:
        self._table = table
        self._provisioner = provisioner
        self._attachments = attachments

    def ensure(self) -> Network:
        """The bridge network."""
        found = self._table.find_name(GATEWAY_NETWORK)
        if found is not None:
            return found
        options = {OPTION_ICC: "false", OPTION_MASQUERADE: "true"}
        return self._provisioner.create(NetworkSpec(GATEWAY_NETWORK, options=options))

    def wanted(self, present: Iterable[Endpoint]) -> bool:
        """Whether a sandbox with these endpoints has an overlay that needs a way out."""
        overlays = (end.network_id for end in present if end.driver == OVERLAY)
        return any(not self._table.get(network_id).internal for network_id in overlays)

    def find(self, present: Iterable[Endpoint]) -> Endpoint | None:
        """The sandbox's outlet, if it has one."""
        return next((end for end in present if end.gw_priority == _LAST), None)

    def attach(self, container_id: str, path: Path, present: list[Endpoint]) -> Endpoint:
        network = self.ensure()
        bare = self._endpoint(container_id, network)
        request = EndpointRequest(network.id, gw_priority=_LAST)
        return self._attachments.attach(path, present, network, bare, request)

    def _endpoint(self, container_id: str, network: Network) -> Endpoint:
        return Endpoint(
            id=random_id(),
            network_id=network.id,
            network_name=network.name,
            gw_priority=_LAST,
            container_name=f"gateway_{container_id[:12]}",
        )

    def take_up(self, container_id: str, path: Path) -> Endpoint | None:
        """The outlet that an earlier daemon gave to the sandbox, as the kernel has it."""
        network = self._table.find_name(GATEWAY_NETWORK)
        if network is None:
            return None
        for pool in network.live_pools:
            face = sandbox.find_face(path, ip_network(pool.subnet))
            if face is None:
                continue
            address = ip_interface(face.address)
            endpoint = replace(
                self._endpoint(container_id, network),
                interface=face.name,
                mac=face.mac,
                ipv4=str(address.ip),
                prefix=address.network.prefixlen,
                gateway="" if network.internal else pool.gateway,
                host_interface=self._attachments.interface_at(face.far_index),
            )
            self._attachments.take_up(network, endpoint)
            return endpoint
        return None
