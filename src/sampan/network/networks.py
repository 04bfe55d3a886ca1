"""The networks that exist, in memory and as documents of kind "network".

Owned by the networking thread. A document is there before its bridge and goes after it: a daemon
that died in between finds a document without bridge, and makes it. A bridge that nobody names
can't be left behind.
"""

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Protocol

import msgspec

from sampan.errors import Conflict
from sampan.network.ipam import Net
from sampan.network.model import Network, NoSuchNetwork


class Documents(Protocol):
    """Where networks are kept; writes are durable when they return."""

    def put(self, key: str, body: bytes, /) -> None: ...
    def remove(self, key: str, /) -> None: ...
    def all(self) -> list[tuple[str, bytes]]: ...


class NetworkTable:
    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._networks: dict[str, Network] = {}

    def load(self) -> None:
        decoder = msgspec.json.Decoder(Network)
        self._networks = {key: decoder.decode(body) for key, body in self._documents.all()}

    def all(self) -> list[Network]:
        return sorted(self._networks.values(), key=lambda network: network.created_ns)

    def standing(self) -> Iterable[Network]:
        """Those that have something in the kernel."""
        return [network for network in self.all() if network.addressed]

    def find_name(self, name: str) -> Network | None:
        return next((entry for entry in self._networks.values() if entry.name == name), None)

    def find(self, identifier: str) -> Network | None:
        """By full id."""
        return self._networks.get(identifier)

    def get(self, text: str) -> Network:
        """By id, name or unique beginning of an id, in this order."""
        found = self._networks.get(text) or self.find_name(text)
        if found:
            return found
        matches = [entry for key, entry in self._networks.items() if key.startswith(text)]
        if not text or not matches:
            raise NoSuchNetwork(text)
        if len(matches) > 1:
            raise Conflict(
                f"network {text} is ambiguous ({len(matches)} matches found on ID prefix)"
            )
        return matches[0]

    def put(self, network: Network) -> None:
        self._documents.put(network.id, msgspec.json.encode(network))
        self._networks[network.id] = network

    def remove(self, network: Network) -> None:
        self._documents.remove(network.id)
        self._networks.pop(network.id, None)

    def subnets(self, *, without: str = "") -> list[Net]:
        return [
            ip_network(pool.subnet)
            for network in self._networks.values()
            if network.id != without
            for pool in network.live_pools
        ]
