"""The nouns of networking: what is asked for, and what is.

Everything here is an immutable record of strings and numbers that goes into documents and views
as it is; addresses are text in their usual form, "" stands for none. The code that calculates with
addresses parses them where it does so (`ipam`, `controller`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

from sampan.errors import Denied, InvalidArgument, NotFound

BRIDGE, HOST, NONE = "bridge", "host", "none"
MACVLAN, IPVLAN = "macvlan", "ipvlan"
OVERLAY = "overlay"  # the swarm's
GATEWAY_NETWORK = "docker_gwbridge"  # see outlets
PREDEFINED = (BRIDGE, HOST, NONE)
NULL_DRIVER = "null"
DRIVERS = (BRIDGE, HOST, NULL_DRIVER, MACVLAN, IPVLAN)

# moby's defaults for local networks (daemon/libnetwork/ipamutils)
DEFAULT_ADDRESS_POOLS = (
    ("172.17.0.0/16", 16),
    ("172.18.0.0/16", 16),
    ("172.19.0.0/16", 16),
    ("172.20.0.0/14", 16),
    ("172.24.0.0/14", 16),
    ("172.28.0.0/14", 16),
    ("192.168.0.0/16", 20),
)

# options of the bridge driver, by Docker's names
OPTION_BRIDGE_NAME = "com.docker.network.bridge.name"
OPTION_ICC = "com.docker.network.bridge.enable_icc"
OPTION_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
OPTION_HOST_IP = "com.docker.network.bridge.host_binding_ipv4"
OPTION_MTU = "com.docker.network.driver.mtu"
OPTION_DEFAULT = "com.docker.network.bridge.default_bridge"
OPTION_IFACE_PREFIX = "com.docker.network.container_iface_prefix"
OPTION_GATEWAY_MODES = (
    "com.docker.network.bridge.gateway_mode_ipv4",
    "com.docker.network.bridge.gateway_mode_ipv6",
)
OPTION_IFNAME = "com.docker.network.endpoint.ifname"  # of one endpoint

# options of the macvlan and ipvlan drivers
OPTION_PARENT = "parent"
OPTION_MACVLAN_MODE = "macvlan_mode"
OPTION_IPVLAN_MODE, OPTION_IPVLAN_FLAG = "ipvlan_mode", "ipvlan_flag"


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What tells one daemon's networking from another's; see the daemon's configuration."""

    netns_root: Path  # one mount per sandbox, named by the container's id
    bridge_name: str = "sampan0"  # "none": no default bridge network
    table_name: str = "sampan"
    bip: str = ""  # address/prefix of the default bridge; "": chosen from the pools
    ipv6: bool = False  # on the default bridge
    fixed_cidr_v6: str = ""  # IPv6 subnet of the default bridge; "": chosen
    host_gateway_ip: str = ""  # what "host-gateway" means; "": the default bridge's address
    default_address_pools: tuple[tuple[str, int], ...] = DEFAULT_ADDRESS_POOLS
    veth_prefix: str = "veth"
    overlay_prefix: str = "ov"  # of bridges and tunnels of overlay networks
    topology_path: Path | None = None  # where the swarm's last word is kept; None: nowhere
    ip_forward: bool = True  # switch forwarding on if it is off
    icc: bool = True
    masquerade: bool = True
    host_ip: str = "0.0.0.0"
    mtu: int = 0  # 0: the kernel's


