"""Leases keep new content and snapshots from gc until something refers to them.

    with leases.hold() as lease:
        lease.add_content(digest)       # before asking whether it is there, and before commit
        lease.add_snapshot(chain_id)
        ...
        images.add(...)                 # the commit point: from here on the image keeps them

A lease also covers whatever became visible after it began, so that a forgotten `add` of something
new does no harm; what was there before and is used again must be added. Leases live in memory: a
restart has nothing in flight. A lease that ends while gc is at work counts until gc is done, since
gc may have read the roots before the lease's owner wrote its own.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sampan.lib import gotime
from sampan.oci.digest import Digest

CLOCK_SLACK_NS = 1_000_000_000  # file times lag behind the clock by up to a tick


class Lease:
    """Held by one operation; any thread of it may add."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self.begun_ns = gotime.now_ns()
        self._content: set[str] = set()
        self._snapshots: set[str] = set()

    def add_content(self, digest: Digest) -> None:
        """Waits while gc removes something: on return it is kept, or isn't there."""
        with self._lock:
            self._content.add(digest)

    def add_snapshot(self, key: str) -> None:
        """A snapshot's parents are kept with it once it exists; add them too before that."""
        with self._lock:
            self._snapshots.add(key)

    def covers_content(self, digest: str) -> bool:
        return digest in self._content

    def covers_snapshot(self, key: str) -> bool:
        return key in self._snapshots

    def covers_age(self, created_ns: int) -> bool:
        return created_ns >= self.begun_ns - CLOCK_SLACK_NS


class Leases:
    """All leases of one store."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # gc holds it for each removal, with the check before it
        self._active: set[Lease] = set()
        self._ended: set[Lease] = set()
        self._collecting = False

    @contextmanager
    def hold(self) -> Iterator[Lease]:
        lease = Lease(self.lock)
        with self.lock:
            self._active.add(lease)
        try:
            yield lease
        finally:
            with self.lock:
                self._active.discard(lease)
                if self._collecting:
                    self._ended.add(lease)

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """For gc, around mark and sweep: leases that end meanwhile still count."""
        with self.lock:
            self._collecting = True
        try:
            yield
        finally:
            with self.lock:
                self._collecting = False
                self._ended.clear()

    def covers_content(self, digest: str, committed_ns: int) -> bool:
        with self.lock:
            return any(
                lease.covers_content(digest) or lease.covers_age(committed_ns)
                for lease in self._active | self._ended
            )

    def covers_snapshot(self, key: str, created_ns: int) -> bool:
        with self.lock:
            return any(
                lease.covers_snapshot(key) or lease.covers_age(created_ns)
                for lease in self._active | self._ended
            )
