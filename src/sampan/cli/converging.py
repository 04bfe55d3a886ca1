"""Waiting until a service is what was asked for, showing how far it is.

    overall progress: 1 out of 3 tasks
    1/3: running   [==================================================>]
    2/3: starting  [============================================>      ]
    verify: Waiting 3 seconds to verify that tasks are stable...

Asked of the engine five times a second: the service, its tasks of the present spec, the nodes. A
service that has converged is watched for its monitor time. Interrupting leaves the operation to go
on in the background. Elsewhere than on a terminal only changes are printed, a line each.
"""

from __future__ import annotations

import sys
import time

from sampan.cli.command import PROGRAM, Exit
from sampan.client.api import filters_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from sampan.cli.context import Context
    from sampan.client.api import Client

    Document = dict[str, Any]

PAUSE_S = 0.2
MONITOR_S = 5.0
MOST_BARS = 20
ERROR_WIDTH = 60
STATES = {
    word: number
    for number, word in enumerate(
        (
            "new",
            "allocated",
            "pending",
            "assigned",
            "accepted",
            "preparing",
            "ready",
            "starting",
            "running",
        ),
        1,
    )
}
LONGEST = max(map(len, STATES))
ENDED = frozenset({"complete", "failed", "rejected", "shutdown", "remove", "orphaned"})


class Display:
    """Rows by name; on a terminal redrawn in place."""

    def __init__(self, out: TextIO | None) -> None:
        from sampan.cli.progress import Screen
        from sampan.cli.terminal import size

        self._out = out
        self._last: dict[str, str] = {}
        self._screen: Screen | None = None
        if out is not None and out.isatty():
            self._screen = Screen(out, size(out.fileno())[1] or 80)

    def row(self, name: str, text: str, *, step: int = 0, is_tick: bool = False) -> None:
        """`step` of the states draws a bar; a tick isn't printed off a terminal."""
        if self._out is None or self._last.get(name) == text:
            return
        self._last[name] = text
        if self._screen is None:
            if not is_tick:
                self._out.write(f"{name}: {text}\n")
        else:
            message: Document = {"id": name, "status": text}
            if step:
                message["progressDetail"] = {
                    "current": step,
                    "total": len(STATES),
                    "hidecounts": True,
                }
            self._screen.show(message)
        self._out.flush()


class Tally:
    """How far the tasks of a service are; one subclass for each way of counting."""

    def __init__(self, display: Display) -> None:
        self._display = display

    def update(self, service: Document, tasks: list[Document], nodes: set[str]) -> bool:
        """Shows it; whether everything is there."""
        raise NotImplementedError

    def _overall(self, done: int, wanted: int, *, is_back: bool) -> None:
        text = f"{done} out of {wanted} tasks"
        if is_back:
            text = f"rolling back update: {text}"
        self._display.row("overall progress", text)

    def _bar(self, name: str, task: Document) -> None:
        status = task["Status"]
        state = status.get("State", "")
        if status.get("Err") and (task.get("DesiredState") in ENDED or state in ENDED):
            text = " ".join(str(status["Err"]).split())
            self._display.row(name, text[: ERROR_WIDTH - 1], is_tick=False)
        elif state in STATES:
            self._display.row(name, state.ljust(LONGEST), step=STATES[state], is_tick=True)


class Replicas(Tally):
    def update(self, service: Document, tasks: list[Document], nodes: set[str]) -> bool:
        wanted = int(service["Spec"]["Mode"]["Replicated"].get("Replicas", 0))
        places: dict[int, Document] = {}
        for task in tasks:
            slot = task.get("Slot", 0)
            if _counts(task, nodes) and (slot not in places or _rank(task) > _rank(places[slot])):
                places[slot] = task
        running = [
            task for task in places.values() if _is_wanted(task) and _state(task) == "running"
        ]
        is_back = (service.get("UpdateStatus") or {}).get("State") == "rollback_started"
        self._overall(min(len(running), wanted), wanted, is_back=is_back)
        if wanted <= MOST_BARS:
            for number, slot in enumerate(sorted(places)[:wanted], 1):
                self._bar(f"{number}/{wanted}", places[slot])
        return len(running) == wanted


class Everywhere(Tally):
    def update(self, service: Document, tasks: list[Document], nodes: set[str]) -> bool:
        places: dict[str, Document] = {}
        for task in tasks:
            node = task.get("NodeID", "")
            if _counts(task, nodes) and (node not in places or _rank(task) > _rank(places[node])):
                places[node] = task
        wanted = len(places)
        running = [
            task for task in places.values() if _is_wanted(task) and _state(task) == "running"
        ]
        is_back = (service.get("UpdateStatus") or {}).get("State") == "rollback_started"
        if not wanted:
            self._display.row("overall progress", "waiting for new tasks")
            return False
        self._overall(len(running), wanted, is_back=is_back)
        if wanted <= MOST_BARS:
            for node in sorted(places):
                self._bar(node[:12], places[node])
        return len(running) == wanted


