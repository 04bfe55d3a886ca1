"""`docker top`: the host's `ps`, cut down to the processes of one container.

`ps` runs on the host with the client's arguments (default `-ef`), because the container may have
none; its rows are kept when their PID column names a process of the container's cgroup.
"""

import subprocess
from collections.abc import Collection
from dataclasses import dataclass

from sampan.engine.containers.live import LiveContainers
from sampan.engine.containers.record import event_attributes
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.events import EventLog
from sampan.errors import Conflict, Internal, InvalidArgument
from sampan.lib.needs import PS
from sampan.lib.workers import Workers
from sampan.linux.cgroups import CgroupLayout

LIMIT_S = 10


@dataclass(frozen=True, slots=True)
class ProcessTable:
    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def process_table(arguments: str, pids: Collection[int]) -> ProcessTable:
    """Run `ps` and keep the rows of `pids`. Raises InvalidArgument when `ps` refuses."""
    words = arguments.split() or ["-ef"]
    if "\0" in arguments:
        raise InvalidArgument("ps: arguments can't contain null characters")
    try:
        done = subprocess.run(
            ["ps", *words], capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except FileNotFoundError as error:
        raise Internal("top needs the program ps on the host", hint=PS.hint()) from error
    if done.returncode:
        raise InvalidArgument(f"ps: {done.stderr.strip() or done.returncode}")
    return select_rows(done.stdout, pids)


def select_rows(output: str, pids: Collection[int]) -> ProcessTable:
    """The rows whose PID column is one of `pids`; the last column keeps its blanks."""
    lines = output.splitlines()
    titles = tuple(lines[0].split()) if lines else ()
    if "PID" not in titles:
        raise InvalidArgument("Couldn't find PID field in ps output")
    column = titles.index("PID")
    rows = []
    for line in lines[1:]:
        cells = tuple(line.split(None, len(titles) - 1))
        if len(cells) > column and cells[column].isdecimal() and int(cells[column]) in pids:
            rows.append(cells)
    return ProcessTable(titles, tuple(rows))


class Top:
    """The use case: whose processes, and the event."""

    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        live: LiveContainers,
        layout: CgroupLayout,
        events: EventLog,
        workers: Workers,
    ) -> None:
        self._registry = registry
        self._live = live
        self._layout = layout
        self._events = events
        self._workers = workers

    async def top(self, text: str, arguments: str) -> ProcessTable:
        """Raises NoSuchContainer, Conflict (not running) and InvalidArgument (bad arguments)."""
        container = self._registry.get(text)
        if not container.state.pid:
            raise Conflict(f"Container {container.id} is not running")
        group = self._live.task(container.id).spec.cgroup_path
        pids = await self._workers.run(self._layout.processes, group)
        table = await self._workers.run(process_table, arguments, frozenset(pids))
        self._events.publish("container", "top", container.id, event_attributes(container))
        return table
