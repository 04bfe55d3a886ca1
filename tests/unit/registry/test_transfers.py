import asyncio

import pytest

from sampan.registry.transfers import Transfers


def ignore(_):
    pass


def test_concurrent_joiners_share_one_run_and_its_progress():
    async def main():
        runs, seen = [], [[], []]
        go = asyncio.Event()

        async def work(publish, held):
            runs.append(1)
            publish(1)
            await go.wait()
            publish(2)
            return "done"

        transfers = Transfers()

        async def join(watcher):
            async with transfers.join("k", work, watcher) as transfer:
                return await transfer.result()

        first = asyncio.create_task(join(seen[0].append))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(join(seen[1].append))
        await asyncio.sleep(0.01)
        go.set()
        assert await asyncio.gather(first, second) == ["done", "done"]
        assert (runs, seen) == ([1], [[1, 2], [1, 2]])

    asyncio.run(main())


def test_one_leaving_doesnt_stop_it_but_the_last_one_does():
    async def main():
        state = []

        async def work(publish, held):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                state.append("cancelled")
                raise

        transfers = Transfers()

        async def join():
            async with transfers.join("k", work, ignore) as transfer:
                await transfer.result()

        tasks = [asyncio.create_task(join()) for _ in range(2)]
        await asyncio.sleep(0.01)
        tasks[0].cancel()
        await asyncio.wait([tasks[0]])
        assert state == []
        tasks[1].cancel()
        await asyncio.wait([tasks[1]])
        assert state == ["cancelled"]

    asyncio.run(main())


def test_what_the_work_holds_is_kept_until_the_last_has_left():
    async def main():
        released = []

        async def work(publish, held):
            held.callback(released.append, 1)
            return 1

        transfers = Transfers()
        async with transfers.join("k", work, ignore) as transfer:
            await transfer.result()
            assert released == []
        assert released == [1]

    asyncio.run(main())


def test_a_failure_reaches_all_and_the_next_join_starts_anew():
    async def main():
        runs = []

        async def work(publish, held):
            runs.append(1)
            raise OSError("no space")

        transfers = Transfers()

        async def join():
            async with transfers.join("k", work, ignore) as transfer:
                await transfer.result()

        found = await asyncio.gather(join(), join(), return_exceptions=True)
        assert [type(error) for error in found] == [OSError, OSError]
        with pytest.raises(OSError, match="no space"):
            await join()
        assert len(runs) == 2

    asyncio.run(main())