class JobRuns(Tally):
    def update(self, service: Document, tasks: list[Document], nodes: set[str]) -> bool:
        job = service["Spec"]["Mode"].get("ReplicatedJob")
        completed = sum(_state(task) == "complete" for task in tasks)
        active = [
            task for task in tasks if _state(task) not in ENDED and task.get("NodeID", "") in nodes
        ]
        if job is not None:
            wanted = int(job.get("TotalCompletions", 1))
        else:
            wanted = len({task.get("NodeID", "") for task in tasks if task.get("NodeID")})
        self._display.row("job progress", f"{completed} out of {wanted} complete")
        running = sum(_state(task) == "running" for task in active)
        self._display.row("active tasks", f"{running} out of {len(active)} tasks", is_tick=True)
        return bool(wanted) and completed >= wanted


def _state(task: Document) -> str:
    return str(task["Status"].get("State", ""))


def _is_wanted(task: Document) -> bool:
    return task.get("DesiredState") not in {"shutdown", "remove"}


def _rank(task: Document) -> tuple[bool, str]:
    """Which of several tasks in one place is shown."""
    return _is_wanted(task), str(task["CreatedAt"])


def _counts(task: Document, nodes: set[str]) -> bool:
    """Tasks on nodes that are gone say nothing."""
    node = task.get("NodeID", "")
    return not node or node in nodes


def _active_nodes(client: Client) -> set[str]:
    return {node["ID"] for node in client.get("/nodes") if node["Status"].get("State") != "down"}


def _tally(service: Document, display: Display) -> Tally:
    mode = service["Spec"]["Mode"]
    if mode.get("Replicated") is not None:
        return Replicas(display)
    return Everywhere(display) if mode.get("Global") is not None else JobRuns(display)


def wait_until_converged(context: Context, service_id: str, *, quiet: bool = False) -> None:
    """Raises Exit when an update or rollback has been paused."""
    display = Display(None if quiet else sys.stdout)
    watch = _Watch(context, service_id, display)
    try:
        while not watch.look():
            time.sleep(PAUSE_S)
    except KeyboardInterrupt:
        if not quiet and not watch.has_converged:
            context.out(
                "Operation continuing in background.\n"
                f"Use `{PROGRAM} service ps {service_id}` to check progress.\n"
            )


class _Watch:
    def __init__(self, context: Context, service_id: str, display: Display) -> None:
        self._client = context.client
        self._id = service_id
        self._display = display
        self._tally: Tally | None = None
        self._since: float | None = None
        self._epilogue = ""

    @property
    def has_converged(self) -> bool:
        return self._since is not None

    def look(self) -> bool:
        """Whether it is over."""
        service = self._client.get(f"/services/{self._id}", [("insertDefaults", "false")])
        if self._tally is None:
            self._tally = _tally(service, self._display)
        if self._is_settled(service.get("UpdateStatus") or {}):
            return True
        monitor_s = _monitor_s(service)
        if self._since is not None and time.monotonic() - self._since >= monitor_s:
            self._display.row("verify", f"Service {self._id} converged")
            if self._epilogue:
                self._display.row("rollback", self._epilogue)
            return True
        filters = {"service": [self._id], "_up-to-date": ["true"]}
        tasks = self._client.get("/tasks", [("filters", filters_text(filters))])
        if not self._tally.update(service, tasks, _active_nodes(self._client)):
            if self._since is not None:
                self._display.row("verify", "Detected task failure")
            self._since = None
            return False
        if isinstance(self._tally, JobRuns):
            self._display.row("job complete", "all tasks are complete")
            return True
        if self._since is None:
            self._since = time.monotonic()
        left_s = monitor_s - (time.monotonic() - self._since)
        if left_s >= 0:
            self._display.row(
                "verify",
                f"Waiting {int(left_s) + 1} seconds to verify that tasks are stable...",
            )
        return False

    def _is_settled(self, status: Document) -> bool:
        state, message = status.get("State", ""), status.get("Message", "")
        if state == "paused":
            raise Exit(1, f"service update paused: {message}")
        if state == "rollback_paused":
            raise Exit(1, f"service rollback paused: {message}")
        if state == "rollback_started" and message:
            self._display.row("rollback", message)
        if state == "rollback_completed" and self._since is None:
            self._epilogue = message
        return False


def _monitor_s(service: Document) -> float:
    spec = service["Spec"]
    back = (service.get("UpdateStatus") or {}).get("State", "").startswith("rollback")
    config = spec.get("RollbackConfig" if back else "UpdateConfig") or {}
    return float(config.get("Monitor") or MONITOR_S * 1e9) / 1e9
