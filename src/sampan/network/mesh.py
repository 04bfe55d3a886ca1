"""The routing mesh of this node: every published port of the swarm leads to a task somewhere.

    client -> host:8080  --dnat-->  ingress sandbox :8080  --numgen-->  task's address :80
              (the usual publisher)   (docker_gwbridge)      (ingress network, from this
                                                              node's address there)

The ingress sandbox is a namespace like a container's, called `ingress-sbox`, with an endpoint in
the ingress network (the node's own address, which the swarm gave) and an outlet. So host ports are
held, refused and translated as for any container, and the ingress subnet never meets the host's
routes. A port that can't be had on this node is told and tried again; the others work.

Owned by the networking thread. After a restart the sandbox is taken up with its connections.
"""

import logging
from collections.abc import Iterable
from ipaddress import ip_interface
from pathlib import Path

from sampan.errors import NotFound, SampanError
from sampan.lib.ids import random_id
from sampan.lib.log import fields
from sampan.linux import namespaces
from sampan.linux.conntrack import forget_udp_port
from sampan.linux.nft import Nft
from sampan.linux.sysctl import ensure_sysctl
from sampan.network import sandbox
from sampan.network.controller import Controller
from sampan.network.model import (
    OVERLAY,
    Endpoint,
    EndpointRequest,
    NetworkSettings,
    PortRequest,
    PublishedPort,
)
from sampan.network.overlay_model import MeshPort, OverlayState
from sampan.network.overlay_rules import mesh_text
from sampan.network.vips import first_turn

log = logging.getLogger(__name__)

INGRESS_SANDBOX = "ingress-sbox"
INGRESS_ENDPOINT = "ingress-endpoint"
_ANY = "0.0.0.0"


class Mesh:
    def __init__(self, *, settings: NetworkSettings, controller: Controller) -> None:
        self._path: Path = settings.netns_root / INGRESS_SANDBOX
        self._controller = controller
        self._endpoint: Endpoint | None = None
        self._ports: tuple[MeshPort, ...] | None = None  # that the rules say
        self._published: set[tuple[str, int]] = set()
        self._round = 0

    def apply(
        self, state: OverlayState | None, ports: tuple[MeshPort, ...], *, thorough: bool = False
    ) -> list[str]:
        """What couldn't be done; without `state` this node isn't in the ingress network."""
        if state is None or not state.node_address:
            self.remove()
            return []
        endpoint = self._ensure_sandbox(state, ports)
        if ports != self._ports or thorough:
            self._write(endpoint, ports)
        return self._publish(endpoint, ports)

    def remove(self) -> None:
        if self._endpoint is not None or namespaces.is_netns(self._path):
            self._controller.destroy(INGRESS_SANDBOX)
        self._endpoint = self._ports = None
        self._published.clear()

    # --- the sandbox ---------------------------------------------------------------------

    def _ensure_sandbox(self, state: OverlayState, ports: Iterable[MeshPort]) -> Endpoint:
        address = str(ip_interface(state.node_address).ip)
        if self._endpoint is None:
            self._endpoint = self._take_up(state, ports)
        known = self._endpoint
        if known and (known.ipv4, known.network_id) == (address, state.id):
            return known
        self.remove()
        self._controller.create_sandbox(INGRESS_SANDBOX)
        try:
            with namespaces.entered_path(self._path):
                ensure_sysctl("net/ipv4/ip_forward", "1")
            request = EndpointRequest(state.id, ipv4=address)
            made = self._controller.join(INGRESS_SANDBOX, INGRESS_ENDPOINT, request)
        except BaseException:
            self._controller.destroy(INGRESS_SANDBOX)
            raise
        self._endpoint = made
        log.info(fields("mesh.joined", network=state.name, address=address))
        return made

    def _take_up(self, state: OverlayState, ports: Iterable[MeshPort]) -> Endpoint | None:
        """The sandbox of an earlier daemon, if it is whole."""
        if not namespaces.is_netns(self._path):
            return None
        face = sandbox.find_face(self._path, ip_interface(state.node_address).network)
        if face is None:
            return None
        address = ip_interface(face.address)
        endpoint = Endpoint(
            id=random_id(),
            network_id=state.id,
            network_name=state.name,
            interface=face.name,
            mac=face.mac,
            ipv4=str(address.ip),
            prefix=address.network.prefixlen,
            host_interface=self._controller.interface_at(face.far_index),
            container_name=INGRESS_ENDPOINT,
            driver=OVERLAY,
        )
        held = [PublishedPort(port.proto, port.published, _ANY, port.published) for port in ports]
        try:
            self._controller.restore(INGRESS_SANDBOX, [endpoint], held)
        except (NotFound, SampanError) as error:
            log.warning(fields("mesh.not_restored", reason=error.message))
            return None
        self._published = {(port.proto, port.host_port) for port in held}
        return endpoint

    # --- rules ---------------------------------------------------------------------------

    def _write(self, endpoint: Endpoint, ports: tuple[MeshPort, ...]) -> None:
        before = {(port.proto, port.published): set(port.backends) for port in self._ports or ()}
        now = {(port.proto, port.published): set(port.backends) for port in ports}
        self._round += 1
        text = mesh_text(endpoint.interface, ports, first_turn(endpoint.ipv4, self._round))
        with namespaces.entered_path(self._path), Nft() as nft:
            nft.run(text)
            for (proto, number), backends in before.items():
                if proto == "udp" and backends - now.get((proto, number), set()):
                    forget_udp_port(number)
        self._ports = ports

    def _publish(self, endpoint: Endpoint, ports: tuple[MeshPort, ...]) -> list[str]:
        wanted = {(port.proto, port.published) for port in ports}
        gone = self._published - wanted
        if gone:
            self._controller.unpublish_ports(INGRESS_SANDBOX, gone)
            self._published -= gone
        problems = []
        for proto, number in sorted(wanted - self._published):
            try:
                request = PortRequest(proto, number, host_port=number)
                self._controller.publish(INGRESS_SANDBOX, endpoint, [request])
            except SampanError as error:
                problems.append(error.message)
            else:
                self._published.add((proto, number))
        return problems
