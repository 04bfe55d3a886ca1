"""Virtual time: an event loop whose clock jumps to the next timer when nothing is left to do."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

NANOS = 1_000_000_000
START_NS = 1_800_000_000 * NANOS


class _Selector(selectors.DefaultSelector):
    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("nothing will ever happen again")
            self.loop.elapsed += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.elapsed = 0.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.elapsed


class VirtualClock:
    """The running loop's time as a sampan.lib.clock.Clock."""

    def now_ns(self) -> int:
        return START_NS + round(asyncio.get_running_loop().time() * NANOS)

    async def sleep(self, duration_ns: int) -> None:
        await asyncio.sleep(max(0, duration_ns) / NANOS)

    async def sleep_until(self, moment_ns: int) -> None:
        await self.sleep(moment_ns - self.now_ns())


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)
