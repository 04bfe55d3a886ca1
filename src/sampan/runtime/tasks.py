"""Tasks of one daemon: the zygote, new monitors, and monitors that outlived an earlier daemon.

    <root>/oci/<runtime>/     state of the OCI runtime (its --root)
    <state_dir>/              one folder a task, see monitor/main.py; made and removed here
      bundle/                 may be in it: config.json is given its compiled seccomp profile

`root` is the daemon's exec root; a reboot empties it, and with it every task is gone.
"""

import json
import logging
import shutil
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sampan.lib.atomicfile import write_atomic
from sampan.lib.log import fields
from sampan.lib.workers import Workers
from sampan.linux.cgroups import CgroupLayout, own_procs_file, rejoin
from sampan.linux.pidfd import start_tick
from sampan.runtime.monitor.client import MonitorGone, Zygote, connect
from sampan.runtime.runtimes import RuntimeProgram
from sampan.runtime.sealed import SealedPrograms
from sampan.runtime.seccomp import SeccompPrograms
from sampan.runtime.streams import TaskStream
from sampan.runtime.task import KILLED, ExecTask, Task, read_exit, write_exit
from sampan.runtime.task_spec import (
    ExecSpec,
    ExitStatus,
    LaunchFailed,
    LogTarget,
    RemoteLog,
    TaskSpec,
)

__all__ = [
    "ExecSpec",
    "ExecTask",
    "ExitStatus",
    "LaunchFailed",
    "LogTarget",
    "RemoteLog",
    "Task",
    "TaskService",
    "TaskSpec",
    "TaskStream",
]

log = logging.getLogger(__name__)


class TaskService:
    """Creates and adopts tasks. Owns the zygote between `start` and `close`."""

    def __init__(
        self,
        root: Path,
        *,
        layout: CgroupLayout | None = None,
        workers: Workers | None = None,
        python: str = sys.executable,
    ) -> None:
        self._root = root
        self._layout = layout or CgroupLayout.detect()
        self._workers = workers or Workers(4)
        self._programs = SeccompPrograms()
        self._sealed = SealedPrograms()
        self._zygote = Zygote(python)
        self._procs_file = own_procs_file(self._layout)
        self._warmer = ThreadPoolExecutor(1, "cgroup")
        self._warming: Future[None] | None = None

    @property
    def zygote_pid(self) -> int | None:
        return self._zygote.pid

    async def start(self) -> None:
        (self._root / "oci").mkdir(parents=True, exist_ok=True)
        self._zygote.start()

    async def close(self) -> None:
        """End the zygote; monitors and containers go on."""
        await self._workers.run(self._zygote.close)
        await self._workers.run(self._warmer.shutdown)
        self._sealed.close()

    def warm_up(self) -> None:
        """A process is going to be put into a cgroup soon (`rejoin` says why this helps)."""
        if self._procs_file is not None and (self._warming is None or self._warming.done()):
            self._warming = self._warmer.submit(rejoin, self._procs_file)

    async def create(self, spec: TaskSpec) -> Task:
        """A monitor for `spec`: attach and launch are possible, nothing runs yet."""
        self.warm_up()
        spec.state_dir.mkdir(parents=True, mode=0o700, exist_ok=True)
        _clear(spec)
        config = spec.bundle / "config.json"  # a caller may also write it before the launch
        if Path(spec.runtime_path).name.startswith("crun") and config.exists():
            await self._workers.run(self._programs.annotate, config)
        try:
            write_atomic(spec.state_dir / "task.json", self._task_file(spec), durable=False)
            task = Task(spec, self._program(spec), self.warm_up)
            program = self._sealed.descriptor(spec.runtime_path)
            await task.control.open(self._zygote.spawn(spec.state_dir, program))
            try:
                await task.await_ready()
            except BaseException:
                await task.detach()
                raise
        except BaseException:
            _clear(spec)
            raise
        return task

    async def adopt(self, task_id: str, spec: TaskSpec) -> Task | ExitStatus | None:
        """After a daemon's restart: the running task, or how it ended, or None (never launched).

        An ended task's folder stays, so that the status isn't lost before the caller has kept
        it; `discard` removes it.
        """
        if not spec.state_dir.exists():
            return None
        task = await self._reach(spec)
        if task is not None:
            return task
        recorded = read_exit(spec) or await self._end_orphan(spec)
        await self._program(spec).delete(task_id)
        return recorded

    async def discard(self, spec: TaskSpec) -> None:
        """Remove what is left of a task that doesn't run any more. Idempotent."""
        if spec.state_dir.exists():
            await self._program(spec).delete(spec.id)
            shutil.rmtree(spec.state_dir, ignore_errors=True)

    async def _reach(self, spec: TaskSpec) -> Task | None:
        """The task through its living monitor; None when that's gone or has nothing running."""
        try:
            sock = await connect(spec.state_dir)
        except MonitorGone:
            return None
        task = Task(spec, self._program(spec), self.warm_up)
        await task.control.open(sock)
        try:
            facts = await task.control.greet()
        except MonitorGone:
            await task.detach()
            return None
        if facts["state"] == "running":
            task.adopted(facts)
            return task
        await task.await_gone(facts)
        await task.detach()
        return None

    async def _end_orphan(self, spec: TaskSpec) -> ExitStatus | None:
        """A container without monitor and exit record was left by a killed monitor: end it."""
        try:
            running = json.loads((spec.state_dir / "running.json").read_bytes())
        except FileNotFoundError:
            return None
        if start_tick(running["pid"]) == running["tick"]:
            log.error(fields("container without monitor, killing it", id=spec.id))
        await self._program(spec).delete(spec.id)
        return write_exit(spec, KILLED)

    def _program(self, spec: TaskSpec) -> RuntimeProgram:
        return RuntimeProgram(
            spec.runtime_path, spec.runtime_args, self._root / "oci", self._workers
        )

    def _task_file(self, spec: TaskSpec) -> bytes:
        oom_file = self._layout.oom_file(spec.cgroup_path) if spec.cgroup_path else None
        beside = spec.log.path.parent if isinstance(spec.log, LogTarget) else spec.state_dir
        task = {
            "id": spec.id,
            "bundle": str(spec.bundle),
            "runtime": self._program(spec).argv,
            "terminal": spec.terminal,
            "open_stdin": spec.open_stdin,
            "stdin_once": spec.stdin_once,
            "rows": spec.console_size[0],
            "columns": spec.console_size[1],
            "oom_file": str(oom_file or ""),
            "spool_dir": str(spec.spool_dir or beside),
            "log": _log_settings(spec.log),
        }
        return json.dumps(task).encode()


def _clear(spec: TaskSpec) -> None:
    """Remove an earlier run's files; the new bundle may be in the same folder."""
    for path in spec.state_dir.iterdir():
        if path == spec.bundle:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _log_settings(target: LogTarget | RemoteLog | None) -> dict[str, Any] | None:
    if target is None:
        return None
    if isinstance(target, RemoteLog):
        buffering = {"buffer_bytes": target.buffer_bytes, "drops": target.drops}
        return {"driver": target.driver, **buffering, **target.settings}
    return {
        "path": str(target.path),
        "max_size_bytes": target.max_size_bytes or 0,
        "max_files": target.max_files,
        "compress": target.compress,
        "attrs": json.dumps(target.attrs) if target.attrs else "",
    }
