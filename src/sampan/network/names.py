"""Who is called what in which network: the data that name resolution answers from.

Written by the networking thread, read by the event loop: readers see a network's table before or
after a change, never half of it, because a change replaces the table. Names are compared without
regard to case. Several endpoints may share a name (an alias); all their addresses are answered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sampan.network.model import Endpoint

_Table = Mapping[str, tuple[Endpoint, ...]]
_EMPTY: _Table = MappingProxyType({})

# what Docker Desktop calls the host; on Linux only an --add-host made it known so far
HOST_NAMES = ("host.docker.internal", "gateway.docker.internal")


@dataclass(frozen=True, slots=True)
class View:
    """What one sandbox sees: its networks (id -> name) in order, and names of its own (links)."""

    networks: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)  # alias -> name
    forwards: bool = True  # connected to something that leads outside
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # name -> addresses


class NameTable:
    """Names and addresses of all endpoints in networks that resolve names."""

    def __init__(self) -> None:
        self._names: dict[str, _Table] = {}
        self._addresses: dict[str, Mapping[str, Endpoint]] = {}
        self._far: dict[str, tuple[_Table, Mapping[str, Endpoint]]] = {}

    def add(self, endpoint: Endpoint) -> None:
        """Register all names of `endpoint`; what an endpoint of that id had before is replaced."""
        self.remove(endpoint)
        names = dict(self._names.get(endpoint.network_id, _EMPTY))
        for name in {name.lower(): None for name in endpoint.dns_names}:
            names[name] = (*names.get(name, ()), endpoint)
        addresses = dict(self._addresses.get(endpoint.network_id, {}))
        addresses |= {text: endpoint for text in (endpoint.ipv4, endpoint.ipv6) if text}
        self._publish(endpoint.network_id, names, addresses)

    def remove(self, endpoint: Endpoint) -> None:
        names: dict[str, tuple[Endpoint, ...]] = {}
        for name, endpoints in self._names.get(endpoint.network_id, _EMPTY).items():
            kept = tuple(other for other in endpoints if other.id != endpoint.id)
            if kept:
                names[name] = kept
        addresses = {
            text: other
            for text, other in self._addresses.get(endpoint.network_id, {}).items()
            if other.id != endpoint.id
        }
        self._publish(endpoint.network_id, names, addresses)

    def _publish(self, network: str, names: _Table, addresses: Mapping[str, Endpoint]) -> None:
        if names or addresses:
            self._names[network], self._addresses[network] = names, addresses
        else:
            self._names.pop(network, None)
            self._addresses.pop(network, None)

    def set_far(self, network: str, names: _Table, addresses: Mapping[str, Endpoint]) -> None:
        """What the swarm says of a network: goes before the endpoints of this node."""
        self._far[network] = names, addresses

    def drop_far(self, network: str) -> None:
        self._far.pop(network, None)

    def _find(self, network: str, name: str) -> tuple[Endpoint, ...] | None:
        far, _ = self._far.get(network, (_EMPTY, {}))
        return far.get(name) or self._names.get(network, _EMPTY).get(name)

    def resolve(self, view: View, name: str) -> tuple[Endpoint, ...]:
        """Endpoints called `name` (or `name.network`) as seen from a sandbox; () if none is."""
        wanted = name.rstrip(".").lower()
        wanted = view.links.get(wanted, wanted)
        for network, network_name in view.networks.items():
            found = self._find(network, wanted)
            if found is None:
                found = self._find(network, wanted.removesuffix(f".{network_name.lower()}"))
            if found:
                return found
        return ()

    def reverse(self, view: View, address: str) -> str:
        """`name.network` of the endpoint that has `address`, or ""."""
        for network, network_name in view.networks.items():
            _, far = self._far.get(network, (_EMPTY, {}))
            found = far.get(address) or self._addresses.get(network, {}).get(address)
            if found and found.dns_names:
                return f"{found.dns_names[0]}.{network_name}"
        return ""
