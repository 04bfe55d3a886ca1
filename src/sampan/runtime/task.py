"""One run of a container, seen from the daemon: a conversation with its monitor.

A `Task` comes from `TaskService.create` (monitor there, nothing runs; `launch` starts it) or from
`TaskService.adopt` (runs already). It may be used by many callers at once. Its exit status is set
exactly once: by the monitor's word, or, when the monitor was killed, by `_bury`, which ends the
container and records status 137 in the monitor's place. A status is told only after its record
is durable.
"""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import time
from collections.abc import Callable
from typing import Any

from sampan.errors import Conflict, Internal
from sampan.lib.log import fields
from sampan.lib.spans import note, span
from sampan.linux.pidfd import PidFd
from sampan.runtime.launch_errors import launch_failed
from sampan.runtime.monitor import exitfile
from sampan.runtime.monitor.client import (
    ControlConnection,
    MonitorGone,
    MonitorRefused,
    connect,
    request_line,
)
from sampan.runtime.runtimes import RuntimeProgram
from sampan.runtime.streams import TaskStream
from sampan.runtime.task_spec import ExecSpec, ExitStatus, TaskSpec

READY_S = 15.0
GONE_S = 30.0
KILLED = 128 + signal.SIGKILL

log = logging.getLogger(__name__)


class ExecTask:
    """A process started by `Task.exec`."""

    def __init__(
        self,
        task: "Task",
        exec_id: str,
        *,
        stream: TaskStream,
        pid: int,
        exit_code: "asyncio.Future[int]",
    ) -> None:
        self.id = exec_id
        self.pid = pid
        self.stream = stream
        self._task = task
        self._exit = exit_code

    async def wait(self) -> int:
        """The exit code; 137 if the container's monitor was killed."""
        return await asyncio.shield(self._exit)

    async def resize(self, rows: int, columns: int) -> None:
        await self._task.control.call("resize", exec=self.id, rows=rows, columns=columns)

    async def kill(self, number: int) -> None:
        await self._task.control.call("kill", exec=self.id, signal=number)


