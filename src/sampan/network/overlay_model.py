"""What this node is told of overlay networks: immutable records, whole each time.

They come from the swarm, through the daemon; nothing in here knows of services' specs or tasks'
states. Addresses are IPv4 texts without prefix length unless said otherwise.
"""

from dataclasses import dataclass, field

from sampan.network.model import OPTION_MTU, OVERLAY, Network, Pool

OPTION_VNI = "com.docker.network.driver.overlay.vxlanid_list"  # as Docker's inspect shows it
OPTION_ENCRYPTED = "encrypted"


@dataclass(frozen=True, slots=True)
class OverlayPeer:
    """An address and the tunnel end that it is behind."""

    address: str
    vtep: str


@dataclass(frozen=True, slots=True)
class OverlayService:
    """With `vip`: the names mean it, and it leads to the backends in turn; else names mean them."""

    name: str
    aliases: tuple[str, ...] = ()
    vip: str = ""
    backends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OverlayName:
    names: tuple[str, ...]
    address: str


@dataclass(frozen=True, slots=True)
class OverlayState:
    """One network. `node_address` (with prefix length) is this node's own, where it has one."""

    id: str
    name: str
    vni: int
    subnets: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    mtu: int = 0
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    options: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    created_ns: int = 0
    node_address: str = ""
    peers: tuple[OverlayPeer, ...] = ()
    services: tuple[OverlayService, ...] = ()
    tasks: tuple[OverlayName, ...] = ()

    def network(self, bridge_name: str, mtu: int) -> Network:
        """As the table of networks has it."""
        gateways = (*self.gateways, *[""] * len(self.subnets))
        pairs = zip(self.subnets, gateways, strict=False)
        return Network(
            id=self.id,
            name=self.name,
            driver=OVERLAY,
            created_ns=self.created_ns,
            scope="swarm",
            internal=self.internal,
            attachable=self.attachable,
            ingress=self.ingress,
            pools=tuple(Pool(subnet, gateway.partition("/")[0]) for subnet, gateway in pairs),
            options={**self.options, OPTION_VNI: str(self.vni), OPTION_MTU: str(mtu)},
            labels=self.labels,
            bridge_name=bridge_name,
            user_subnet=True,
        )


@dataclass(frozen=True, slots=True)
class MeshPort:
    """One published port of the routing mesh; `published` on every node, `target` in tasks."""

    proto: str
    published: int
    target: int
    backends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Topology:
    """All that this node is to have; `vtep` and the UDP `port` are its own tunnel end."""

    vtep: str = ""
    port: int = 4789
    networks: tuple[OverlayState, ...] = ()
    mesh: tuple[MeshPort, ...] = ()
