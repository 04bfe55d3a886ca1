"""Additional processes in running containers: create, start, inspect, resize.

An exec is a record in memory: like dockerd, a restarted daemon has forgotten its execs (their
processes go on and end with the container). The process is the container's own OCI process object
with what the exec changes: same capabilities, limits and hardening; other arguments, environment,
user and terminal.

    created --start--> running --exit--> exited        derived from `task` and `exit_code`
"""

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sampan.engine.containers.detach import DEFAULT, parse
from sampan.engine.containers.live import Background, LiveContainers
from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.record import Container, event_attributes
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.containers.session import Ready, Session, framed, unframed
from sampan.engine.events import EventLog
from sampan.errors import Conflict, Internal, InvalidArgument, NotFound
from sampan.lib.ids import ContainerId, ExecId, random_id
from sampan.lib.spans import span
from sampan.lib.workers import Workers
from sampan.runtime.apparmor import UNCONFINED
from sampan.runtime.facts import HostFacts
from sampan.runtime.task import ExecTask
from sampan.runtime.task_spec import ExecSpec, LaunchFailed
from sampan.runtime.users import resolve_user
from sampan.wire.execs import ExecCreate, ExecInspect, ExecProcess, ExecStart

log = logging.getLogger(__name__)

SETTLE_S = 2.0
START_S = 10.0  # what a resize waits for the start: clients send it as soon as they have their 101
KEPT_FINISHED = 256  # ended execs that inspect still answers for


class NoSuchExec(NotFound):
    def __init__(self, exec_id: str) -> None:
        super().__init__(f"No such exec instance: {exec_id}")


class ExecNotAllowed(Conflict):
    """The container's state doesn't allow an exec."""


@dataclass(slots=True)
class _Exec:
    """Owned by `Execs`; mutable because its life is short and nobody else sees it."""

    id: ExecId
    container_id: ContainerId
    config: ExecCreate
    keys: bytes
    pid: int = 0
    exit_code: int | None = None
    started: bool = False
    task: ExecTask | None = None
    console_size: tuple[int, int] = (0, 0)
    launched: asyncio.Event = field(default_factory=asyncio.Event)  # or failed to be
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def running(self) -> bool:
        return self.started and self.exit_code is None

    @property
    def command(self) -> str:
        return " ".join(self.config.Cmd or [])


