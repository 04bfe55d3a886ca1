"""The loop that every part of the orchestration is: watch, decide, write back.

    commit --keys()--> pending keys --plan()--> groups of changes --one transaction--> store
                            ^                                            |
                            +------ lost a race, or due at a moment -----+

A part says which keys an event concerns, and what is to be changed for a key as the tables stand.
`plan` is a decision without effects on the store: it may be asked at any time, any number of
times, and answers with nothing when all is well. So a leader that starts anew asks it for all keys
(`seed`), and nothing has to be remembered between leaders.

Each group of changes is written whole or not at all; groups of many keys share a transaction. When
that loses a race, its groups are written one by one, and the keys of the losers planned again.
Keys of a lower rank are planned and written before those of a higher one. Within one rank keys
must not touch the same objects. What `plan` took besides (an address) is given back in `refused`.
"""

import asyncio
import heapq
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

import anyio

from sampan.errors import SampanError, Unavailable
from sampan.lib import log
from sampan.lib.clock import NANOS, Clock
from sampan.swarm.store.interface import Change, Commit, Event, ObjectMissing, OutOfDate, Store

BATCH = 256  # changes in a transaction: far below etcd's limit of operations and of bytes
RACE_LOST_NS = 20_000_000  # the replica may need a moment to see what was ahead of us
UNAVAILABLE_NS = NANOS
BROKEN_NS = 10 * NANOS

Key = TypeVar("Key", bound=Hashable)
Group = Sequence[Change]

logger = logging.getLogger(__name__)


class Reconciler(ABC, Generic[Key]):
    """`run` goes on until it is cancelled, or the store closes."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.tables = store.tables
        self.clock = clock
        self.planned = 0  # keys planned so far: what the work costs, for whoever measures
        self._pending: dict[Key, None] = {}
        self._due: list[tuple[int, int, Key]] = []
        self._asked = 0
        self._wake = asyncio.Event()

    @abstractmethod
    def seed(self) -> Iterable[Key]:
        """All keys that may need something; called before the first event of each run."""

    @abstractmethod
    def keys(self, event: Event) -> Iterable[Key]:
        """The keys that an event concerns."""

    @abstractmethod
    def plan(self, key: Key) -> Iterable[Group]:
        """What is to be changed now."""

    def rank(self, key: Key) -> int:
        return 0

    def refused(self, group: Group) -> None:
        """A group that was planned has not been written."""
        return

    def ask(self, key: Key) -> None:
        """Plan this key soon."""
        self._pending[key] = None
        self._wake.set()

    def ask_at(self, key: Key, moment_ns: int) -> None:
        """Plan it then (too)."""
        self._asked += 1
        heapq.heappush(self._due, (moment_ns, self._asked, key))
        self._wake.set()

    async def run(self) -> None:
        with self.store.watch() as commits:
            self._pending, self._due = {}, []
            for key in self.seed():
                self.ask(key)
            async with anyio.create_task_group() as group:
                group.start_soon(self._work)
                await self._listen(commits)
                group.cancel_scope.cancel()

    async def _listen(self, commits: AsyncIterator[Commit]) -> None:
        async for commit in commits:
            for event in commit.events:
                for key in self.keys(event):
                    self.ask(key)

    async def _work(self) -> None:
        while True:
            self._wake.clear()
            self._collect_due()
            if self._pending:
                keys, self._pending = self._pending, {}
                await self._settle(keys)
            else:
                await self._wait()

    def _collect_due(self) -> None:
        now_ns = self.clock.now_ns()
        while self._due and self._due[0][0] <= now_ns:
            self._pending[heapq.heappop(self._due)[2]] = None

    async def _wait(self) -> None:
        async with anyio.create_task_group() as group:
            if self._due:
                group.start_soon(self._alarm, self._due[0][0])
            await self._wake.wait()
            group.cancel_scope.cancel()

    async def _alarm(self, moment_ns: int) -> None:
        await self.clock.sleep_until(moment_ns)
        self._wake.set()

    async def _settle(self, keys: Iterable[Key]) -> None:
        by_rank: dict[int, list[Key]] = {}
        for key in keys:
            by_rank.setdefault(self.rank(key), []).append(key)
        for rank in sorted(by_rank):
            batch: list[tuple[Key, Group]] = []
            size = 0
            for key in by_rank[rank]:
                for group in self._decide(key):
                    if size and size + len(group) > min(BATCH, self.store.max_changes):
                        await self._write(batch)
                        batch, size = [], 0
                    batch.append((key, group))
                    size += len(group)
            await self._write(batch)

    def _decide(self, key: Key) -> list[Group]:
        self.planned += 1
        try:
            return [group for group in self.plan(key) if group]
        except Exception:  # one object that can't be dealt with must not stop all others
            logger.exception(log.fields("plan failed", part=type(self).__name__, key=key))
            self.ask_at(key, self.clock.now_ns() + BROKEN_NS)
            return []

    async def _write(self, batch: Sequence[tuple[Key, Group]]) -> None:
        if not batch:
            return
        try:
            await self.store.apply(*[change for _, group in batch for change in group])
        except (OutOfDate, ObjectMissing):
            if len(batch) == 1:
                self._again(batch, RACE_LOST_NS)
                return
            for one in batch:
                await self._write([one])
        except Unavailable:
            self._again(batch, UNAVAILABLE_NS)
        except SampanError as error:
            name = type(self).__name__
            logger.warning(log.fields("write failed", part=name, error=error.message))
            self._again(batch, BROKEN_NS)

    def _again(self, batch: Sequence[tuple[Key, Group]], delay_ns: int) -> None:
        moment_ns = self.clock.now_ns() + delay_ns
        for key, group in batch:
            self.refused(group)
            self.ask_at(key, moment_ns)
