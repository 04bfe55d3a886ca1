"""`up` in the foreground: logs of all services until they end, one of them ends, or Ctrl-C.

Attaching stands between creating and starting, so that not a line is lost; a container that starts
again is followed through its log from that moment. The first interrupt stops the project
gracefully, a second one kills it.
"""

from __future__ import annotations

import signal
import sys
from queue import Empty

from sampan.cli.commands.compose.converging import convergence, warn_of
from sampan.compose.actions import Kind, Plan
from sampan.compose.lifecycle import Lifecycle, dependency_map, in_order
from sampan.compose.logs import LogPrinter, copy_logs, logs_query, read_lines
from sampan.compose.monitor import ENDED, FAILED, STARTED, Monitor, ends_for_good
from sampan.compose.observe import list_containers
from sampan.errors import SampanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import FrameType

    from sampan.cli.commands.compose.context import ComposeContext
    from sampan.cli.flags import Flags
    from sampan.client.api import Hijacked
    from sampan.compose.apply import Apply
    from sampan.compose.conditions import Member
    from sampan.compose.convergence import Wanted
    from sampan.compose.model import Project
    from sampan.compose.monitor import Happening
    from sampan.compose.observe import ObservedContainer

INTERRUPTED = 130
GRACE_S = 0.7  # a restart by hand: the start follows the end at once
JOIN_S = 2.0
CHUNK = 65536


