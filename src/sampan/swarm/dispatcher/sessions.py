"""One node's session with this manager: what it is told, in order, until it ends.

    open -> Welcome, Myself, Managers, Assigned (complete) -> changes, log requests, Alive ...
         -> Goodbye (the manager stops) | ended (replaced, expired, node removed)

`since_ns` marks the session in the store (`Node.status.since_ns`): whoever finds another mark there
knows that the node has gone to another manager, and leaves its status alone.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from sampan.errors import NotFound
from sampan.lib.clock import NANOS, Clock
from sampan.swarm.dispatcher.assignments import Assignments
from sampan.swarm.messages import Alive, Down, Goodbye, Managers, Myself, Welcome

GATHER_NS = NANOS // 50  # changes that come together are told together
MISSED = 3  # heartbeats
KEEPALIVE_NS = 5 * NANOS


class NoSuchSession(NotFound):
    def __init__(self) -> None:
        super().__init__("node session is invalid")


class Session:
    def __init__(
        self,
        *,
        identifier: str,
        node_id: str,
        since_ns: int,
        period_ns: int,
        assignments: Assignments,
        clock: Clock,
    ) -> None:
        self.id = identifier
        self.node_id = node_id
        self.since_ns = since_ns
        self.period_ns = period_ns
        self.expires_ns = 0
        self.gone = asyncio.Event()  # its stream has ended
        self._assignments = assignments
        self._clock = clock
        self._queue: deque[Down] = deque()
        self._stale = False
        self._ended = False
        self._wake = asyncio.Event()
        self.touch()

    @property
    def ended(self) -> bool:
        return self._ended

    def touch(self) -> None:
        """A sign of life."""
        self.expires_ns = self._clock.now_ns() + MISSED * self.period_ns

    def send(self, message: Down) -> None:
        self._queue.append(message)
        self._wake.set()

    def outdated(self) -> None:
        """Something that may concern the node has changed."""
        self._stale = True
        self._wake.set()

    def end(self) -> None:
        self._ended = True
        self._wake.set()

    async def stream(self, node: Myself, managers: Managers) -> AsyncGenerator[Down, None]:
        """Once for each session."""
        try:
            yield Welcome(session=self.id, period_ns=self.period_ns)
            yield node
            yield managers
            yield self._assignments.complete()
            while not self._ended:
                await self._until_news()
                while self._queue:
                    message = self._queue.popleft()
                    yield message
                    if isinstance(message, Goodbye):
                        return
                if self._stale and not self._ended:
                    await self._clock.sleep(GATHER_NS)
                    self._stale = False
                    if (changes := self._assignments.changes()) is not None:
                        yield changes
        finally:
            self._ended = True
            self.gone.set()

    async def _until_news(self) -> None:
        """Something is said in any case: silence means a dead connection."""
        if not (self._queue or self._stale or self._ended):
            self._wake.clear()
            try:
                async with asyncio.timeout(min(self.period_ns, KEEPALIVE_NS) / NANOS):
                    await self._wake.wait()
            except TimeoutError:
                self._queue.append(Alive())
