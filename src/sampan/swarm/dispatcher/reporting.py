"""What nodes report of their tasks, written to the store: many reports in one transaction.

A caller's report is durable when its `write` returns. Reports that are no news are dropped: of
tasks that are gone or another node's, of states behind what the store has (states only grow). A
transaction that lost a race is made again from what is there then; one task's bad luck doesn't
hold up the others: after some tries each is written alone.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from sampan.errors import SampanError, Unavailable
from sampan.lib.clock import NANOS, Clock
from sampan.swarm.messages import Report
from sampan.swarm.model import Task
from sampan.swarm.states import TaskState, may_become
from sampan.swarm.store.interface import ObjectMissing, OutOfDate, Store, Update

GATHER_NS = NANOS // 100
BATCH = 500
TOGETHER, ALONE = 3, 20  # tries
LOST_NS = NANOS // 100


@dataclass(slots=True, eq=False)
class _Call:
    """One caller's reports."""

    node_id: str
    reports: Sequence[Report]
    done: "asyncio.Future[None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class ReportWriter:
    """`run` carries out what `write` asks for."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._calls: list[_Call] = []
        self._news = asyncio.Event()

    async def write(self, node_id: str, reports: Sequence[Report]) -> None:
        """Raises NoQuorum when they can't be made durable."""
        call = _Call(node_id, reports)
        self._calls.append(call)
        self._news.set()
        await call.done

    async def run(self) -> None:
        while True:
            await self._news.wait()
            await self._clock.sleep(GATHER_NS)
            self._news.clear()
            calls, self._calls = self._calls, []
            try:
                await self._write_all(calls)
            except SampanError as error:
                _settle(calls, error)
            except BaseException:
                _settle(calls, Unavailable("the manager stops"))
                raise
            else:
                _settle(calls, None)

    async def _write_all(self, calls: Iterable[_Call]) -> None:
        newest: dict[str, tuple[str, Report]] = {}
        for call in calls:
            for report in call.reports:
                newest[report.task_id] = (call.node_id, report)
        wanted = list(newest.values())
        size = min(BATCH, self._store.max_changes)
        for start in range(0, len(wanted), size):
            await self._write_batch(wanted[start : start + size])

    async def _write_batch(self, wanted: Sequence[tuple[str, Report]]) -> None:
        if await self._attempt(wanted, TOGETHER):
            return
        for each in wanted:
            if not await self._attempt([each], ALONE):
                raise OutOfDate

    async def _attempt(self, wanted: Sequence[tuple[str, Report]], tries: int) -> bool:
        for number in range(tries):
            changes = [
                Update(changed)
                for node_id, report in wanted
                if (changed := self._changed(node_id, report)) is not None
            ]
            try:
                await self._store.apply(*changes)
            except (OutOfDate, ObjectMissing):
                await self._clock.sleep(LOST_NS * (number + 1))
            else:
                return True
        return False

    def _changed(self, node_id: str, report: Report) -> Task | None:
        """None when it is no news."""
        task, status = self._store.tables.find(Task, report.task_id), report.status
        if task is None or task.node_id != node_id or task.status == status:
            return None
        if not may_become(task.status.state, status.state) or status.state > TaskState.REJECTED:
            return None
        if task.status.state == status.state and status.timestamp_ns < task.status.timestamp_ns:
            return None
        return msgspec.structs.replace(task, status=status)


def _settle(calls: Iterable[_Call], error: SampanError | None) -> None:
    for call in calls:
        if call.done.done():
            continue
        if error is None:
            call.done.set_result(None)
        else:
            call.done.set_exception(error)