class Task:
    def __init__(
        self, spec: TaskSpec, program: RuntimeProgram, warm_up: Callable[[], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self.spec = spec
        self.id = spec.id
        self.pid = 0
        self.started_ns = 0
        self.control = ControlConnection(self._event, self._lost)
        self._program = program
        self.warm_up = warm_up  # may be called when an exec is to be expected
        self._launching = False
        self._pidfd: PidFd | None = None
        self._ready: asyncio.Future[None] = loop.create_future()
        self._exit: asyncio.Future[ExitStatus] = loop.create_future()
        self._gone: asyncio.Future[None] = loop.create_future()
        self._exec_exits: dict[str, asyncio.Future[int]] = {}
        self._burial: asyncio.Task[None] | None = None

    # -- for TaskService

    async def await_ready(self) -> None:
        """The monitor listens. Raises Internal with its traceback when it failed."""
        try:
            await asyncio.wait_for(asyncio.shield(self._ready), READY_S)
        except (TimeoutError, MonitorGone) as error:
            trace = self.spec.state_dir / "monitor.err"
            detail = trace.read_text()[-2000:] if trace.exists() else "no answer"
            raise Internal(f"the monitor of {self.id} failed: {detail}") from error

    def adopted(self, facts: dict[str, Any]) -> None:
        """Take over a running container from what its monitor says."""
        self._is_running(facts)

    async def await_gone(self, facts: dict[str, Any]) -> None:
        """An ended task's runtime state and cgroup are removed, or the monitor has ended."""
        if facts["state"] != "gone":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._gone), GONE_S)

    # -- life

    async def launch(self) -> int:
        """Start the container's process; returns its pid. Raises LaunchFailed."""
        self._launching = True
        try:
            facts = await self.control.call("launch")
            self._is_running(facts)
            before_ns, between_ns, after_ns = facts["moments_ns"]
            note("start.runtime create", before_ns / 1e9, between_ns / 1e9)
            note("start.runtime start", between_ns / 1e9, after_ns / 1e9)
        except MonitorRefused as error:
            raise launch_failed(
                error.message, runtime=self._program.name, command=self._command()
            ) from error
        finally:
            self._launching = False
        return self.pid

    async def kill(self, number: int) -> None:
        """Send a signal to the first process. Raises Conflict when it has ended."""
        await self.control.call("kill", signal=int(number))

    async def resize(self, rows: int, columns: int) -> None:
        await self.control.call("resize", rows=rows, columns=columns)

    async def pause(self) -> None:
        await self.control.call("pause")

    async def resume(self) -> None:
        await self.control.call("resume")

    async def wait(self) -> ExitStatus:
        return await asyncio.shield(self._exit)

    async def delete(self) -> None:
        """Leave nothing: runtime state, cgroup, state folder. Raises Conflict while it runs."""
        if self.pid and not self._exit.done():
            raise Conflict(f"task {self.id} is running")
        if self.pid:
            await self.await_gone({"state": "exited"})
        await self.detach()
        shutil.rmtree(self.spec.state_dir, ignore_errors=True)

    async def detach(self) -> None:
        """Let go of the monitor, which goes on by itself (a task never launched ends)."""
        self.control.close()
        if self._burial is not None:
            await asyncio.shield(self._burial)
        if self._pidfd is not None:
            self._pidfd.close()
            self._pidfd = None

    # -- streams and execs

    async def attach(self, *, stdin: bool, stdout: bool, stderr: bool) -> TaskStream:
        """Join the process's streams, before or after its start, from now on."""
        sock = await connect(self.spec.state_dir)
        try:
            await request_line(
                sock, {"op": "attach", "stdin": stdin, "stdout": stdout, "stderr": stderr}
            )
        except BaseException:
            sock.close()
            raise
        return TaskStream(sock)

    async def exec(self, spec: ExecSpec) -> ExecTask:
        """Run one more process in the container. Raises LaunchFailed."""
        self.warm_up()
        sock = await connect(self.spec.state_dir)
        exit_code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._exec_exits[spec.id] = exit_code
        try:
            with span("exec.launch"):
                pid = self._exec_pid(spec, await request_line(sock, _exec_request(spec)))
        except BaseException:
            self._exec_exits.pop(spec.id, None)
            sock.close()
            raise
        return ExecTask(self, spec.id, stream=TaskStream(sock), pid=pid, exit_code=exit_code)

    def _exec_pid(self, spec: ExecSpec, answer: dict[str, Any]) -> int:
        if "error" in answer:
            raise launch_failed(
                answer["error"],
                runtime=self._program.name,
                command=str(spec.process["args"][0]),
                verb="exec",
            )
        return int(answer["ok"]["pid"])

    # -- what the monitor says

    def _event(self, event: dict[str, Any]) -> None:
        match event["event"]:
            case "ready":
                _resolve(self._ready, None)
            case "exit":
                self._resolve_exit(
                    ExitStatus(event["code"], event["exited_ns"], event["oom_killed"])
                )
            case "gone":
                if event["error"]:
                    log.warning(fields("runtime delete failed", id=self.id, why=event["error"]))
                _resolve(self._gone, None)
            case "exec-exit":
                if (future := self._exec_exits.pop(event["id"], None)) is not None:
                    _resolve(future, event["code"])

    def _lost(self) -> None:
        """The control connection ended: the monitor is done, was killed, or we let go."""
        if not self._ready.done():
            self._ready.set_exception(MonitorGone("the monitor ended"))
            self._ready.exception()  # seen: of an adopted task nobody awaits it
        running = (self.pid or self._launching) and not self._exit.done()
        if running and not self.control.closing:
            self._burial = asyncio.get_running_loop().create_task(self._bury())
            return
        _resolve(self._gone, None)
        self._end_execs()

    def _is_running(self, facts: dict[str, Any]) -> None:
        self.pid = facts["pid"]
        self.started_ns = facts["started_ns"]
        with contextlib.suppress(ProcessLookupError):
            self._pidfd = PidFd.open(self.pid)

    def _resolve_exit(self, status: ExitStatus) -> None:
        _resolve(self._exit, status)

    def _end_execs(self) -> None:
        for future in self._exec_exits.values():
            _resolve(future, KILLED)
        self._exec_exits.clear()

    async def _bury(self) -> None:
        """The monitor was killed: its container can't go on without stdio, log and parent."""
        log.error(fields("monitor gone, killing its container", id=self.id, pid=self.pid))
        recorded = read_exit(self.spec)
        if recorded is None:
            await self._program.delete(self.id)
            if self._pidfd is not None:
                with contextlib.suppress(ProcessLookupError):
                    self._pidfd.send_signal(signal.SIGKILL)
                await self._pidfd.wait()
            recorded = write_exit(self.spec, KILLED)
        await self._program.delete(self.id)
        self._end_execs()
        self._resolve_exit(recorded)
        _resolve(self._gone, None)

    def _command(self) -> str:
        try:
            config = json.loads((self.spec.bundle / "config.json").read_bytes())
            return str(config["process"]["args"][0])
        except (OSError, ValueError, LookupError):
            return ""


def _resolve(future: "asyncio.Future[Any]", value: object) -> None:
    if not future.done():
        future.set_result(value)


def _exec_request(spec: ExecSpec) -> dict[str, Any]:
    process = {**spec.process, "terminal": spec.terminal}
    if spec.terminal and all(spec.console_size):  # it may run before we could set the size
        process["consoleSize"] = {"height": spec.console_size[0], "width": spec.console_size[1]}
    return {
        "op": "exec",
        "id": spec.id,
        "process": json.dumps(process),
        "terminal": spec.terminal,
        "stdin": spec.stdin,
        "stdout": spec.stdout,
        "stderr": spec.stderr,
        "rows": spec.console_size[0],
        "columns": spec.console_size[1],
    }


def read_exit(spec: TaskSpec) -> ExitStatus | None:
    """The durable record of the task's end, if there is one."""
    try:
        record = json.loads((spec.state_dir / exitfile.NAME).read_bytes())
    except FileNotFoundError:
        return None
    return ExitStatus(record["code"], record["exited_ns"], record["oom_killed"])


def write_exit(spec: TaskSpec, code: int) -> ExitStatus:
    """Record an end in the monitor's place; an earlier record wins."""
    folder = os.open(spec.state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        exitfile.write(folder, code, time.time_ns(), oom_killed=False)
    finally:
        os.close(folder)
    recorded = read_exit(spec)
    assert recorded is not None
    return recorded
