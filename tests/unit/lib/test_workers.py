import asyncio
import threading
import time

import anyio
import pytest

from sampan.lib.workers import Workers


def test_result_and_failure_come_back():
    async def main():
        workers = Workers()
        assert await workers.run(sum, [1, 2]) == 3
        with pytest.raises(ZeroDivisionError):
            await workers.run(lambda: 1 / 0)

    asyncio.run(main())


@pytest.mark.parametrize("way", ["task", "scope"])
def test_a_cancelled_caller_waits_until_the_call_is_done(way):
    finished = threading.Event()

    def slow():
        time.sleep(0.1)
        finished.set()

    async def by_task(workers):
        task = asyncio.create_task(workers.run(slow))
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    async def by_scope(workers):
        with anyio.move_on_after(0.02) as scope:
            await workers.run(slow)
        assert scope.cancelled_caught

    asyncio.run((by_task if way == "task" else by_scope)(Workers()))
    assert finished.is_set()
