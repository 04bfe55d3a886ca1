"""Statuses that a manager hasn't acknowledged: the newest of each task, until it has."""

import asyncio

from sampan.swarm.messages import Report
from sampan.swarm.model import TaskStatus

BATCH = 500


class Reports:
    """`add` never waits; one session at a time takes and confirms."""

    def __init__(self) -> None:
        self._waiting: dict[str, TaskStatus] = {}
        self._news = asyncio.Event()

    def add(self, task_id: str, status: TaskStatus) -> None:
        self._waiting[task_id] = status
        self._news.set()

    def forget(self, task_id: str) -> None:
        """The task is none of this node's any more."""
        self._waiting.pop(task_id, None)

    async def batch(self) -> tuple[Report, ...]:
        """At least one; they stay until confirmed."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        chosen = list(self._waiting.items())[:BATCH]
        return tuple(Report(task_id=task_id, status=status) for task_id, status in chosen)

    def confirm(self, batch: tuple[Report, ...]) -> None:
        """What changed meanwhile stays."""
        for report in batch:
            if self._waiting.get(report.task_id) == report.status:
                del self._waiting[report.task_id]
