"""Slows guessing of passwords: failed logins are counted per account and per address.

After `FREE` failures within the window a key waits 1 s, then 2, 4, ... up to `LONGEST_S`; a
success forgets the account's failures, not the address's (one own account would otherwise wash an
attacker clean). An address has more room than an account: many people sit behind one; of IPv6
it is the network of 64 bits, which one customer has to himself. In memory only, at most `KEYS` of
them: a restart forgives, which costs an attacker more than it gives.
Safe from several threads.
"""

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from sampan.errors import Denied

FREE_ACCOUNT = 5
FREE_ADDRESS = 30
WINDOW_S = 900.0
LONGEST_S = 300.0
KEYS = 10_000


class TooManyAttempts(Denied):
    """HTTP 429."""

    def __init__(self, *, wait_s: float, what: str = "too many failed logins") -> None:
        self.wait_s = max(1, int(wait_s + 0.999))
        super().__init__(f"{what}: try again in {self.wait_s} seconds")


def place_of(address: str) -> str:
    """What is counted for an address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, 64), strict=False))


@dataclass(slots=True)
class _Failures:
    count: int
    last_s: float


class Throttle:
    """`clock` is monotonic seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, account: str, address: str) -> None:
        """Before the password is looked at. Raises TooManyAttempts."""
        address = place_of(address)
        with self._lock:
            wait_s = max(
                self._wait_s(("account", account), FREE_ACCOUNT),
                self._wait_s(("address", address), FREE_ADDRESS),
            )
        if wait_s > 0:
            raise TooManyAttempts(wait_s=wait_s)

    def failed(self, account: str, address: str) -> None:
        address = place_of(address)
        with self._lock:
            now = self._clock()
            for key in (("account", account), ("address", address)):
                held = self._failures.pop(key, None)
                count = held.count if held and now - held.last_s <= WINDOW_S else 0
                self._failures[key] = _Failures(count + 1, now)
            while len(self._failures) > KEYS:
                self._failures.popitem(last=False)

    def succeeded(self, account: str) -> None:
        with self._lock:
            self._failures.pop(("account", account), None)

    def _wait_s(self, key: tuple[str, str], free: int) -> float:
        held = self._failures.get(key)
        if held is None or held.count < free:
            return 0.0
        passed_s = self._clock() - held.last_s
        if passed_s > WINDOW_S:
            return 0.0
        pause_s = min(LONGEST_S, 2.0 ** min(held.count - free, 20))
        return max(0.0, pause_s - passed_s)
