"""The agent of a node: keeps one session with some manager, and lives on without.

    pick a manager --> session: Welcome ... Assigned ...      --lost--> pause, another manager
                         beats, reports, log lines upwards

Between sessions, and before the first after a start, tasks go on as they were assigned last. The
pause grows from nothing to 8 s while no manager can be reached, with jitter, and is short after a
session that worked. A manager that says goodbye is left without a pause.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from sampan.errors import SampanError, Unavailable
from sampan.lib.clock import NANOS, Clock
from sampan.lib.log import fields
from sampan.swarm.agent.executor import Executor
from sampan.swarm.agent.link import Link, Managers
from sampan.swarm.agent.log_sending import LogSending
from sampan.swarm.agent.reports import Reports
from sampan.swarm.agent.worker import Worker
from sampan.swarm.messages import (
    Assigned,
    Down,
    Goodbye,
    Hello,
    LogsUnwanted,
    LogsWanted,
    Myself,
    Welcome,
)
from sampan.swarm.messages import Managers as ManagersTold

log = logging.getLogger(__name__)

SHORTEST_PAUSE_NS = NANOS // 10
LONGEST_PAUSE_NS = 2 * NANOS  # what a node misses at most of a partition that has healed


class SessionEnded(Unavailable):
    def __init__(self) -> None:
        super().__init__("the manager ended the session")


class Agent:
    """`run` until it is cancelled."""

    def __init__(
        self,
        *,
        executor: Executor,
        worker: Worker,
        reports: Reports,
        managers: Managers,
        clock: Clock,
        data_path_addr: str = "",
    ) -> None:
        self._executor = executor
        self._worker = worker
        self._reports = reports
        self._managers = managers
        self._clock = clock
        self._data_path_addr = data_path_addr
        self._revision = 0
        self._pause_ns = 0
        self.connected_to = ""  # the address of the manager; "" while there is no session

    async def run(self) -> None:
        await self._worker.start()
        try:
            while True:
                await self._one_session()
                await self._clock.sleep(int(self._pause_ns * random.uniform(0.5, 1)))  # noqa: S311
                grown = max(SHORTEST_PAUSE_NS, self._pause_ns * 2)
                self._pause_ns = min(grown, LONGEST_PAUSE_NS)
        finally:
            await self._worker.close()

    async def _one_session(self) -> None:
        try:
            link = self._managers.pick()
        except SampanError as error:
            log.warning(fields("agent.no_manager", why=error.message))
            return
        try:
            await self._hold(link)
        except SampanError as error:
            self._managers.failed(link)
            log.warning(fields("agent.session_lost", manager=link.address, why=error.message))
        except Exception:
            self._managers.failed(link)
            log.exception(fields("agent.session_broke", manager=link.address))
        finally:
            self.connected_to = ""

    async def _hold(self, link: Link) -> None:
        """Returns when the manager said goodbye; whatever else ends it is raised."""
        hello = Hello(
            description=await self._executor.describe(),
            revision=self._revision,
            data_path_addr=self._data_path_addr,
        )
        async with link.session(hello) as messages:
            welcome = await anext(messages, None)
            if not isinstance(welcome, Welcome):
                raise SessionEnded
            self._managers.answered(link)
            self.connected_to = link.address
            log.info(fields("agent.session", manager=link.address, id=welcome.session))
            logs = LogSending(self._executor, self._worker, link, welcome.session)
            try:
                await _first_of(
                    self._listen(messages, logs),
                    self._beat(link, welcome),
                    self._report(link, welcome.session),
                )
            finally:
                await logs.close()
        self._managers.failed(link)  # it goes: another one first
        self._pause_ns = 0

    async def _listen(self, messages: AsyncIterator[Down], logs: LogSending) -> None:
        async for message in messages:
            match message:
                case Assigned():
                    await self._worker.apply(message)
                    self._revision = max(self._revision, message.revision)
                    self._pause_ns = 0
                case Myself():
                    await self._executor.configure(message.node)
                case ManagersTold():
                    self._managers.learn(message.addresses)
                case LogsWanted():
                    logs.begin(message)
                case LogsUnwanted():
                    logs.end(message.subscription)
                case Goodbye():
                    return
                case _:
                    continue
        raise SessionEnded

    async def _beat(self, link: Link, welcome: Welcome) -> None:
        period_ns = welcome.period_ns
        while True:
            await self._clock.sleep(int(period_ns * random.uniform(0.8, 1)))  # noqa: S311
            period_ns = await link.beat(welcome.session)

    async def _report(self, link: Link, session: str) -> None:
        while True:
            batch = await self._reports.batch()
            await link.report(session, batch)
            self._reports.confirm(batch)


async def _first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Until the first ends; the others are cancelled and have ended when this returns."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
