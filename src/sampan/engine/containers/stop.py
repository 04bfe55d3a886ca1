"""Stopping, killing and restarting containers.

A stop is: mark it as the user's wish (committed, so that no policy undoes it, not even after a
crash), send the stop signal, wait, then SIGKILL. The end itself is handled by `exits.py`; we wait
until it is over. No lock is held while waiting.
"""

import asyncio
import logging
import signal
from functools import partial

from sampan.engine.containers import record
from sampan.engine.containers.live import LiveContainers, Outcome
from sampan.engine.containers.record import Container, event_attributes
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.containers.restart_policy import Restarts
from sampan.engine.containers.start import Starter
from sampan.engine.events import EventLog
from sampan.errors import Conflict, Internal, NotModified, Unavailable
from sampan.lib.ids import ContainerId
from sampan.lib.log import fields
from sampan.runtime.signals import parse_signal

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT_S = 10
KILL_TIMEOUT_S = 30.0  # a killed process that stays is stuck in the kernel


class CannotKill(Conflict):
    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"cannot kill container: {text}: {reason}")


class Stopper:
    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        live: LiveContainers,
        restarts: Restarts,
        starter: Starter,
        events: EventLog,
    ) -> None:
        self._registry = registry
        self._live = live
        self._restarts = restarts
        self._starter = starter
        self._events = events

    async def stop(
        self, text: str, timeout_s: int | None = None, signal_name: str | None = None
    ) -> None:
        """Raises NotModified when it doesn't run. A negative timeout waits for ever."""
        container = self._registry.get(text)
        if not container.state.running:
            raise NotModified(f"container {container.id} is already stopped")
        number = parse_signal(signal_name) if signal_name else stop_signal(container)
        await self._registry.update(container.id, record.stop_asked)
        await self._end(container.id, number, _timeout_s(container, timeout_s))
        self._tell(container.id, "stop")

    async def kill(self, text: str, signal_name: str = "") -> None:
        """Send a signal; SIGKILL also waits for the end. Raises CannotKill and InvalidSignal."""
        number = parse_signal(signal_name) if signal_name else int(signal.SIGKILL)
        container = self._registry.get(text)
        if not container.state.running:
            raise CannotKill(text, f"container {container.id} is not running")
        if number in {signal.SIGKILL, signal.SIGTERM, stop_signal(container)}:
            await self._registry.update(container.id, record.stop_asked)
        if container.state.restarting:
            await self._call_off(container.id)
        elif number == signal.SIGKILL:
            await self.end_by_force(container.id)
        else:
            await self._send(container, number)

    async def restart(
        self, text: str, timeout_s: int | None = None, signal_name: str | None = None
    ) -> None:
        """Stop, if it runs, and start; AutoRemove and policies don't act in between."""
        container = self._registry.get(text)
        number = parse_signal(signal_name) if signal_name else stop_signal(container)
        self._restarts.hold(container.id)
        try:
            if container.state.running:
                await self._end(container.id, number, _timeout_s(container, timeout_s))
                self._tell(container.id, "stop")
        finally:
            self._restarts.let_go(container.id)
        await self._starter.start(container.id)
        self._tell(container.id, "restart")

    async def end_by_force(self, identifier: ContainerId) -> None:
        """SIGKILL, and wait until the end has been handled. Not running is fine."""
        await self._end(identifier, int(signal.SIGKILL), None)

    # --- inside -----------------------------------------------------------------------------------

    async def _end(self, identifier: ContainerId, number: int, timeout_s: float | None) -> None:
        """Until it is down: `number`, after `timeout_s` SIGKILL."""
        container = self._registry.find(identifier)
        if container is not None and container.state.restarting:
            await self._call_off(identifier)
        container = self._registry.find(identifier)
        if container is None or not container.state.pid:
            return
        ended = self._live.wait_for_exit(identifier)
        try:
            await self._send(container, number)
            if container.state.paused:
                await self._thaw(container)
            if number != signal.SIGKILL and not await _within(ended, timeout_s):
                log.info(fields("container.stop_timed_out", id=identifier, timeout_s=timeout_s))
                await self._send(container, int(signal.SIGKILL))
            if not await _within(ended, KILL_TIMEOUT_S):
                raise Internal(
                    f"cannot stop container: {identifier}: "
                    "tried to kill container, but did not receive an exit event"
                )
        finally:
            ended.cancel()

    async def _call_off(self, identifier: ContainerId) -> None:
        """It waits for its next start: make that not happen."""
        self._restarts.call_off(identifier)
        async with self._registry.lock(identifier):
            container = self._registry.get(identifier)
            if container.state.restarting:
                await self._registry.update(identifier, record.restart_given_up)

    async def _send(self, container: Container, number: int) -> None:
        """The event tells of the attempt; a process that just ended is fine."""
        try:
            await self._live.task(container.id).kill(number)
        except (Conflict, Unavailable):
            return
        self._tell(container.id, "kill", signal=str(number))

    async def _thaw(self, container: Container) -> None:
        """Signals reach a frozen process only when it's thawed."""
        try:
            await self._live.task(container.id).resume()
        except (Conflict, Unavailable):
            return
        await self._registry.update_unsaved(container.id, partial(record.paused, value=False))
        self._tell(container.id, "unpause")

    def _tell(self, identifier: ContainerId, action: str, **extra: str) -> None:
        container = self._registry.find(identifier)
        if container is not None:
            attributes = event_attributes(container, **extra)
            self._events.publish("container", action, identifier, attributes)


def stop_signal(container: Container) -> int:
    return parse_signal(container.config.StopSignal or "SIGTERM")


def _timeout_s(container: Container, asked: int | None) -> float | None:
    """Seconds to wait; None for ever."""
    timeout = asked if asked is not None else container.config.StopTimeout
    if timeout is None:
        timeout = DEFAULT_TIMEOUT_S
    return None if timeout < 0 else float(timeout)


async def _within(ended: asyncio.Future[Outcome], timeout_s: float | None) -> bool:
    done, _ = await asyncio.wait({ended}, timeout=timeout_s)
    return bool(done)