class Execs:
    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        live: LiveContainers,
        background: Background,
        paths: ContainerPaths,
        facts: HostFacts,
        events: EventLog,
        workers: Workers,
    ) -> None:
        self._facts = facts
        self._registry = registry
        self._live = live
        self._background = background
        self._paths = paths
        self._events = events
        self._workers = workers
        self._execs: dict[str, _Exec] = {}

    # --- create -----------------------------------------------------------------------------------

    async def create(self, text: str, request: ExecCreate) -> ExecId:
        """Raises NoSuchContainer, ExecNotAllowed and InvalidArgument; runs nothing yet."""
        container = self._runnable(text)
        if not request.Cmd:
            raise InvalidArgument("No exec command specified")
        keys = parse(request.DetachKeys or DEFAULT)
        made = _Exec(ExecId(random_id()), container.id, request, keys)
        if request.ConsoleSize and request.Tty:
            made.console_size = (request.ConsoleSize[0], request.ConsoleSize[1])
        self._forget_oldest()
        self._execs[made.id] = made
        if (task := self._live.find_task(container.id)) is not None:
            task.warm_up()  # clients start what they create, some milliseconds later
        self._publish(made, f"exec_create: {made.command}")
        return made.id

    def ids_of(self, container_id: ContainerId) -> list[str]:
        """Execs that are running in the container, for its inspect."""
        return [
            one.id
            for one in self._execs.values()
            if one.container_id == container_id and one.running
        ]

    def _runnable(self, text: str) -> Container:
        container = self._registry.get(text)
        if container.state.restarting:
            raise ExecNotAllowed(
                f"Container {container.id} is restarting, wait until the container is running"
            )
        if not container.state.running:
            raise ExecNotAllowed(f"container {container.id} is not running")
        if container.state.paused:
            raise ExecNotAllowed(
                f"Container {container.id} is paused, unpause the container before exec"
            )
        return container

    def _forget_oldest(self) -> None:
        finished = [one.id for one in self._execs.values() if one.finished.is_set()]
        for exec_id in finished[: max(0, len(finished) - KEPT_FINISHED)]:
            del self._execs[exec_id]

    # --- start ------------------------------------------------------------------------------------

    async def start(self, exec_id: str, request: ExecStart) -> Session | None:
        """Run it; the session to pump, or None when detached.

        Raises NoSuchExec, Conflict (already started) and LaunchFailed (missing binary and so on;
        inspect then shows exit code 126 or 127).
        """
        this = self._get(exec_id)
        container = self._runnable(this.container_id)
        if this.started:
            raise Conflict(f"Error: Exec command {exec_id} is already running")
        if request.ConsoleSize and request.Tty:
            this.console_size = (request.ConsoleSize[0], request.ConsoleSize[1])
        this.started = True
        self._publish(this, f"exec_start: {this.command}")
        try:
            await self._launch(this, container, detach=request.Detach)
        except BaseException as error:
            this.exit_code = error.exit_code if isinstance(error, LaunchFailed) else 126
            this.finished.set()
            raise
        finally:
            this.launched.set()
        assert this.task is not None
        self._background.spawn(self._watch(this, this.task), what=f"exec {this.id}")
        if request.Detach:
            await this.task.stream.aclose()
            return None
        return Session(
            Ready(this.task.stream),
            tty=this.config.Tty,
            stdin=this.config.AttachStdin,
            keys=this.keys,
            on_detach=lambda: self._publish(this, "exec_detach"),
            on_end=lambda: _settled(this),
            reshape=_reshaping(terminal=this.config.Tty, raw=request.Tty),
        )

    async def _launch(self, this: _Exec, container: Container, *, detach: bool) -> None:
        with span("exec.process"):
            process = await self._workers.run(self._process, container, this.config)
        config = this.config
        this.task = await self._live.task(container.id).exec(
            ExecSpec(
                id=this.id,
                process=process,
                terminal=config.Tty,
                stdin=config.AttachStdin and not detach,
                stdout=config.AttachStdout or detach,
                stderr=config.AttachStderr or detach,
                console_size=this.console_size,
            )
        )
        this.pid = this.task.pid

    async def _watch(self, this: _Exec, task: ExecTask) -> None:
        this.exit_code = await task.wait()
        this.pid = 0
        this.finished.set()
        self._publish(this, "exec_die", exitCode=str(this.exit_code))

    async def run(
        self, container: Container, argv: tuple[str, ...], *, limit_s: float, keep_bytes: int
    ) -> tuple[int, bytes]:
        """Run a probe to its end: exit code and the beginning of its framed output.

        Raises TimeoutError after `limit_s`; the process is killed then.
        """
        request = ExecCreate(Cmd=list(argv), AttachStdout=True, AttachStderr=True)
        exec_id = await self.create(container.id, request)
        session = await self.start(exec_id, ExecStart())
        assert session is not None
        this = self._get(exec_id)
        output = bytearray()
        try:
            async with asyncio.timeout(limit_s):
                while data := await session.read():
                    output += data[: max(0, keep_bytes - len(output))]
                await this.finished.wait()
        except TimeoutError:
            if this.task is not None:
                await this.task.kill(9)
            raise
        finally:
            await session.aclose()
        return this.exit_code or 0, bytes(output)

    # --- inspect, resize --------------------------------------------------------------------------

    async def inspect(self, exec_id: str) -> ExecInspect:
        this = self._get(exec_id)
        config = this.config
        argv = config.Cmd or []
        return ExecInspect(
            ContainerID=this.container_id,
            ExitCode=this.exit_code,
            ID=this.id,
            OpenStderr=config.AttachStderr,
            OpenStdin=config.AttachStdin,
            OpenStdout=config.AttachStdout,
            Pid=this.pid,
            ProcessConfig=ExecProcess(
                arguments=list(argv[1:]),
                entrypoint=argv[0],
                privileged=config.Privileged,
                tty=config.Tty,
                user=config.User,
            ),
            Running=this.running,
        )

    async def resize(self, exec_id: str, *, rows: int, columns: int) -> None:
        """Raises Conflict when it has ended, and Internal when nobody starts it."""
        this = self._get(exec_id)
        try:
            async with asyncio.timeout(START_S):
                await this.launched.wait()
        except TimeoutError:
            raise Internal("timeout waiting for exec session ready") from None
        if this.task is None or not this.running:
            raise Conflict(f"exec process {exec_id} is not running")
        await this.task.resize(rows, columns)

    def _get(self, exec_id: str) -> _Exec:
        this = self._execs.get(exec_id)
        if this is None or this.container_id not in self._registry:
            raise NoSuchExec(exec_id)
        return this

    def _publish(self, this: _Exec, action: str, **extra: str) -> None:
        container = self._registry.find(this.container_id)
        if container is not None:
            attributes = event_attributes(container, execID=this.id, **extra)
            self._events.publish("container", action, container.id, attributes)

    # --- the OCI process object -------------------------------------------------------------------

    def _process(self, container: Container, request: ExecCreate) -> dict[str, Any]:
        bundle = json.loads((self._paths.bundle(container.id) / "config.json").read_bytes())
        process: dict[str, Any] = bundle["process"]
        process["args"] = list(request.Cmd or [])
        process["terminal"] = request.Tty
        process["env"] = exec_environment(process.get("env", []), request)
        if request.WorkingDir:
            process["cwd"] = request.WorkingDir
        if request.User:
            rootfs = Path(f"/proc/{container.state.pid}/root")
            user = resolve_user(rootfs, request.User, container.host.GroupAdd or [])
            process["user"] = {
                "uid": user.uid,
                "gid": user.gid,
                "additionalGids": list(user.additional_gids),
            }
            process["env"] = with_home(process["env"], user.home)
        if request.Privileged:
            every = sorted(self._facts.capabilities)
            process["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), every)
            if self._facts.apparmor:
                process["apparmorProfile"] = UNCONFINED
        process.pop("consoleSize", None)
        return process


def _reshaping(*, terminal: bool, raw: bool) -> Callable[[bytes], bytes] | None:
    """The form of the output is the start's choice (`raw`), whatever the create said."""
    if terminal == raw:
        return None
    return unframed() if raw else framed


async def _settled(this: _Exec) -> None:
    """Clients ask for the exit code as soon as the output ends: it should be there by then.

    A process may close its output and go on: it isn't waited for.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_S):
            await this.finished.wait()


def exec_environment(base: list[str], request: ExecCreate) -> list[str]:
    """The container's environment, TERM with a terminal, then the exec's own (last one wins)."""
    merged = {entry.partition("=")[0]: entry for entry in base}
    if request.Tty:
        merged.setdefault("TERM", "TERM=xterm")
    for entry in request.Env or []:
        name, equals, _ = entry.partition("=")
        if equals:
            merged[name] = entry
        else:
            merged.pop(name, None)
    return list(merged.values())


def with_home(env: list[str], home: str) -> list[str]:
    """Another user's HOME: the OCI runtime leaves one that is set alone."""
    return [entry for entry in env if not entry.startswith("HOME=")] + [f"HOME={home}"]
