"""A bound on the programs that builds run at once, all builds of a daemon together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sampan.builder.executor import ExecStep, OnOutput, StepExecutor, StepSession
from sampan.wire.containers import HostSettings


class BoundedExecutor:
    """See executor.StepExecutor."""

    def __init__(self, executor: StepExecutor, limit: int) -> None:
        self._executor = executor
        self._slots = asyncio.Semaphore(limit)

    def session(self, host: HostSettings) -> AbstractAsyncContextManager[StepSession]:
        return self._session(self._executor.session(host))

    @asynccontextmanager
    async def _session(
        self, inner: AbstractAsyncContextManager[StepSession]
    ) -> AsyncIterator[StepSession]:
        async with inner as session:
            yield _BoundedSession(session, self._slots)


class _BoundedSession:
    def __init__(self, session: StepSession, slots: asyncio.Semaphore) -> None:
        self._session = session
        self._slots = slots

    async def run(self, step: ExecStep, output: OnOutput) -> int:
        async with self._slots:
            return await self._session.run(step, output)
