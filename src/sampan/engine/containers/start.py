"""Starting a container, and following its run to the end.

    resources (root, networks, monitor, volumes: side by side) -> files and config.json
    -> waiting clients connected -> process launched -> state committed -> event `start`

Whatever fails, what was made before is undone, and the state keeps the error. What a crash leaves
half-started is found by its task folder: a live monitor is adopted, anything else cleaned
(`restore.py`). Work goes on when the client that asked goes away.
"""

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

from sampan.engine.containers import record
from sampan.engine.containers.attach_hub import AttachHub
from sampan.engine.containers.bundle import Bundles
from sampan.engine.containers.eraser import Eraser
from sampan.engine.containers.exits import Exits, Probes
from sampan.engine.containers.live import Background, LiveContainers
from sampan.engine.containers.record import Container, event_attributes
from sampan.engine.containers.registry import ContainerRegistry, NoSuchContainer
from sampan.engine.containers.restart_policy import Restarts
from sampan.engine.containers.run_resources import Acquired, RunResources
from sampan.engine.events import EventLog
from sampan.errors import (
    Conflict,
    Internal,
    InvalidArgument,
    NotModified,
    SampanError,
    SystemFailed,
)
from sampan.lib import gotime
from sampan.lib.ids import ContainerId
from sampan.lib.log import fields
from sampan.lib.spans import span
from sampan.runtime.tasks import LaunchFailed, Task

log = logging.getLogger(__name__)

FAILED = 128  # the exit code of a start that failed for other reasons than its command


class CommandFailed(InvalidArgument):
    """The command isn't there (127) or can't be invoked (126)."""


class Starter:
    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        live: LiveContainers,
        hub: AttachHub,
        resources: RunResources,
        bundles: Bundles,
        exits: Exits,
        eraser: Eraser,
        restarts: Restarts,
        probes: Probes,
        events: EventLog,
        background: Background,
    ) -> None:
        self._registry = registry
        self._live = live
        self._hub = hub
        self._resources = resources
        self._bundles = bundles
        self._exits = exits
        self._eraser = eraser
        self._restarts = restarts
        self._probes = probes
        self._events = events
        self._background = background

    async def start(self, text: str) -> None:
        """Raises NotModified when it runs, Conflict (paused, being removed), CommandFailed, ..."""
        identifier = self._registry.get(text).id
        self._restarts.call_off(identifier)
        await self._background.finish(self._start(identifier), what="start")

    async def start_at_boot(self, identifier: ContainerId) -> None:
        """The daemon came up and the policy wants it to run. Failures are logged."""
        await self._start_quietly(identifier, lambda one: not one.state.running, by_user=True)

    async def _restart_by_policy(self, identifier: ContainerId) -> None:
        """Unless a user stopped or started it meanwhile: then it isn't restarting any more."""
        await self._start_quietly(identifier, lambda one: one.state.restarting, by_user=False)

    async def _start_quietly(
        self, identifier: ContainerId, wanted: Callable[[Container], bool], *, by_user: bool
    ) -> None:
        """A start that no user waits for: counts stay."""
        try:
            async with self._registry.lock(identifier):
                container = self._registry.get(identifier)
                if wanted(container) and not container.state.pid:
                    await self._launch(container, by_user=by_user)
        except NoSuchContainer:
            return
        except SampanError as error:
            log.warning(fields("container.restart_failed", id=identifier, why=error.message))

    async def _start(self, identifier: ContainerId) -> None:
        async with self._registry.lock(identifier):
            container = self._registry.get(identifier)
            _check_startable(container)
            await self._launch(record.start_asked(container), by_user=True)

    async def _launch(self, container: Container, *, by_user: bool) -> None:
        try:
            async with AsyncExitStack() as undo:
                acquired = await self._resources.acquire(container, undo)
                started = await self._run(container, acquired, by_user=by_user)
                undo.pop_all()
        except Exception as error:
            raise await self._failed(container, error) from error
        log.info(fields("container.started", id=started.id, pid=started.state.pid))
        self._events.publish("container", "start", started.id, event_attributes(started))
        self.follow(started, acquired.task)
        await self._bundles.refresh_parents(started)

    async def _run(self, container: Container, acquired: Acquired, *, by_user: bool) -> Container:
        with span("start.bundle"):
            run = await self._bundles.write(container, acquired)
        with run.held:
            with span("start.attach"):
                await self._hub.connect(container.id, acquired.task)
            with span("start.launch"):
                pid = await acquired.task.launch()
        change = partial(
            record.started,
            pid=pid,
            now_ns=acquired.task.started_ns or gotime.now_ns(),
            config=run.config,
            networks=acquired.connected.networks,
            ports=acquired.connected.ports,
            sandbox=acquired.connected.sandbox,
            health=run.health,
            restart_count=container.restart_count,
            by_user=by_user,
        )
        with span("start.commit"):
            return await self._registry.update(container.id, change)

    async def _failed(self, container: Container, error: Exception) -> Exception:
        """Keep the error in the state and return what the client is told."""
        told, code = _told(error)
        text = told.message if isinstance(told, SampanError) else str(told)
        change = partial(record.start_failed, error=text, exit_code=code)
        try:
            after = await self._registry.update(container.id, change)
        except Exception:  # the disk is full, say: the client must learn the first error
            log.exception("failed start not saved id=%s", container.id)
            after = await self._registry.update_unsaved(container.id, change)
        if container.auto_remove:
            await self._eraser.erase(after, volumes=True)
        return told

    # --- the run ----------------------------------------------------------------------------------

    def follow(self, container: Container, task: Task) -> None:
        """Begin to watch a run: its health, its end, and what its policy says then."""
        self._live.put_task(container.id, task)
        self._probes.watch(container)
        self._background.spawn(self._follow(container.id, task), what=f"run {container.id}")

    async def _follow(self, identifier: ContainerId, task: Task) -> None:
        status = await task.wait()
        handling = self._exits.handle(identifier, task, status)
        decision = await self._background.finish(handling, what=f"end of {identifier}")
        if decision.restart:
            await self.restart_after(identifier, decision.delay_s)

    async def restart_after(self, identifier: ContainerId, delay_s: float) -> None:
        """What a policy does, after its pause."""
        if await self._restarts.pause(identifier, delay_s):
            work = self._restart_by_policy(identifier)
            await self._background.finish(work, what=f"restart {identifier}")


def _check_startable(container: Container) -> None:
    state = container.state
    if state.paused:
        raise Conflict("cannot start a paused container, try unpause instead")
    if state.pid:
        raise NotModified(f"container {container.id} is already running")
    if state.removing or state.dead:
        raise Conflict("container is marked for removal and cannot be started")


def _told(error: Exception) -> tuple[Exception, int]:
    """What a failed start answers, and the exit code that inspect shows."""
    if isinstance(error, OSError):
        return SystemFailed(error), FAILED
    if not isinstance(error, LaunchFailed):
        return error, FAILED
    message = f"failed to create task for container: {error.message}"
    kind = CommandFailed if error.exit_code in {126, 127} else Internal
    return kind(message, hint=error.hint), error.exit_code
