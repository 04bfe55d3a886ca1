"""The tasks of this node as it remembers them itself: what it goes on from without a manager.

Written when a task is assigned or its desired state changes, when it runs, and when it ended: a
daemon that starts again takes up containers that run, and no end is forgotten that a manager
hasn't heard of. Steps in between are done again after a restart, which does no harm.

    <data-root>/swarm/worker/tasks/<task id>.json
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from sampan.lib.atomicfile import write_atomic
from sampan.lib.workers import Workers
from sampan.swarm.model import Task, TaskStatus
from sampan.swarm.states import TaskState


class TaskRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`task` as a manager sent it last, `status` as this node knows it."""

    task: Task
    status: TaskStatus


class Documents(Protocol):
    """Durable bodies by key; each call blocks until the disk has it."""

    def put(self, key: str, body: bytes, /) -> object: ...

    def remove(self, key: str, /) -> object: ...

    def all(self) -> Sequence[tuple[str, bytes]]: ...


class TaskFolder:
    """Documents as files; each is replaced as a whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, body: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomic(self._folder / f"{key}.json", body)

    def remove(self, key: str) -> None:
        """Idempotent."""
        (self._folder / f"{key}.json").unlink(missing_ok=True)

    def all(self) -> list[tuple[str, bytes]]:
        return [(path.stem, path.read_bytes()) for path in sorted(self._folder.glob("*.json"))]


class TaskRecords:
    def __init__(self, documents: Documents, workers: Workers) -> None:
        self._documents = documents
        self._workers = workers

    async def load(self) -> list[TaskRecord]:
        found = await self._workers.run(self._documents.all)
        return [msgspec.json.decode(body, type=TaskRecord) for _, body in found]

    async def save(self, record: TaskRecord) -> None:
        body = msgspec.json.encode(record)
        await self._workers.run(self._documents.put, record.task.id, body)

    async def forget(self, task_id: str) -> None:
        await self._workers.run(self._documents.remove, task_id)


def worth_keeping(state: TaskState) -> bool:
    """Whether a change of the observed state is written down."""
    return state >= TaskState.RUNNING
