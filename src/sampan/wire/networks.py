"""Networks on the wire (Engine API v1.51: Network, IPAM, connect and disconnect requests)."""

from typing import ClassVar

from sampan.wire.codec import Wire
from sampan.wire.containers import EndpointSettings


class IPAMConfig(Wire, frozen=True, kw_only=True):
    OMITEMPTY: ClassVar[frozenset[str]] = frozenset(
        {"Subnet", "IPRange", "Gateway", "AuxiliaryAddresses"}
    )
    Subnet: str = ""
    IPRange: str = ""
    Gateway: str = ""
    AuxiliaryAddresses: dict[str, str] | None = None


class IPAMView(Wire, frozen=True, kw_only=True):
    Driver: str = "default"
    Options: dict[str, str] | None = None
    Config: list[IPAMConfig] | None = None


class ConfigReference(Wire, frozen=True, kw_only=True):
    Network: str = ""


class NetworkContainer(Wire, frozen=True, kw_only=True):
    """One endpoint in a network's inspect: addresses with their prefix length."""

    Name: str = ""
    EndpointID: str = ""
    MacAddress: str = ""
    IPv4Address: str = ""
    IPv6Address: str = ""


class NetworkPeer(Wire, frozen=True, kw_only=True):
    """A node with a part in a network of the swarm."""

    Name: str = ""
    IP: str = ""


class NetworkServiceTask(Wire, frozen=True, kw_only=True):
    Name: str = ""
    EndpointID: str = ""
    EndpointIP: str = ""
    Info: dict[str, str] = {}


class NetworkService(Wire, frozen=True, kw_only=True):
    """`VIP` is "<nil>" for none."""

    VIP: str = ""
    Ports: list[str] = []
    LocalLBIndex: int = 0
    Tasks: list[NetworkServiceTask] = []


class NetworkView(Wire, frozen=True, kw_only=True):
    """`Peers` and, if asked for (verbose), `Services`: of networks of a swarm, from managers."""

    OMITEMPTY: ClassVar[frozenset[str]] = frozenset({"Peers", "Services"})

    Name: str = ""
    Id: str = ""
    Created: str = ""
    Scope: str = "local"
    Driver: str = ""
    EnableIPv4: bool = True
    EnableIPv6: bool = False
    IPAM: IPAMView
    Internal: bool = False
    Attachable: bool = False
    Ingress: bool = False
    ConfigFrom: ConfigReference = ConfigReference()
    ConfigOnly: bool = False
    Containers: dict[str, NetworkContainer] = {}
    Options: dict[str, str] = {}
    Labels: dict[str, str] = {}
    Peers: list[NetworkPeer] = []
    Services: dict[str, NetworkService] = {}


class NetworkCreate(Wire, frozen=True, kw_only=True):
    Name: str = ""
    CheckDuplicate: bool = False
    Driver: str = ""
    Scope: str = ""
    EnableIPv4: bool | None = None
    EnableIPv6: bool | None = None
    IPAM: IPAMView | None = None
    Internal: bool = False
    Attachable: bool = False
    Ingress: bool = False
    ConfigOnly: bool = False
    ConfigFrom: ConfigReference | None = None
    Options: dict[str, str] | None = None
    Labels: dict[str, str] | None = None


class NetworkCreated(Wire, frozen=True, kw_only=True):
    Id: str
    Warning: str = ""


class NetworkConnect(Wire, frozen=True, kw_only=True):
    Container: str = ""
    EndpointConfig: EndpointSettings | None = None


class NetworkDisconnect(Wire, frozen=True, kw_only=True):
    Container: str = ""
    Force: bool = False


class NetworksPruned(Wire, frozen=True, kw_only=True):
    NetworksDeleted: list[str] | None = None
