"""Freezing and thawing the processes of a container.

The record says "paused" before the processes stand and until they run again: a container that a
crash caught in between is frozen again at the next start, and can be unpaused.
"""

from functools import partial

from sampan.engine.containers import record
from sampan.engine.containers.live import LiveContainers, NotRunning
from sampan.engine.containers.record import Container
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.events import EventLog
from sampan.errors import Conflict


class Pauser:
    def __init__(
        self, *, registry: ContainerRegistry, live: LiveContainers, events: EventLog
    ) -> None:
        self._registry = registry
        self._live = live
        self._events = events

    async def pause(self, text: str) -> None:
        """Raises NoSuchContainer and Conflict (not running, restarting, paused already)."""
        async with self._registry.lock(self._registry.get(text).id):
            container = self._registry.get(text)
            if not container.state.running:
                raise NotRunning(container.id)
            if container.state.restarting:
                raise Conflict(
                    f"container {container.id} is restarting, wait until the container is running"
                )
            if container.state.paused:
                raise Conflict(f"container {container.id} is already paused")
            task = self._live.task(container.id)
            await self._registry.update(container.id, partial(record.paused, value=True))
            try:
                await task.pause()
            except BaseException:
                await self._registry.update(container.id, partial(record.paused, value=False))
                raise
        self._tell(container, "pause")

    async def unpause(self, text: str) -> None:
        """Raises NoSuchContainer and Conflict when it isn't paused."""
        async with self._registry.lock(self._registry.get(text).id):
            container = self._registry.get(text)
            if not container.state.paused:
                raise Conflict(f"container {container.id} is not paused")
            await self._live.task(container.id).resume()
            await self._registry.update(container.id, partial(record.paused, value=False))
        self._tell(container, "unpause")

    def _tell(self, container: Container, action: str) -> None:
        attributes = record.event_attributes(container)
        self._events.publish("container", action, container.id, attributes)
