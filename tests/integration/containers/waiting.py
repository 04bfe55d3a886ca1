"""Waiting for what happens by itself."""

import asyncio
from collections.abc import Callable


async def eventually(condition: Callable[[], object], limit_s: float = 10) -> None:
    """Until `condition()` holds; it is asked again and again, as outsiders must."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - there is nothing to be told by
            await asyncio.sleep(0.02)
