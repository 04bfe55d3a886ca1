"""Logs of tasks, wherever they run: asked of their nodes, handed on as one stream.

    TaskLogs.read(tasks, options) -- for each node --> NodeLogs.read
                                                          | here: LogBroker, over the session
                                                          | elsewhere: another manager's LogBroker

`TaskLogs` is what the API reads from. With `follow`, tasks that come later may join in. A node that
can't be asked doesn't stop the others; it is told of at the end, in swarmkit's words.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, Protocol

import msgspec

from sampan.errors import Internal, NotFound, SampanError
from sampan.lib.log import fields
from sampan.swarm.dispatcher.sessions import Session
from sampan.swarm.messages import LogLine, LogLines, LogOptions, LogsUnwanted, LogsWanted
from sampan.swarm.model import Task
from sampan.swarm.states import TaskState
from sampan.swarm.store.interface import Commit, Store

log = logging.getLogger(__name__)

QUEUED = 8  # batches of a node that wait for their reader
LOOK_S = 1.0  # between looks whether a node is still in session


class IncompleteLogs(Internal):
    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(
            "warning: incomplete log stream. some logs could not be retrieved for the following "
            f"reasons: {', '.join(reasons)}"
        )


class NodeNotHere(NotFound):
    """Not in session with this manager."""

    def __init__(self, node_id: str) -> None:
        super().__init__(f"node {node_id} is not available")


class NodeLogs(Protocol):
    """A manager that may have a node in session."""

    def read(
        self, node_id: str, tasks: Sequence[str], options: LogOptions
    ) -> AsyncGenerator[LogLines, None]:
        """Raises NodeNotHere before anything else."""
        ...


class LogBroker:
    """The subscriptions of this manager's own sessions."""

    def __init__(self, sessions: Callable[[str], Session | None]) -> None:
        self._sessions = sessions
        self._queues: dict[str, asyncio.Queue[LogLines]] = {}

    async def read(
        self, node_id: str, tasks: Sequence[str], options: LogOptions
    ) -> AsyncGenerator[LogLines, None]:
        session = self._sessions(node_id)
        if session is None:
            raise NodeNotHere(node_id)
        name = secrets.token_hex(12)
        queue = self._queues[name] = asyncio.Queue(QUEUED)
        session.send(LogsWanted(subscription=name, tasks=tuple(tasks), options=options))
        try:
            while True:
                batch = await _next(queue, session)
                own = tuple(line for line in batch.lines if line.task_id in tasks)
                yield msgspec.structs.replace(batch, lines=own)  # a node speaks for itself alone
                if batch.ended:
                    return
        finally:
            del self._queues[name]
            session.send(LogsUnwanted(subscription=name))

    async def take(self, batch: LogLines) -> bool:
        """From a node. False: nobody reads it (any more). Waits while its reader is behind."""
        queue = self._queues.get(batch.subscription)
        if queue is None:
            return False
        while queue.full():
            if self._queues.get(batch.subscription) is not queue:
                return False
            await asyncio.sleep(0.02)
        queue.put_nowait(batch)
        return True


async def _next(queue: "asyncio.Queue[LogLines]", session: Session) -> LogLines:
    while True:
        try:
            async with asyncio.timeout(LOOK_S):
                return await queue.get()
        except TimeoutError:
            if session.ended:
                raise NodeNotHere(session.node_id) from None


class TaskLogs:
    """`brokers`: this manager's first, then the others'."""

    def __init__(self, store: Store, brokers: Callable[[], Sequence[NodeLogs]]) -> None:
        self._store = store
        self._brokers = brokers

    async def read(
        self,
        tasks: Sequence[Task],
        options: LogOptions,
        *,
        later: Callable[[Task], bool] = lambda _: False,
    ) -> AsyncGenerator[LogLine, None]:
        """Lines as they come; those of one task are in order. Raises IncompleteLogs at the end.

        With `follow` it never ends by itself, and tasks of which `later` is true join in.
        """
        reading = _Reading(self._brokers, options)
        try:
            with self._store.watch() as commits:
                reading.begin(tasks)
                if options.follow:
                    reading.add_later(commits, later)
                async for line in reading.lines():
                    yield line
        finally:
            await reading.close()
        if reading.reasons:
            raise IncompleteLogs(reading.reasons)


class _Reading:
    """One call of `TaskLogs.read`."""

    def __init__(self, brokers: Callable[[], Sequence[NodeLogs]], options: LogOptions) -> None:
        self._brokers = brokers
        self._options = options
        self._queue: asyncio.Queue[LogLines | None] = asyncio.Queue(QUEUED)
        self._works: set[asyncio.Task[None]] = set()
        self._open = 0
        self._known: set[str] = set()
        self.reasons: list[str] = []

    def begin(self, tasks: Sequence[Task]) -> None:
        by_node: dict[str, list[str]] = {}
        for task in tasks:
            if _has_log(task) and task.id not in self._known:
                self._known.add(task.id)
                by_node.setdefault(task.node_id, []).append(task.id)
        for node_id, identifiers in by_node.items():
            self._spawn(self._forward(node_id, identifiers))

    def add_later(self, commits: AsyncIterator[Commit], select: Callable[[Task], bool]) -> None:
        self._spawn(self._watch(commits, select))

    async def lines(self) -> AsyncGenerator[LogLine, None]:
        while self._open:
            batch = await self._queue.get()
            if batch is None:
                self._open -= 1
                continue
            self.reasons += batch.errors
            for line in batch.lines:
                yield line

    async def close(self) -> None:
        works = list(self._works)
        for each in works:
            each.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._open += 1
        task = asyncio.ensure_future(work)
        self._works.add(task)
        task.add_done_callback(self._works.discard)

    async def _watch(self, commits: AsyncIterator[Commit], select: Callable[[Task], bool]) -> None:
        async for commit in commits:
            items = [event.item for event in commit.events]
            self.begin([item for item in items if isinstance(item, Task) and select(item)])
        await self._queue.put(None)

    async def _forward(self, node_id: str, tasks: Sequence[str]) -> None:
        try:
            await self._from_any(node_id, tasks)
        except SampanError as error:
            self.reasons.append(error.message)
        except Exception:
            log.exception(fields("logs.broke", node=node_id))
            self.reasons.append(f"node {node_id} failed")
        await self._queue.put(None)

    async def _from_any(self, node_id: str, tasks: Sequence[str]) -> None:
        for broker in self._brokers():
            try:
                async with aclosing(broker.read(node_id, tasks, self._options)) as batches:
                    async for batch in batches:
                        await self._queue.put(batch)
            except NotFound:
                continue
            return
        raise NodeNotHere(node_id)


def _has_log(task: Task) -> bool:
    """Its container has been started, or is about to be."""
    return bool(task.node_id) and task.status.state >= TaskState.STARTING
