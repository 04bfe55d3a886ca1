"""The swarm's networks on this node: brought to what the swarm says, whole each time.

`apply` takes a complete `Topology` and does the difference: networks that come stand up (bridge,
tunnel), peers become entries of the tunnel's tables, names and virtual addresses are replaced, the
mesh follows, networks that go are taken down as soon as nobody here is in them. It may be called
with the same topology any number of times. What fails is told, and done by a later call; it never
keeps the rest from being done.

The last topology is kept on disk: a daemon that starts again serves names and ports before the
swarm has spoken (`load`, `resume`), and running containers never notice that it was away.

Order within a change: ways before names (who learns an address can reach it), and a backend leaves
names and rules in the same call.

Owned by the networking thread.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from sampan.errors import SampanError, Unsupported
from sampan.lib.atomicfile import write_atomic
from sampan.lib.log import fields
from sampan.linux.netlink import Netlink
from sampan.network import overlay_device
from sampan.network.controller import Controller
from sampan.network.mesh import Mesh
from sampan.network.model import OVERLAY, Endpoint, EndpointRequest, NetworkSettings, NoSuchNetwork
from sampan.network.names import NameTable
from sampan.network.networks import NetworkTable
from sampan.network.outlets import Outlets
from sampan.network.overlay_model import OPTION_ENCRYPTED, OverlayPeer, OverlayState, Topology
from sampan.network.overlay_names import meanings
from sampan.network.provision import Provisioner
from sampan.network.vips import Served, VirtualAddresses

log = logging.getLogger(__name__)


class EncryptedOverlay(Unsupported):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"network {name}: encrypted overlay networks are not supported",
            hint="leave out --opt encrypted, and keep the data path in a network that you trust",
        )


class Overlays:
    def __init__(
        self,
        *,
        settings: NetworkSettings,
        table: NetworkTable,
        provisioner: Provisioner,
        netlink: Netlink,
        names: NameTable,
        vips: VirtualAddresses,
        controller: Controller,
        outlets: Outlets,
        mesh: Mesh,
    ) -> None:
        self._settings = settings
        self._table = table
        self._provisioner = provisioner
        self._netlink = netlink
        self._names = names
        self._vips = vips
        self._controller = controller
        self._outlets = outlets
        self._mesh = mesh
        self._topology = Topology()
        self._known: dict[str, OverlayState] = {}  # as applied, by network id
        self._kept: Topology | None = None  # on disk

    # --- a start of the daemon -----------------------------------------------------------

    def load(self) -> None:
        """Names and addresses as the swarm said last; containers are not restored yet."""
        path = self._settings.topology_path
        if path is None or not path.exists():
            return
        try:
            self._topology = msgspec.json.decode(path.read_bytes(), type=Topology)
        except (OSError, msgspec.DecodeError) as error:
            log.warning(fields("overlay.topology_lost", reason=error))
            return
        self._kept = self._topology
        self._set_underlay(self._topology)
        for state in self._topology.networks:
            self._names.set_far(state.id, *meanings(state))
            self._vips.set(state.id, Served(state.vni, state.services), {})

    def resume(self) -> None:
        """All containers are restored: everything is brought to what the swarm said last."""
        for problem in self.apply(self._topology, thorough=True):
            log.warning(fields("overlay.problem", reason=problem))

    # --- changes -------------------------------------------------------------------------

    def apply(self, topology: Topology, *, thorough: bool = False) -> list[str]:
        """Returns what couldn't be done, in words."""
        if thorough:
            self._known.clear()
        self._keep(topology)
        self._topology = topology
        self._set_underlay(topology)
        problems: list[str] = []
        if topology.networks:
            self._try(problems, self._outlets.ensure)
        for state in topology.networks:
            if self._known.get(state.id) != state:
                self._try(problems, self._apply_one, state)
        ingress = next((state for state in topology.networks if state.ingress), None)
        self._try(problems, lambda: problems.extend(self._apply_mesh(ingress, thorough=thorough)))
        self._retire({state.id for state in topology.networks}, problems)
        return problems

    def _try(self, problems: list[str], step: Callable[..., object], *args: object) -> None:
        try:
            step(*args)
        except (SampanError, OSError) as error:
            problems.append(error.message if isinstance(error, SampanError) else str(error))

    def _apply_one(self, state: OverlayState) -> None:
        if OPTION_ENCRYPTED in state.options:
            raise EncryptedOverlay(state.name)
        underlay = self._provisioner.underlay
        bridge = overlay_device.bridge_name(self._settings.overlay_prefix, state.vni)
        network = state.network(bridge, state.mtu or self._mtu())
        self._provisioner.adopt(network)
        overlay_device.sync_peers(self._netlink, network, underlay.vtep, state.peers)
        self._names.set_far(state.id, *meanings(state))
        self._vips.set(state.id, Served(state.vni, state.services), self._sandboxes(state.id))
        self._known[state.id] = state

    def _apply_mesh(self, ingress: OverlayState | None, *, thorough: bool) -> list[str]:
        return self._mesh.apply(ingress, self._topology.mesh, thorough=thorough)

    def _mtu(self) -> int:
        vtep = self._provisioner.underlay.vtep
        whole = overlay_device.underlay_mtu(self._netlink, vtep)
        return whole - overlay_device.OVERHEAD_BYTES

    def _sandboxes(self, network_id: str) -> dict[str, Path]:
        root = self._settings.netns_root
        return {one: root / one for one in self._controller.containers_on(network_id)}

    def _retire(self, wanted: set[str], problems: list[str]) -> None:
        for network in self._table.standing():
            if network.driver != OVERLAY or network.id in wanted:
                continue
            if self._controller.containers_on(network.id):  # somebody is still leaving
                continue
            self._try(problems, self._provisioner.retire, network)
            self._names.drop_far(network.id)
            self._vips.drop(network.id)
            self._known.pop(network.id, None)

    def withdraw(self) -> None:
        """The daemon ends and takes everything with it: bridges go with the other bridges."""
        self._mesh.remove()

    def lacks_place(self, request: EndpointRequest) -> bool:
        """Whether the swarm has to be asked first: it has such a network perhaps, or has it and
        didn't give the address to anybody of this node."""
        try:
            network = self._table.get(request.network_id)
        except NoSuchNetwork:
            return True
        if network.driver != OVERLAY:
            return False
        state = next((one for one in self._topology.networks if one.id == network.id), None)
        vtep = self._topology.vtep
        return state is None or OverlayPeer(request.ipv4, vtep) not in state.peers

    def destroy_sandbox(self, container_id: str) -> None:
        self._controller.destroy(container_id)
        self._settle()

    def leave(self, container_id: str, network_id: str) -> Endpoint:
        endpoint = self._controller.leave(container_id, network_id)
        self._settle()
        return endpoint

    def _settle(self) -> None:
        """Somebody left: networks that only waited for that go."""
        problems: list[str] = []
        self._retire({state.id for state in self._topology.networks}, problems)
        for problem in problems:
            log.warning(fields("overlay.problem", reason=problem))

    # --- what is kept --------------------------------------------------------------------

    def _set_underlay(self, topology: Topology) -> None:
        if topology.vtep:
            self._provisioner.underlay.vtep = topology.vtep
            self._provisioner.underlay.port = topology.port

    def _keep(self, topology: Topology) -> None:
        path = self._settings.topology_path
        if path is None or topology == self._kept:
            return
        if topology == Topology():
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomic(path, msgspec.json.encode(topology), durable=False)
        self._kept = topology
