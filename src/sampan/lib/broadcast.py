"""One writer, many readers, each with a bounded queue of its own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Subscription(Generic[Item]):
    """An async iterator over what was published since `subscribe`; ends when the hub closes.

    A reader that falls `limit` items behind loses the oldest; `lost` counts them.
    """

    def __init__(self, limit: int) -> None:
        self._queue: asyncio.Queue[Item | None] = asyncio.Queue(limit)
        self.lost = 0

    def push(self, item: Item | None) -> None:
        while True:
            try:
                self._queue.put_nowait(item)
            except asyncio.QueueFull:
                self._queue.get_nowait()
                self.lost += 1
            else:
                return

    def __aiter__(self) -> AsyncIterator[Item]:
        return self

    async def __anext__(self) -> Item:
        item = await self._queue.get()
        if item is None:
            raise StopAsyncIteration
        return item


class Broadcaster(Generic[Item]):
    """Publishes to all present subscribers; never blocks."""

    def __init__(self, *, limit: int = 4096) -> None:
        self._limit = limit
        self._subscriptions: set[Subscription[Item]] = set()

    def publish(self, item: Item) -> None:
        for subscription in self._subscriptions:
            subscription.push(item)

    def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.push(None)

    @contextmanager
    def subscribe(self) -> Iterator[Subscription[Item]]:
        subscription: Subscription[Item] = Subscription(self._limit)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
