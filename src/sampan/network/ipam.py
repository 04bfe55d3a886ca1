"""Which addresses and subnets are free: pure bookkeeping, no system calls.

An `AddressPool` hands out the lowest free address, as Docker does, with one difference: an address
given back rests for two seconds before it is handed out again (unless nothing else is left or it
is asked for by name). The kernel takes a removed sandbox's interface away in the background, and
until then that one would still answer for the address.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from sampan.errors import Denied, NotFound, Unavailable
from sampan.network.model import Pool

Address = IPv4Address | IPv6Address
Net = IPv4Network | IPv6Network

REST_S = 2.0


class AddressInUse(Denied):
    def __init__(self, address: Address) -> None:
        super().__init__("Address already in use")
        self.address = address


class PoolExhausted(Unavailable):
    def __init__(self, subnet: Net) -> None:
        super().__init__(
            f"no available IPv{subnet.version} addresses on this network's address pools: {subnet}"
        )


class AddressPool:
    """The addresses of one subnet. `ip_range` narrows what is handed out, not what is claimed."""

    def __init__(
        self,
        subnet: Net,
        *,
        ip_range: Net | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.subnet = subnet
        self._clock = clock
        whole = subnet.num_addresses > 2  # /31 and /32 have neither network nor broadcast address
        first, last = int(subnet.network_address), int(subnet.broadcast_address)
        self._never = {first, last} if whole else set()
        chosen = ip_range or subnet
        self._range = range(int(chosen.network_address), int(chosen.broadcast_address) + 1)
        self._used: set[int] = set()
        self._resting: dict[int, float] = {}

    def allocate(self) -> Address:
        """The lowest free address that isn't resting; else the one that has rested longest."""
        now = self._clock()
        self._resting = {number: end for number, end in self._resting.items() if end > now}
        for number in self._range:
            if number not in self._used and number not in self._resting:
                if number in self._never:
                    continue
                return self._take(number)
        for number in sorted(self._resting, key=self._resting.__getitem__):
            if number in self._range and number not in self._used:
                return self._take(number)
        raise PoolExhausted(self.subnet)

    def _take(self, number: int) -> Address:
        self._used.add(number)
        self._resting.pop(number, None)
        base = self.subnet.network_address
        return base + (number - int(base))

    def claim(self, address: Address) -> None:
        """Take this very address. Raises AddressInUse."""
        number = int(address)
        if number in self._used or number in self._never:
            raise AddressInUse(address)
        self._take(number)

    def release(self, address: Address) -> None:
        """Give it back; free already is fine."""
        number = int(address)
        if number in self._used:
            self._used.discard(number)
            self._resting[number] = self._clock() + REST_S


def overlapping(subnet: Net, others: Iterable[Net]) -> Net | None:
    for other in others:
        if subnet.version == other.version and subnet.overlaps(other):
            return other
    return None


def choose_subnet(pools: Sequence[tuple[str, int]], taken: Sequence[Net]) -> Net:
    """The first subnet of the pools (base, prefix length) that overlaps nothing taken."""
    for base, length in pools:
        for subnet in ip_network(base).subnets(new_prefix=length):
            if overlapping(subnet, taken) is None:
                return subnet
    raise NotFound(
        "could not find an available, non-overlapping IPv4 address pool among the defaults to"
        " assign to the network"
    )


def first_address(subnet: Net, ip_range: Net | None) -> Address:
    """The default gateway: where the pool would begin."""
    return AddressPool(subnet, ip_range=ip_range).allocate()


def check_pool(pool: Pool, *, ipv6: bool) -> list[str]:
    """Everything that is wrong with a pool as asked for, in Docker's words; [] if it is right.

    Without `ipv6` an IPv6 subnet is not used, and what is said of it isn't looked at.
    """
    address, slash, _ = pool.subnet.partition("/")
    try:
        subnet = ip_network(pool.subnet, strict=False)
    except ValueError:
        slash = ""
    if not slash:
        return [f"invalid subnet {pool.subnet}: invalid CIDR block notation"]
    if subnet.version == 6 and not ipv6:
        return []
    reasons = []
    if ip_address(address) != subnet.network_address:
        reasons.append(f"invalid subnet {pool.subnet}: it should be {subnet}")
    reasons += _check_range(pool.ip_range, subnet)
    reasons += _check_inside("gateway", pool.gateway, subnet)
    for name, text in pool.aux.items():
        reasons += _check_inside("auxiliary address", text, subnet, called=name)
    return reasons


def _check_range(text: str, subnet: Net) -> list[str]:
    if not text:
        return []
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        return [f"invalid ip-range {text}: invalid CIDR block notation"]
    if found.version != subnet.version:
        return [f"invalid ip-range {text}: parent subnet is an IPv{subnet.version} block"]
    if found.prefixlen < subnet.prefixlen:
        return [f"invalid ip-range {text}: CIDR block is bigger than its parent subnet {subnet}"]
    if ip_address(text.partition("/")[0]) != found.network_address:
        return [f"invalid ip-range {text}: it should be {found}"]
    if not found.subnet_of(subnet):  # type: ignore[arg-type]
        return [f"invalid ip-range {text}: parent subnet {subnet} doesn't contain ip-range"]
    return []


def _check_inside(what: str, text: str, subnet: Net, *, called: str = "") -> list[str]:
    if not text:
        return []
    what = f"{what} {called or text}"
    try:
        found = ip_address(text)
    except ValueError:
        return [f"invalid {what}: invalid address"]
    if found.version != subnet.version:
        return [f"invalid {what}: parent subnet is an IPv{subnet.version} block"]
    if found not in subnet:
        return [f"invalid {what}: parent subnet {subnet} doesn't contain this address"]
    return []
