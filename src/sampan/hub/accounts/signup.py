"""Who may make an account for themselves, and how often from one address.

    open       whoever fills in the form
    approval   the same, but an administrator switches the account on before it can sign in
    closed     nobody: administrators add accounts

The first account of a hub is its administrator's, and needs nobody's approval. Forms that were
filled in rightly are counted, also those whose name was taken: who tries names finds out which
exist.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from sqlalchemy import Connection

from sampan.errors import Denied
from sampan.hub.accounts import users
from sampan.hub.accounts.throttle import TooManyAttempts, place_of
from sampan.hub.accounts.users import Account

OPEN, APPROVAL, CLOSED = "open", "approval", "closed"
SIGN_UP = (OPEN, APPROVAL, CLOSED)
WINDOW_S = 3600.0
PLACES = 10_000


class SignUpClosed(Denied):
    def __init__(self) -> None:
        super().__init__("accounts of this hub are made by its administrators")


class TooManySignUps(TooManyAttempts):
    """HTTP 429."""

    def __init__(self, *, wait_s: float) -> None:
        super().__init__(wait_s=wait_s, what="too many new accounts from your address")


class SignUps:
    """In memory: a restart forgives. Thread-safe; `clock` is monotonic seconds."""

    def __init__(
        self, policy: str, *, per_hour: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.policy = policy
        self._per_hour = per_hour
        self._clock = clock
        self._made: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        return self.policy != CLOSED

    def check_open(self) -> None:
        """Raises SignUpClosed."""
        if not self.is_open:
            raise SignUpClosed

    def count(self, address: str) -> None:
        """One more from this address, before the password is hashed. Raises TooManySignUps."""
        if not self._per_hour:
            return
        place, now = place_of(address), self._clock()
        with self._lock:
            times = self._made.pop(place, None) or deque()
            self._made[place] = times
            while times and now - times[0] >= WINDOW_S:
                times.popleft()
            if len(times) >= self._per_hour:
                raise TooManySignUps(wait_s=WINDOW_S - (now - times[0]))
            times.append(now)
            while len(self._made) > PLACES:
                self._made.popitem(last=False)

    def create(
        self, connection: Connection, name: str, *, email: str, password_hash: str
    ) -> Account:
        """In a transaction of the caller's. The first account of a hub administers it."""
        _, held = users.list_accounts(connection, limit=1)
        made = users.create(
            connection, name, password_hash=password_hash, email=email, is_admin=held == 0
        )
        if self.policy == APPROVAL and held:
            users.set_flags(connection, made.id, is_active=False)
        return users.get(connection, name)
