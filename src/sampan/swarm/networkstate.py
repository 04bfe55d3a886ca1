"""What a node is told of overlay networks. Derived from the tables, never stored; see networkmap.

    NetworkState   one network: what it is, where all its addresses are, what its names mean
    IngressPort    one published port of the routing mesh: the same on every node

A node gets the states of the networks that it uses: a task of its own is in one, or it is ingress.
The state of a network is the same object for all nodes but for `node_address`, so it is computed,
and may be encoded, once for all of them.

`peers` are addresses that may be talked to: tasks that are placed and not over, whatever they are
told to become, and nodes. `backends` are addresses that others shall be led to: only tasks that
run, shall go on running, and are not on a node that is down (a task with a health check runs once
it is healthy). So a task that is told to stop leaves names, VIPs and the mesh while it still
runs. Whoever delivers states and tasks to a node sends the states first, and an agent applies
them before it sends a task the signal to stop; the other nodes get theirs at the same moment.

Addresses are IPv4 texts without prefix length unless said otherwise. Own tasks are among the peers:
a node tells them by `vtep`, its own data path address.
"""

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Immutable, compared by value, the same in JSON on every node."""


class Peer(Record, frozen=True, kw_only=True):
    """The tunnel end behind which an address is."""

    address: str
    vtep: str

    @property
    def mac(self) -> str:
        """Derived from the address: 02:42 and its four bytes."""
        return "02:42:" + ":".join(f"{int(part):02x}" for part in self.address.split("."))


class ServiceState(Record, frozen=True, kw_only=True, omit_defaults=True):
    """`vip` is empty with DNS round robin: then the names mean the backends themselves."""

    name: str
    aliases: tuple[str, ...] = ()
    vip: str = ""
    backends: tuple[str, ...] = ()


class TaskName(Record, frozen=True, kw_only=True):
    """Names of one container: a task's, or those that a plain container was attached with."""

    names: tuple[str, ...]
    address: str


class NetworkState(Record, frozen=True, kw_only=True, omit_defaults=True):
    """`mtu` 0: what the node's underlay leaves. `node_address` has a prefix length."""

    id: str
    name: str
    vni: int
    subnets: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    mtu: int = 0
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    encrypted: bool = False
    options: dict[str, str] = {}
    labels: dict[str, str] = {}
    node_address: str = ""
    peers: tuple[Peer, ...] = ()
    services: tuple[ServiceState, ...] = ()
    tasks: tuple[TaskName, ...] = ()


class IngressPort(Record, frozen=True, kw_only=True, omit_defaults=True):
    protocol: str
    published: int
    target: int
    backends: tuple[str, ...] = ()


class NodeNetworks(Record, frozen=True, kw_only=True, omit_defaults=True):
    """All that a node is told: the whole truth each time, applied as the difference."""

    vtep: str = ""  # this node's own data path address
    data_path_port: int = 4789
    networks: tuple[NetworkState, ...] = ()
    ingress: tuple[IngressPort, ...] = ()