@dataclass(frozen=True, slots=True)
class Pool:
    """One subnet of a network (IPAM config)."""

    subnet: str = ""
    gateway: str = ""
    ip_range: str = ""
    aux: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """What `create` is asked for."""

    name: str
    driver: str = BRIDGE
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    enable_ipv4: bool = True
    enable_ipv6: bool = False
    pools: tuple[Pool, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    ipam_driver: str = "default"
    ipam_options: Mapping[str, str] | None = None  # inspect tells none from an empty table


@dataclass(frozen=True, slots=True)
class Network:
    id: str
    name: str
    driver: str
    created_ns: int
    scope: str = "local"
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    enable_ipv4: bool = True
    enable_ipv6: bool = False
    pools: tuple[Pool, ...] = ()  # with subnet and gateway filled in
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    ipam_driver: str = "default"
    ipam_options: Mapping[str, str] | None = None  # inspect tells none from an empty table
    bridge_name: str = ""  # the bridge, or the parent of a macvlan or ipvlan network
    user_subnet: bool = False  # the subnet was asked for: static addresses are allowed
    adopted: bool = False  # the bridge (or parent) was there before us: never removed

    @property
    def predefined(self) -> bool:
        return self.name in PREDEFINED

    @property
    def user_defined(self) -> bool:
        """Has name resolution, aliases and static addresses."""
        return self.addressed and not self.predefined

    @property
    def addressed(self) -> bool:
        """Its endpoints have interfaces and addresses."""
        return self.driver in {BRIDGE, OVERLAY} or self.on_parent

    @property
    def on_parent(self) -> bool:
        """Its endpoints are further faces of an interface of the host."""
        return self.driver in {MACVLAN, IPVLAN}

    @property
    def leads_outside(self) -> bool:
        """On a parent that isn't the user's choice there is nothing outside; nor in an overlay."""
        return (
            self.driver != OVERLAY
            and not self.internal
            and (not self.on_parent or OPTION_PARENT in self.options)
        )

    @property
    def routed(self) -> bool:
        """The kernel routes between the parent and the endpoints: there is no gateway to ask."""
        return self.driver == IPVLAN and self.options.get(OPTION_IPVLAN_MODE) in {"l3", "l3s"}

    @property
    def live_pools(self) -> tuple[Pool, ...]:
        """Those that addresses come from; Docker keeps, and shows, an IPv6 subnet without --ipv6"""
        enabled = {4: self.enable_ipv4, 6: self.enable_ipv6}
        return tuple(pool for pool in self.pools if enabled[ip_network(pool.subnet).version])

    def flag(self, option: str, default: bool) -> bool:
        text = self.options.get(option, "").lower()
        return default if text == "" else text in {"true", "1", "t"}


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """What a container asks of one network."""

    network_id: str
    aliases: tuple[str, ...] = ()
    ipv4: str = ""
    ipv6: str = ""
    mac: str = ""
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    gw_priority: int = 0
    links: tuple[tuple[str, str], ...] = ()  # (container's name, alias): names for this one only
    hostname: str = ""  # one more name, if it isn't the container's or its short id


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container's place in a network. Host and none networks have no addresses."""

    id: str
    network_id: str
    network_name: str
    interface: str = ""  # in the sandbox
    mac: str = ""
    ipv4: str = ""
    prefix: int = 0
    gateway: str = ""
    ipv6: str = ""
    prefix6: int = 0
    gateway6: str = ""
    aliases: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    gw_priority: int = 0
    host_interface: str = ""  # the other end, a port of the bridge
    container_name: str = ""
    driver: str = BRIDGE
    direct: bool = False  # leads outside without a gateway


@dataclass(frozen=True, slots=True)
class PortRequest:
    proto: str  # "tcp", "udp", "sctp"
    container_port: int
    host_ip: str = ""  # "": the network's or the daemon's default
    host_port: int = 0  # 0: choose from the ephemeral range
    host_port_end: int = 0  # last of a range to choose from; 0: just host_port


@dataclass(frozen=True, slots=True)
class PublishedPort:
    proto: str
    container_port: int
    host_ip: str
    host_port: int


class NoSuchNetwork(NotFound):
    def __init__(self, text: str) -> None:
        super().__init__(f"network {text} not found")


class NetworkInUse(Denied):
    """Containers are still connected."""

    def __init__(self, network: Network, endpoints: Mapping[str, str]) -> None:
        users = ", ".join(f'name:"{name}" id:"{short}"' for short, name in endpoints.items())
        super().__init__(
            f"error while removing network: network {network.name} has active endpoints ({users})"
        )


class InvalidNetwork(InvalidArgument):
    """A request to create a network that can't be right; all reasons at once."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("invalid network config:\n" + "\n".join(reasons))