class Foreground:
    """One `up` that stays."""

    def __init__(
        self,
        context: ComposeContext,
        flags: Flags,
        project: Project,
        choices: Wanted,
        names: Sequence[str],
    ) -> None:
        self._context = context
        self._flags = flags
        self._project = project
        self._choices = choices
        self._shown = self._attached_services(names)
        coloured = context.colours(1) and not flags.on("no-color")
        prefixed = not flags.on("no-log-prefix")
        self._printer = LogPrinter(sys.stdout, coloured=coloured, prefixed=prefixed)
        self._monitor = Monitor(context.api, project.name)
        self._live: dict[str, str] = {}  # containers that run, and their services
        self._readers: dict[str, Reader] = {}
        self._awaited: set[str] = set()  # attached to, and about to be started
        self._ends: dict[str, str] = {}  # where a container's next log begins
        self._status = 0

    def _attached_services(self, names: Sequence[str]) -> set[str]:
        """Those whose output is shown."""
        services = self._project.services
        chosen = set(self._flags.items("attach")) or set(names) or set(services)
        if self._flags.on("attach-dependencies"):
            chosen = set(services)
        chosen -= set(self._flags.items("no-attach"))
        return {
            name
            for name in chosen
            if name in services
            and (services[name].attach is not False or name in self._flags.items("attach"))
        }

    def run(self) -> int:
        """The exit status of the command."""
        previous = signal.signal(signal.SIGTERM, _interrupt)
        try:
            with self._context.display() as display:
                converging = convergence(
                    self._context,
                    self._project,
                    display,
                    self._choices,
                    quiet_pull=self._flags.on("quiet-pull"),
                    quiet_build=self._flags.on("quiet-build"),
                )
                observed, plan = converging.plan()
                warn_of(self._context, plan)
                apply = converging.applying(observed)
                apply.run(_without(plan, Kind.START))
            self._follow(apply, plan)
        except KeyboardInterrupt:
            self._stop_gracefully("Gracefully Stopping... press Ctrl+C again to force")
            return INTERRUPTED
        finally:
            signal.signal(signal.SIGTERM, previous)
            self._monitor.close()
        return self._status

    def _follow(self, apply: Apply, plan: Plan) -> None:
        members = [m for found in apply.containers.members().values() for m in found]
        members = [member for member in members if member.service in self._project.services]
        self._monitor.listen()
        self._attach(members)
        self._live = {member.id: member.service for member in members}
        starts = _only(plan, Kind.START)
        self._awaited = {apply.containers.find(each.key, each.name) for each in starts.actions}
        if self._flags.on("watch"):
            self._watch()
        with self._context.display() as display:
            apply.progress_to(display)
            apply.run(starts)
        self._wait()
        self._join()

    def _attach(self, members: Iterable[Member]) -> None:
        shown = [member for member in members if member.service in self._shown]
        names = {member.id: self._short(member.name) for member in shown}
        self._printer.register(names.values())
        if shown:
            self._context.say(f"Attaching to {', '.join(sorted(names.values()))}")
        for member in shown:
            tty = self._project.services[member.service].tty
            if self._flags.on("timestamps"):
                self._follow_log(member.id, names[member.id], since="")
                continue
            hijacked = self._context.api.attach(member.id)
            lines = read_lines(_received(hijacked), framed=not tty)
            self._read(member.id, names[member.id], lines)

    def _short(self, name: str) -> str:
        return name.removeprefix(f"{self._project.name}-")

    def _read(self, container: str, name: str, lines: Iterable[str]) -> None:
        def copy() -> None:
            for line in lines:
                self._printer.line(name, line)

        self._readers[container] = Reader(copy)

    def _follow_log(self, container: str, name: str, *, since: str) -> None:
        query = logs_query(follow=True, since=since, timestamps=self._flags.on("timestamps"))

        def copy() -> None:
            def sink(line: str) -> None:
                self._printer.line(name, line)

            copy_logs(self._context.api, container, query, sink)

        self._readers[container] = Reader(copy)

    def _watch(self) -> None:
        from threading import Thread

        from sampan.cli.commands.compose.watch import watch_project

        Thread(target=watch_project, args=(self._context, self._project), daemon=True).start()

    # What happens meanwhile

    def _wait(self) -> None:
        """Until nothing runs any more, or something has ended that shouldn't have."""
        while True:
            try:
                happening = self._monitor.queue.get(timeout=None if self._live else GRACE_S)
            except Empty:
                return
            if happening.kind == FAILED:
                assert happening.failure is not None
                raise happening.failure
            if happening.kind == STARTED:
                self._started(happening)
            elif self._ended(happening):
                return

    def _started(self, happening: Happening) -> None:
        if happening.service not in self._project.services:
            return
        if happening.container in self._awaited:
            self._awaited.discard(happening.container)
            return  # attached before its start
        again = happening.container not in self._live
        self._live[happening.container] = happening.service
        reader = self._readers.get(happening.container)
        if happening.service in self._shown and (reader is None or again or reader.ended):
            name = self._short(happening.name)
            since = self._ends.get(happening.container, "")
            self._follow_log(happening.container, name, since=since)

    def _ended(self, happening: Happening) -> bool:
        """Whether that was the end of the whole."""
        if happening.container not in self._live:
            return False
        self._ends[happening.container] = happening.moment
        reader = self._readers.get(happening.container)
        if reader is not None:
            reader.join(JOIN_S)
        name = self._short(happening.name)
        for_good = ends_for_good(self._context.api, happening.container)
        restarting = "" if for_good else " (restarting)"
        if happening.service in self._shown:
            self._printer.note(name, f"exited with code {happening.status}{restarting}")
        if not for_good:
            self._readers.pop(happening.container, None)
            return False
        del self._live[happening.container]
        return self._aborts(happening)

    def _aborts(self, happening: Happening) -> bool:
        chosen = self._flags.text("exit-code-from")
        failure = self._flags.on("abort-on-container-failure")
        if not (chosen or failure or self._flags.on("abort-on-container-exit")):
            return False
        if failure and not happening.status:
            return False
        self._status = happening.status
        self._stop_gracefully("Aborting on container exit...")
        if chosen:
            self._status = self._status_of(chosen)
        return True

    def _status_of(self, service: str) -> int:
        found = [container for container in self._containers() if container.service == service]
        if not found:
            return 0
        state = self._context.api.inspect_container(found[0].id)["State"]
        return int(state["ExitCode"])

    def _containers(self) -> list[ObservedContainer]:
        found = list_containers(self._context.api, self._project.name)
        return [container for container in found if container.service in self._project.services]

    # Its end

    def _join(self) -> None:
        for reader in list(self._readers.values()):
            reader.join(JOIN_S)

    def _stop_gracefully(self, text: str) -> None:
        self._context.err(f"{text}\n")
        try:
            self._stop_all()
            self._note_the_rest()
        except KeyboardInterrupt:
            self._kill_all()

    def _note_the_rest(self) -> None:
        """Containers that were stopped with the project: their last lines and their ends."""
        self._join()
        while self._live:
            try:
                happening = self._monitor.queue.get(timeout=GRACE_S)
            except Empty:
                return
            if happening.kind != ENDED:
                continue
            if self._live.pop(happening.container, "") in self._shown:
                name = self._short(happening.name)
                self._printer.note(name, f"exited with code {happening.status}")

    def _stop_all(self) -> None:
        containers = self._containers()
        timeout_s = self._choices.apply.stop_timeout_s
        with self._context.display("Stopping") as display:
            verbs = Lifecycle(self._context.api, display, self._project, timeout_s=timeout_s)
            needs = dependency_map(self._project, containers)
            in_order(containers, needs, verbs.stop, reverse=True)

    def _kill_all(self) -> None:
        with self._context.display("Killing") as display:
            verbs = Lifecycle(self._context.api, display, self._project)
            running = [container for container in self._containers() if container.running]
            in_order(running, {}, lambda container: verbs.kill(container, "SIGKILL"))


class Reader:
    """A thread that copies one container's output; `ended` when there is no more."""

    def __init__(self, copy: Callable[[], None]) -> None:
        from threading import Thread

        self.ended = False
        self.failure: SampanError | None = None
        self._copy = copy
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._copy()
        except SampanError as error:
            self.failure = error  # following ones ignore it: the container's events tell
        except OSError:
            return  # the stream was closed from our side
        finally:
            self.ended = True

    def join(self, timeout_s: float | None) -> None:
        self._thread.join(timeout_s)


def _received(hijacked: Hijacked) -> Iterator[bytes]:
    if hijacked.early:
        yield hijacked.early
    while data := hijacked.stream.recv(CHUNK):
        yield data
    hijacked.stream.close()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _without(plan: Plan, kind: Kind) -> Plan:
    return Plan(actions=tuple(action for action in plan.actions if action.kind is not kind))


def _only(plan: Plan, kind: Kind) -> Plan:
    return Plan(actions=tuple(action for action in plan.actions if action.kind is kind))
