"""Clients that attached before the container runs, and how its start connects them.

`docker run` attaches first and starts afterwards. Such a client waits here; `Starter` hands every
one of them its own stream of the new task before the process is launched, so that nobody misses
the first byte. When the container goes away without a start, they are told that there is nothing
to read (`stream` returns None).
"""

import asyncio
from dataclasses import dataclass, field

from sampan.lib.ids import ContainerId
from sampan.runtime.streams import TaskStream
from sampan.runtime.tasks import Task


@dataclass(slots=True, eq=False)
class PendingAttach:
    """One client in line. Not to be shared."""

    stdin: bool
    stdout: bool
    stderr: bool
    _hub: "AttachHub"
    _container: ContainerId
    _stream: asyncio.Future[TaskStream | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    async def stream(self) -> TaskStream | None:
        """Waits for the start; None when there won't be one."""
        return await asyncio.shield(self._stream)

    async def cancel(self) -> None:
        """The client went away. Idempotent; closes a stream that came too late."""
        self._hub.forget(self._container, self)
        if not self._stream.done():
            self._stream.set_result(None)
        elif (stream := self._stream.result()) is not None:
            await stream.aclose()

    def resolve(self, stream: TaskStream | None) -> bool:
        """False if the client has gone meanwhile."""
        if self._stream.done():
            return False
        self._stream.set_result(stream)
        return True


class AttachHub:
    """The lines of all containers that aren't running."""

    def __init__(self) -> None:
        self._waiting: dict[ContainerId, list[PendingAttach]] = {}

    def register(
        self, container: ContainerId, *, stdin: bool, stdout: bool, stderr: bool
    ) -> PendingAttach:
        pending = PendingAttach(stdin, stdout, stderr, self, container)
        self._waiting.setdefault(container, []).append(pending)
        return pending

    async def connect(self, container: ContainerId, task: Task) -> None:
        """Give everyone in line a stream of `task`; called between its creation and launch."""
        for pending in self._waiting.pop(container, []):
            stream = await task.attach(
                stdin=pending.stdin, stdout=pending.stdout, stderr=pending.stderr
            )
            if not pending.resolve(stream):
                await stream.aclose()

    def dismiss(self, container: ContainerId) -> None:
        """The container is being removed: nobody needs to wait any longer."""
        for pending in self._waiting.pop(container, []):
            pending.resolve(None)

    def forget(self, container: ContainerId, pending: PendingAttach) -> None:
        line = self._waiting.get(container, [])
        if pending in line:
            line.remove(pending)
            if not line:
                del self._waiting[container]
