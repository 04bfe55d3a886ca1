"""Blocking work goes through one limiter of worker threads, so that the event loop never waits."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import anyio
from anyio import CapacityLimiter, to_thread

Result = TypeVar("Result")

WORKERS = 16  # blocking calls at once; tar and hashing release the GIL, SQLite has one of its own


class Workers:
    """The limiter of one daemon. `run(function, *args)` awaits a blocking call in a thread.

    A cancelled caller waits until the call is done: half-done work is never abandoned.
    """

    def __init__(self, limit: int = WORKERS) -> None:
        self._limiter = CapacityLimiter(limit)

    async def run(self, function: Callable[..., Result], *args: object, **kwargs: object) -> Result:
        return await to_thread.run_sync(partial(function, *args, **kwargs), limiter=self._limiter)

    def run_from_thread(self, function: Callable[..., Result], *args: object) -> Result:
        """Call `function` on the event loop's thread from inside a worker, and wait for it."""
        return anyio.from_thread.run_sync(function, *args)
