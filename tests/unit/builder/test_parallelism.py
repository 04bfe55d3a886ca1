"""No more programs at once than the bound says."""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

from sampan.builder.executor import ExecStep
from sampan.builder.parallelism import BoundedExecutor
from sampan.wire.containers import HostSettings


class Counting:
    """An executor whose programs run for a few turns of the event loop."""

    def __init__(self):
        self.now = self.most = 0

    @asynccontextmanager
    async def session(self, host):
        yield self

    async def run(self, step, output):
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(5):
            await asyncio.sleep(0)
        self.now -= 1
        return 3


def test_the_bound_is_of_all_builds_together_and_is_used():
    counting = Counting()

    async def build(executor):
        step = ExecStep(id="a", rootfs=Path("/"), argv=("x",), env={}, cwd="/", user="")
        async with executor.session(HostSettings()) as session:
            return await asyncio.gather(*(session.run(step, None) for _ in range(4)))

    async def builds():
        executor = BoundedExecutor(counting, 3)
        return await asyncio.gather(build(executor), build(executor))

    assert asyncio.run(builds()) == [[3] * 4] * 2
    assert counting.most == 3
