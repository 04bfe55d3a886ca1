"""Blocking work goes through one limiter of worker threads, so that the event loop never waits."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import anyio
from anyio import CancelScope, CapacityLimiter, to_thread

Result = TypeVar("Result")

WORKERS = 16  # blocking calls at once; tar and hashing release the GIL, SQLite has one of its own


class Workers:
    """The limiter of one daemon. `run(function, *args)` awaits a blocking call in a thread.

    A cancelled caller waits until the call is done: half-done work is never abandoned.
    """

    def __init__(self, limit: int = WORKERS) -> None:
        self._limiter = CapacityLimiter(limit)

    async def run(self, function: Callable[..., Result], *args: object, **kwargs: object) -> Result:
        call = partial(function, *args, **kwargs)
        task = asyncio.ensure_future(to_thread.run_sync(call, limiter=self._limiter))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # anyio itself waits only when one of its own scopes is cancelled, not the bare task
            with CancelScope(shield=True):
                while not task.done():
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait([task])
            if not task.cancelled():
                task.exception()
            raise

    def run_from_thread(self, function: Callable[..., Result], *args: object) -> Result:
        """Call `function` on the event loop's thread from inside a worker, and wait for it."""
        return anyio.from_thread.run_sync(function, *args)
