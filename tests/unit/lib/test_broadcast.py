import anyio
import anyio.lowlevel

from sampan.lib.broadcast import Broadcaster
from sampan.lib.locks import KeyedLocks


def test_every_subscriber_gets_every_item_until_the_close() -> None:
    async def main() -> None:
        hub: Broadcaster[int] = Broadcaster()
        with hub.subscribe() as first, hub.subscribe() as second:
            hub.publish(1)
            hub.publish(2)
            hub.close()
            assert [item async for item in first] == [1, 2]
            assert [item async for item in second] == [1, 2]

    anyio.run(main)


def test_a_slow_reader_loses_the_oldest_and_knows_it() -> None:
    async def main() -> None:
        hub: Broadcaster[int] = Broadcaster(limit=2)
        with hub.subscribe() as reader:
            for number in range(4):
                hub.publish(number)
            assert reader.lost == 2
            assert await anext(reader) == 2

    anyio.run(main)


def test_keyed_locks_exclude_per_key_and_forget() -> None:
    async def main() -> None:
        locks = KeyedLocks()
        order = []

        async def work(key: str, name: str) -> None:
            async with locks.hold(key):
                order.append(f"{name} in")
                await anyio.lowlevel.checkpoint()
                order.append(f"{name} out")

        async with anyio.create_task_group() as group:
            group.start_soon(work, "k", "a")
            group.start_soon(work, "k", "b")
        assert order == ["a in", "a out", "b in", "b out"]
        assert not locks._locks

    anyio.run(main)
