"""Addresses in the cluster's networks: who holds which, and the next free one.

Owners are ids of tasks, services and nodes. Addresses are given in turn, so that one given back
rests for as long as possible: names and connections of others may still lead to it. Everything is
rebuilt from the objects that hold addresses.
"""

from collections.abc import Iterable
from ipaddress import IPv4Interface, IPv4Network, ip_network

from sampan.errors import Unavailable
from sampan.swarm.model import Network


class AddressesExhausted(Unavailable):
    def __init__(self, network: Network) -> None:
        super().__init__(
            "could not find an available IP while allocating an address of network "
            f"{network.name} ({', '.join(network.subnets)})"
        )
        self.network_id = network.id


class _Pool:
    """The IPv4 subnet of one network."""

    def __init__(self, network: Network) -> None:
        subnets = [each for each in map(ip_network, network.subnets) if each.version == 4]
        self.subnet = next((each for each in subnets if isinstance(each, IPv4Network)), None)
        self._owners: dict[int, str] = {}
        self._next = self._first = self._size = 0
        if self.subnet is None:
            return
        first, last = int(self.subnet[0]), int(self.subnet[-1])
        self._first, self._size = first + 1, max(0, last - first - 1)
        reserved = [*network.gateways, *_auxiliary(network)]
        for text in reserved:
            self.take(text, network.id)

    def take(self, text: str, owner: str) -> bool:
        """Whether it is the owner's now. The text may have a prefix length."""
        number = int(IPv4Interface(text)) if "." in text else -1
        if number in self._owners:
            return self._owners[number] == owner
        self._owners[number] = owner
        self._next = max(self._next, number - self._first + 1)
        return True

    def give(self, owner: str) -> str | None:
        for step in range(self._size if len(self._owners) < self._size else 0):
            number = self._first + (self._next + step) % self._size
            if number not in self._owners:
                self._owners[number] = owner
                self._next = (number - self._first + 1) % self._size
                return f"{IPv4Interface(number).ip}/{self.subnet.prefixlen if self.subnet else 32}"
        return None

    def release(self, text: str, owner: str) -> None:
        number = int(IPv4Interface(text)) if "." in text else -1
        if self._owners.get(number) == owner:
            del self._owners[number]


def _auxiliary(network: Network) -> Iterable[str]:
    for config in (network.ipam.Config or ()) if network.ipam else ():
        yield from (config.AuxiliaryAddresses or {}).values()


class Addresses:
    """Of all networks."""

    def __init__(self) -> None:
        self._pools: dict[str, _Pool] = {}
        self._held: dict[str, dict[tuple[str, str], None]] = {}

    def put_network(self, network: Network) -> None:
        if network.id not in self._pools and network.subnets:
            self._pools[network.id] = _Pool(network)

    def drop_network(self, network_id: str) -> None:
        self._pools.pop(network_id, None)

    def knows(self, network_id: str) -> bool:
        return network_id in self._pools

    def hold(self, owner: str, network_id: str, address: str) -> bool:
        """What a stored object has. False: it is another's."""
        pool = self._pools.get(network_id)
        if pool is None or not pool.take(address, owner):
            return False
        self._held.setdefault(owner, {})[network_id, address] = None
        return True

    def give(self, owner: str, network: Network) -> str:
        """A new address with its prefix length. Raises AddressesExhausted."""
        pool = self._pools.get(network.id)
        address = pool.give(owner) if pool else None
        if address is None:
            raise AddressesExhausted(network)
        self._held.setdefault(owner, {})[network.id, address] = None
        return address

    def release(self, owner: str, *, but: Iterable[tuple[str, str]] = ()) -> list[str]:
        """All that the owner holds, except some; the networks that have room now."""
        kept = set(but)
        held = self._held.get(owner, {})
        freed = [place for place in held if place not in kept]
        for network_id, address in freed:
            del held[network_id, address]
            pool = self._pools.get(network_id)
            if pool is not None:
                pool.release(address, owner)
        if not held:
            self._held.pop(owner, None)
        return [network_id for network_id, _ in freed]
