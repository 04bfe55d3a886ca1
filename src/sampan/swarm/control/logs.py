"""The logs of services and tasks as one stream, whichever nodes write them.

Each record carries, when details are asked for, the node, service and task that it is of: command
lines can't show logs without. Records come as their nodes send them; between nodes there is no
order but that of arrival. `tail` counts for each task.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote_plus

from sampan.errors import Internal, SampanError
from sampan.lib import gotime
from sampan.swarm.control.lookup import find
from sampan.swarm.messages import LogLine, LogOptions
from sampan.swarm.model import Service, Task
from sampan.swarm.store.interface import Store
from sampan.wire.stdcopy import Stream, frame

LABEL = "com.docker.swarm"


class NoStream(Internal):
    """dockerd answers 500 here."""

    def __init__(self) -> None:
        super().__init__("Bad parameters: you must choose at least one stream")


class LogSource(Protocol):
    def read(
        self,
        tasks: Sequence[Task],
        options: LogOptions,
        *,
        later: Callable[[Task], bool] | None = None,
    ) -> AsyncGenerator[LogLine, None]:
        """Records of tasks on any nodes; `later` says which new tasks are followed as well.
        Raises SampanError at the end for what couldn't be read."""
        ...


@dataclass(frozen=True, slots=True)
class LogRequest:
    """`options` are for the nodes, the other two for how a record is written."""

    options: LogOptions
    timestamps: bool = False
    details: bool = False


class Logs:
    def __init__(self, store: Store, source: LogSource) -> None:
        self._store = store
        self._source = source

    def of_service(self, text: str, request: LogRequest) -> tuple[bool, AsyncIterator[bytes]]:
        """Whether the output is raw, and its chunks. Raises at once what can be wrong."""
        service = find(self._store.tables, Service, text)
        container = service.spec.TaskTemplate.ContainerSpec
        is_raw = container is not None and container.TTY
        return self._open(lambda task: task.service_id == service.id, request, is_raw=is_raw)

    def of_task(self, text: str, request: LogRequest) -> tuple[bool, AsyncIterator[bytes]]:
        wanted = find(self._store.tables, Task, text)
        container = wanted.spec.ContainerSpec
        is_raw = container is not None and container.TTY
        return self._open(lambda task: task.id == wanted.id, request, is_raw=is_raw)

    def _open(
        self, select: Callable[[Task], bool], request: LogRequest, *, is_raw: bool
    ) -> tuple[bool, AsyncIterator[bytes]]:
        if not (request.options.stdout or request.options.stderr):
            raise NoStream
        return is_raw, self._chunks(select, request, is_raw=is_raw)

    async def _chunks(
        self, select: Callable[[Task], bool], request: LogRequest, *, is_raw: bool
    ) -> AsyncIterator[bytes]:
        tasks = [task for task in self._store.tables.all(Task) if select(task)]
        known: dict[str, Task] = {}
        try:
            async with aclosing(self._source.read(tasks, request.options, later=select)) as lines:
                async for line in lines:
                    task = self._store.tables.find(Task, line.task_id) or known.get(line.task_id)
                    if task is None:
                        continue
                    known[task.id] = task
                    text = written(line, task, request)
                    stream = Stream.STDERR if line.stream == "stderr" else Stream.STDOUT
                    yield text if is_raw else frame(stream, text)
        except SampanError as error:
            # The status is spent; the fourth stream is for that, and clients print it.
            text = f"{error.message}\n".encode()
            yield text if is_raw else frame(Stream.SYSTEM, text)


def written(line: LogLine, task: Task, request: LogRequest) -> bytes:
    """One record as the API has it: time, details, text."""
    head = ""
    if request.timestamps:
        head = f"{gotime.format_ns(line.time_ns, fixed=True)} "
    if request.details:
        details = {
            **line.details,
            f"{LABEL}.node.id": task.node_id,
            f"{LABEL}.service.id": task.service_id,
            f"{LABEL}.task.id": task.id,
        }
        pairs = sorted(details.items())
        head += ",".join(f"{quote_plus(key)}={quote_plus(value)}" for key, value in pairs) + " "
    return head.encode() + line.data
