"""Health checks, the doing part: one loop per running container that has a probe.

The rules are in `health_rules`. Every probe is an exec with its own events. Results are shown at
once; only a change of the status is committed, and published as `health_status: <status>`.

A container may say by a label what is done about it when it is unhealthy (`reactions`): kill it,
so that its restart policy acts, restart it, or stop it for good. One reaction at a time; it is
tried again after the next failed probe.
"""

import asyncio
import logging
from typing import Protocol

from sampan.engine.containers import health_rules as rules
from sampan.engine.containers.execs import ExecNotAllowed, Execs
from sampan.engine.containers.live import Background
from sampan.engine.containers.record import (
    Container,
    Health,
    HealthResult,
    event_attributes,
    with_health,
)
from sampan.engine.containers.registry import ContainerRegistry, NoSuchContainer
from sampan.engine.events import EventLog
from sampan.errors import NotFound, NotModified, SampanError
from sampan.lib import gotime
from sampan.lib.ids import ContainerId
from sampan.lib.labels import HEALTH_ON_FAILURE
from sampan.lib.log import fields
from sampan.wire.stdcopy import Demultiplexer

log = logging.getLogger(__name__)


class Reactions(Protocol):
    """See stop.Stopper."""

    async def stop(self, text: str) -> None: ...
    async def restart(self, text: str) -> None: ...
    async def end_by_force(self, identifier: ContainerId) -> None: ...


class HealthChecks:
    """`watch` is called when a container starts or is adopted; the loop ends with its run."""

    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        execs: Execs,
        events: EventLog,
        background: Background,
    ) -> None:
        self._registry = registry
        self._execs = execs
        self._events = events
        self._background = background
        self._loops: dict[ContainerId, asyncio.Task[None]] = {}
        self._reacting: set[ContainerId] = set()
        self.reactions: Reactions | None = None  # set once there is a Stopper: it needs us

    def watch(self, container: Container) -> None:
        """Begin to probe this run, if the container has a probe."""
        probe = rules.probe_of(container.config.Healthcheck, container.config.Shell)
        self.stop(container.id)
        if probe is not None and container.state.health is not None:
            loop = self._loop(container.id, container.state.started_ns, probe)
            self._loops[container.id] = self._background.spawn(loop, what=f"health {container.id}")

    def stop(self, container_id: ContainerId) -> None:
        """The run is over. Idempotent."""
        if (loop := self._loops.pop(container_id, None)) is not None:
            loop.cancel()

    async def _loop(self, container_id: ContainerId, started_ns: int, probe: rules.Probe) -> None:
        while True:
            container = self._registry.find(container_id)
            if container is None or container.state.health is None:
                return
            pause_ns = rules.pause_before_next_ns(
                _to_rules(container.state.health),
                probe,
                started_ns=started_ns,
                now_ns=gotime.now_ns(),
            )
            await asyncio.sleep(pause_ns / gotime.NANOS)
            container = self._registry.find(container_id)
            if container is None or container.state.started_ns != started_ns:
                return
            if container.state.status == "running":
                result = await self._probe(container, probe)
                await self._record(container_id, result, probe, started_ns)

    async def _probe(self, container: Container, probe: rules.Probe) -> rules.ProbeResult:
        begun = gotime.now_ns()
        limit_s = probe.timeout_ns / gotime.NANOS
        try:
            code, framed = await self._execs.run(
                container, probe.argv, limit_s=limit_s, keep_bytes=2 * rules.KEPT_OUTPUT_BYTES
            )
            output = b"".join(payload for _, payload in Demultiplexer().feed(framed))
            text = output[: rules.KEPT_OUTPUT_BYTES].decode(errors="replace")
        except TimeoutError:
            code, text = -1, f"Health check exceeded timeout ({limit_s:g}s)"
        except ExecNotAllowed as error:
            code, text = -1, error.message
        except SampanError as error:  # missing program and the like
            code, text = -1, error.message
        return rules.ProbeResult(begun, gotime.now_ns(), code, text)

    async def _record(
        self,
        container_id: ContainerId,
        result: rules.ProbeResult,
        probe: rules.Probe,
        started_ns: int,
    ) -> None:
        container = self._registry.find(container_id)
        if container is None or container.state.health is None:
            return
        before = container.state.health
        if container.state.started_ns != started_ns or not container.state.running:
            return
        after = rules.after(_to_rules(before), result, probe, started_ns=started_ns)
        health = _from_rules(after)
        changed = health.status != before.status
        store = self._registry.update if changed else self._registry.update_unsaved
        try:
            container = await store(container_id, lambda one: with_health(one, health))
        except NoSuchContainer:
            return
        if changed:
            self._events.publish(
                "container",
                f"health_status: {health.status}",
                container_id,
                event_attributes(container),
            )
        if health.status == rules.UNHEALTHY:
            self._react(container)

    # --- what is done about it ------------------------------------------------------------------

    def _react(self, container: Container) -> None:
        reaction = container.labels.get(HEALTH_ON_FAILURE, "none")
        if reaction == "none" or container.id in self._reacting:
            return
        self._reacting.add(container.id)
        log.info(fields("container.unhealthy", id=container.id, reaction=reaction))
        # in a task of its own: the end of the run cancels this loop
        work = self._carry_out(container.id, reaction)
        self._background.spawn(work, what=f"{reaction} unhealthy {container.id}")

    async def _carry_out(self, identifier: ContainerId, reaction: str) -> None:
        assert self.reactions is not None
        try:
            match reaction:
                case "kill":
                    await self.reactions.end_by_force(identifier)
                case "restart":
                    await self.reactions.restart(identifier)
                case "stop":
                    await self.reactions.stop(identifier)
        except (NotFound, NotModified):
            return  # somebody else was faster
        finally:
            self._reacting.discard(identifier)


def _to_rules(health: Health) -> rules.Health:
    log_ = tuple(
        rules.ProbeResult(one.started_ns, one.ended_ns, one.exit_code, one.output)
        for one in health.log
    )
    return rules.Health(health.status, health.failing_streak, log_)


def _from_rules(health: rules.Health) -> Health:
    log_ = tuple(
        HealthResult(one.start_ns, one.end_ns, one.exit_code, one.output) for one in health.log
    )
    return Health(health.status, health.failing_streak, log_)
