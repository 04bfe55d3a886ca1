"""The end of a run, in its order:

    task ended -> state committed -> event `die` -> network released -> waiters told
    -> (AutoRemove) record removed, event `destroy`, removal waiters told
    -> root unmounted, task deleted, disk cleaned

The last line takes longer than all before it and nobody has to wait for it: the lifecycle lock is
held until it's done, so whatever comes next (start, remove, cp) finds everything in order.

The monitor's exit record is durable before we hear of it and stays until the state is committed,
so a daemon killed in between finds the end out again (`restore.py`). For an AutoRemove container
the removal itself is the commit: its exited state is shown but never written.
"""

import logging
from functools import partial
from typing import Protocol

from sampan.engine.containers import record
from sampan.engine.containers.eraser import Eraser
from sampan.engine.containers.live import LiveContainers, Outcome
from sampan.engine.containers.record import Container, event_attributes
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.containers.restart_policy import Restarts
from sampan.engine.containers.run_resources import RunResources
from sampan.engine.events import EventLog
from sampan.lib.cleanup import shielded
from sampan.lib.ids import ContainerId
from sampan.lib.log import fields
from sampan.lib.spans import span
from sampan.runtime.restart import Decision
from sampan.runtime.tasks import ExitStatus, Task

log = logging.getLogger(__name__)


class Probes(Protocol):
    """Health checks: told of every run's begin and end, on the event loop."""

    def watch(self, container: Container) -> None: ...

    def stop(self, container_id: ContainerId) -> None: ...


class Exits:
    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        live: LiveContainers,
        resources: RunResources,
        restarts: Restarts,
        eraser: Eraser,
        probes: Probes,
        events: EventLog,
    ) -> None:
        self._registry = registry
        self._live = live
        self._resources = resources
        self._restarts = restarts
        self._eraser = eraser
        self._probes = probes
        self._events = events

    async def handle(
        self, identifier: ContainerId, task: Task | None, status: ExitStatus
    ) -> Decision:
        """Everything up to the waiters; the caller restarts the container if told to."""
        async with self._registry.lock(identifier):
            before = self._registry.get(identifier)
            decision = self._restarts.decide(before, exit_code=status.code, now_ns=status.exited_ns)
            auto_remove = (
                before.auto_remove
                and not decision.restart
                and not self._restarts.is_held(identifier)
            )
            with span("end.commit"):
                after, saved = await self._commit(before, status, decision, unsaved=auto_remove)
            self._probes.stop(identifier)
            self._tell_die(before, after, status)
            self._live.drop_task(identifier)
            with span("end.network"):
                await self._resources.disconnect(before)
            self._live.tell_exit(identifier, Outcome(status.code))
            if auto_remove:
                with span("end.remove"):
                    await self._eraser.forget(after, volumes=True)
            with span("end.clean"):
                await self._resources.release(before)
                if task is not None and saved:
                    await shielded(task.delete, what="delete task")
                if auto_remove:
                    await self._eraser.clean(after, volumes=True)
        return decision

    async def _commit(
        self, before: Container, status: ExitStatus, decision: Decision, *, unsaved: bool
    ) -> tuple[Container, bool]:
        """The new record, and whether the monitor's own record of the end is still needed."""
        change = partial(
            record.exited,
            exit_code=status.code,
            now_ns=status.exited_ns,
            oom_killed=status.oom_killed,
            restarting=decision.restart,
        )
        saved = True
        try:
            commit = self._registry.update_unsaved if unsaved else self._registry.update
            after = await commit(before.id, change)
        except Exception:  # the disk is full, say: waiters must be told all the same
            log.exception("end of container not saved id=%s", before.id)
            after = await self._registry.update_unsaved(before.id, change)
            saved = False
        log.info(
            fields(
                "container.exited",
                id=before.id,
                code=status.code,
                restart=decision.restart,
                why=decision.reason,
            )
        )
        return after, saved

    def _tell_die(self, before: Container, after: Container, status: ExitStatus) -> None:
        if status.oom_killed:
            self._events.publish("container", "oom", after.id, event_attributes(after))
        attributes = event_attributes(
            after,
            exitCode=str(status.code),
            execDuration=str(record.execution_seconds(before, now_ns=status.exited_ns)),
        )
        self._events.publish("container", "die", after.id, attributes)
