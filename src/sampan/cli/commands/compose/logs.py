"""`logs`: what a project's containers have written, and with -f what they write, over restarts."""

from __future__ import annotations

import sys
from queue import Empty

from sampan.cli.commands.compose.foreground import GRACE_S, Reader
from sampan.cli.commands.compose.selecting import containers_of
from sampan.cli.commands.compose.verb import Verb
from sampan.cli.flags import Flag
from sampan.compose.logs import LogPrinter, copy_logs, logs_query
from sampan.compose.monitor import FAILED, STARTED, Monitor, ends_for_good

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags
    from sampan.compose.api import Query
    from sampan.compose.monitor import Happening
    from sampan.compose.observe import ObservedContainer


class Follower:
    """The logs of some services; `run` returns when nothing runs any more."""

    def __init__(self, context: ComposeContext, printer: LogPrinter, query: Query) -> None:
        self._context = context
        self._printer = printer
        self._query = query
        self._monitor = Monitor(context.api, context.project_name())
        self._live: set[str] = set()
        self._readers: dict[str, Reader] = {}
        self._ends: dict[str, str] = {}  # the next run's log begins there

    def run(self, containers: list[ObservedContainer], services: set[str]) -> None:
        self._monitor.listen()
        for container in containers:
            self._read(container.id, container.short_name, self._query)
            if container.running:
                self._live.add(container.id)
        self._watch(services)
        for reader in self._readers.values():
            reader.join(GRACE_S)

    def _read(self, container: str, name: str, query: Query) -> None:
        api = self._context.api

        def copy() -> None:
            copy_logs(api, container, query, lambda line: self._printer.line(name, line))

        self._readers[container] = Reader(copy)

    def _watch(self, services: set[str]) -> None:
        while True:
            try:
                happening = self._monitor.queue.get(timeout=None if self._live else GRACE_S)
            except Empty:
                return
            if happening.kind == FAILED:
                assert happening.failure is not None
                raise happening.failure
            if services and happening.service not in services:
                continue
            if happening.kind == STARTED:
                self._started(happening)
                continue
            self._ends[happening.container] = happening.moment
            if ends_for_good(self._context.api, happening.container):
                self._live.discard(happening.container)

    def _started(self, happening: Happening) -> None:
        container = happening.container
        self._live.add(container)
        reader = self._readers.get(container)
        if reader is not None:
            reader.join(GRACE_S)
            if not reader.ended:
                return  # it was seen starting while its log was already being followed
        short = happening.name.removeprefix(f"{self._context.project_name()}-")
        kept = [(key, value) for key, value in self._query if key not in {"tail", "since"}]
        ended = self._ends.get(container)
        self._read(container, short, [*kept, ("since", ended)] if ended else kept)


def run(context: ComposeContext, flags: Flags, names: list[str]) -> int:
    from sampan.cli.commands.system.events import moment_text

    containers = containers_of(context, names)
    if index := flags.number("index"):
        containers = [container for container in containers if container.number == index]
    coloured = context.colours(1) and not flags.on("no-color")
    prefixed = not flags.on("no-log-prefix")
    printer = LogPrinter(sys.stdout, coloured=coloured, prefixed=prefixed)
    printer.register(container.short_name for container in containers)
    moments = {
        name: moment_text(flags.text(name)) if flags.text(name) else ""
        for name in ("since", "until")
    }
    query = logs_query(
        follow=flags.on("follow"),
        since=moments["since"],
        until=moments["until"],
        tail=flags.text("tail"),
        timestamps=flags.on("timestamps"),
    )
    if flags.on("follow"):
        Follower(context, printer, query).run(containers, set(names))
        return 0
    readers = [_reader(context, printer, container, query) for container in containers]
    for reader in readers:
        reader.join(None)
        if reader.failure is not None:
            raise reader.failure
    return 0


def _reader(
    context: ComposeContext, printer: LogPrinter, container: ObservedContainer, query: Query
) -> Reader:
    name = container.short_name
    return Reader(
        lambda: copy_logs(context.api, container.id, query, lambda line: printer.line(name, line))
    )


LOGS = Verb(
    run,
    "[OPTIONS] [SERVICE...]",
    "View output from containers",
    flags=(
        Flag("follow", "f", "bool", "Follow log output"),
        Flag("index", "", "int", "index of the container if service has multiple replicas"),
        Flag("no-color", "", "bool", "Produce monochrome output"),
        Flag("no-log-prefix", "", "bool", "Don't print prefix in logs"),
        Flag("since", "", "string", "Show logs since a timestamp or a duration ago (42m)"),
        Flag(
            "tail", "n", "string", "Number of lines to show from the end of the logs", default="all"
        ),
        Flag("timestamps", "t", "bool", "Show timestamps"),
        Flag("until", "", "string", "Show logs before a timestamp or a duration ago (42m)"),
    ),
)
