"""Time as a dependency: whoever waits or looks at the time is given a clock.

Moments are nanoseconds since 1970 (`now_ns`), as objects store them. Tests and simulations give a
clock whose hours pass in no time; what is built on this one runs the same on it.
"""

import asyncio
import time
from typing import Protocol

NANOS = 1_000_000_000


class Clock(Protocol):
    def now_ns(self) -> int: ...

    async def sleep(self, duration_ns: int) -> None: ...

    async def sleep_until(self, moment_ns: int) -> None:
        """Returns at once when that moment has passed."""
        ...


class SystemClock:
    """The machine's own."""

    def now_ns(self) -> int:
        return time.time_ns()

    async def sleep(self, duration_ns: int) -> None:
        await asyncio.sleep(max(0, duration_ns) / NANOS)

    async def sleep_until(self, moment_ns: int) -> None:
        await self.sleep(moment_ns - self.now_ns())
