import asyncio
from collections.abc import Iterable

from sampan.swarm.model import Network, new_id
from sampan.swarm.reconciler import BATCH, Group, Reconciler
from sampan.swarm.store.interface import (
    Action,
    Change,
    Create,
    Event,
    NoQuorum,
    OutOfDate,
    Update,
)
from sampan.swarm.store.memory import MemoryStore
from simulation.virtual import VirtualClock, run


class _Labelled(Reconciler[str]):
    """Every network shall have the label `seen`."""

    broken: str = ""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store, VirtualClock())
        self.given_back: list[str] = []

    def seed(self) -> Iterable[str]:
        return [network.id for network in self.tables.all(Network)]

    def keys(self, event: Event) -> Iterable[str]:
        return () if event.action == Action.REMOVED else (event.item.id,)

    def plan(self, key: str) -> Iterable[Group]:
        network = self.tables.find(Network, key)
        if network is None or "seen" in network.labels:
            return []
        if network.name == self.broken:
            raise ValueError(self.broken)
        labels = {"seen": ""}
        return [
            [Update(Network(id=key, name=network.name, labels=labels, version=network.version))]
        ]

    def refused(self, group: Group) -> None:
        self.given_back += [change.item.name for change in group]


class _Store(MemoryStore):
    """Counts its transactions; refuses some."""

    def __init__(self) -> None:
        super().__init__(VirtualClock().now_ns)
        self.sizes: list[int] = []
        self.refusals: list[Exception] = []
        self.stale: set[str] = set()

    async def apply(self, *changes: Change) -> int:
        if self.refusals:
            raise self.refusals.pop()
        if any(change.item.name in self.stale and change.item.labels for change in changes):
            if len(changes) == 1:
                self.stale.clear()
            raise OutOfDate
        self.sizes.append(len(changes))
        return await super().apply(*changes)


def _networks(count: int) -> list[Create]:
    return [Create(Network(id=new_id(), name=f"n{number}")) for number in range(count)]


async def _settled(store: _Store, part: _Labelled, seconds: float) -> int:
    """How many networks were labelled after so long."""
    task = asyncio.create_task(part.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return sum("seen" in network.labels for network in store.tables.all(Network))


def test_many_keys_share_transactions_and_none_is_too_large() -> None:
    async def play() -> None:
        store = _Store()
        await store.apply(*_networks(2 * BATCH + 10))
        assert await _settled(store, _Labelled(store), 0.1) == 2 * BATCH + 10
        assert store.sizes[1:] == [BATCH, BATCH, 10]

    run(play())


def test_one_lost_race_costs_the_others_nothing() -> None:
    async def play() -> None:
        store = _Store()
        await store.apply(*_networks(5))
        store.stale.add("n3")
        part = _Labelled(store)
        assert await _settled(store, part, 0.01) == 4
        assert part.given_back == ["n3"]
        assert await _settled(store, part, 0.1) == 5

    run(play())


def test_without_quorum_it_tries_again_each_second() -> None:
    async def play() -> None:
        store = _Store()
        await store.apply(*_networks(2))
        store.refusals = [NoQuorum(), NoQuorum()]
        part = _Labelled(store)
        assert await _settled(store, part, 1.9) == 0
        store.refusals = [NoQuorum()]
        assert await _settled(store, part, 1.1) == 2

    run(play())


def test_one_object_that_cannot_be_planned_stops_no_other() -> None:
    async def play() -> None:
        store = _Store()
        await store.apply(*_networks(3))
        part = _Labelled(store)
        part.broken = "n1"
        assert await _settled(store, part, 1) == 2
        part.broken = ""
        assert await _settled(store, part, 11) == 3

    run(play())
