"""Logs of this node's tasks on their way to whoever reads them through a manager.

Each subscription is one task of its own, which ends with the session, when nobody reads any more,
or when all logs are at their end. Lines go in batches, each acknowledged before the next is read,
so a slow reader slows the reading down and nothing piles up.
"""

import asyncio
import logging
from contextlib import aclosing

from sampan.errors import SampanError
from sampan.lib.log import fields
from sampan.swarm.agent.executor import Executor
from sampan.swarm.agent.link import Link
from sampan.swarm.agent.worker import Worker
from sampan.swarm.messages import LogLine, LogLines, LogsWanted
from sampan.swarm.model import Task

log = logging.getLogger(__name__)

BATCH = 256


class LogSending:
    """Of one session."""

    def __init__(self, executor: Executor, worker: Worker, link: Link, session: str) -> None:
        self._executor = executor
        self._worker = worker
        self._link = link
        self._session = session
        self._running: dict[str, asyncio.Task[None]] = {}

    def begin(self, wanted: LogsWanted) -> None:
        work = asyncio.create_task(self._serve(wanted), name=f"logs {wanted.subscription}")
        self._running[wanted.subscription] = work
        work.add_done_callback(lambda _: self._running.pop(wanted.subscription, None))

    def end(self, subscription: str) -> None:
        if (work := self._running.get(subscription)) is not None:
            work.cancel()

    async def close(self) -> None:
        works = list(self._running.values())
        for each in works:
            each.cancel()
        await asyncio.gather(*works, return_exceptions=True)

    async def _serve(self, wanted: LogsWanted) -> None:
        known = self._worker.tasks
        tasks = [known[each] for each in wanted.tasks if each in known]
        lines: asyncio.Queue[LogLine | str | None] = asyncio.Queue(BATCH)
        readers = [asyncio.ensure_future(self._read(task, wanted, lines)) for task in tasks]
        try:
            await self._forward(wanted.subscription, lines, len(readers))
        except SampanError as error:
            log.info(fields("logs.not_sent", subscription=wanted.subscription, why=error.message))
        finally:
            for each in readers:
                each.cancel()
            await asyncio.gather(*readers, return_exceptions=True)

    async def _read(
        self, task: Task, wanted: LogsWanted, lines: "asyncio.Queue[LogLine | str | None]"
    ) -> None:
        """Lines, errors as text, None at the end."""
        try:
            async with aclosing(self._executor.logs(task, wanted.options)) as records:
                async for line in records:
                    await lines.put(line)
        except SampanError as error:
            await lines.put(error.message)
        except Exception:
            log.exception(fields("logs.broke", task=task.id))
            await lines.put(f"logs of task {task.id} can't be read")
        await lines.put(None)

    async def _forward(
        self, subscription: str, lines: "asyncio.Queue[LogLine | str | None]", readers: int
    ) -> None:
        if not readers:  # none of the tasks is here
            await self._link.logs(self._session, LogLines(subscription=subscription, ended=True))
        while readers:
            batch = [await lines.get()]
            while len(batch) < BATCH and not lines.empty():
                batch.append(lines.get_nowait())
            readers -= batch.count(None)
            message = LogLines(
                subscription=subscription,
                lines=tuple(each for each in batch if isinstance(each, LogLine)),
                errors=tuple(each for each in batch if isinstance(each, str)),
                ended=not readers,
            )
            if not await self._link.logs(self._session, message):
                return
