"""Removing containers on request: one, its link, or all that have ended.

Removal of a running container needs force: it's killed first. `eraser.py` does the forgetting.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from sampan.engine.containers import record
from sampan.engine.containers.eraser import Eraser
from sampan.engine.containers.record import Container
from sampan.engine.containers.registry import ContainerRegistry, NoSuchContainer
from sampan.engine.containers.restart_policy import Restarts
from sampan.engine.containers.rootfs import RootFilesystems
from sampan.engine.containers.stop import Stopper
from sampan.engine.events import EventLog
from sampan.errors import Conflict, InvalidArgument, NotFound
from sampan.lib import gotime
from sampan.lib.workers import Workers
from sampan.wire.filters import Filters, InvalidFilter

PRUNE_FILTERS = ("label", "label!", "until")


class CannotRemove(Conflict):
    def __init__(self, container: Container) -> None:
        state = container.state.status
        advice = "stop the container before removing or force remove"
        reason = (
            f"container is {state} and must be unpaused first"
            if state == "paused"
            else f"container is {state}: {advice}"
        )
        super().__init__(f'cannot remove container "/{container.name}": {reason}')


class RemovalInProgress(Conflict):
    def __init__(self, text: str) -> None:
        super().__init__(f"removal of container {text} is already in progress")


class Remover:
    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        stopper: Stopper,
        restarts: Restarts,
        eraser: Eraser,
        rootfs: RootFilesystems,
        events: EventLog,
        workers: Workers,
    ) -> None:
        self._registry = registry
        self._stopper = stopper
        self._restarts = restarts
        self._eraser = eraser
        self._rootfs = rootfs
        self._events = events
        self._workers = workers
        self._pruning = asyncio.Lock()

    async def remove(
        self, text: str, *, force: bool = False, volumes: bool = False, link: bool = False
    ) -> None:
        """Raises NoSuchContainer, CannotRemove (it runs) and RemovalInProgress."""
        if link:
            await self._remove_link(text)
            return
        container = self._registry.get(text)
        if container.state.removing:
            raise RemovalInProgress(text)
        if container.state.running and not force:
            raise CannotRemove(container)
        if container.state.running:
            await self._end(container)
        async with self._registry.lock(container.id):
            present = self._registry.find(container.id)
            if present is None:  # AutoRemove was quicker
                return
            if present.state.running:
                raise CannotRemove(present)
            await self._eraser.erase(present, volumes=volumes)

    async def _end(self, container: Container) -> None:
        self._restarts.call_off(container.id)
        try:
            await self._registry.update(container.id, record.stop_asked)
        except NoSuchContainer:
            return
        await self._stopper.end_by_force(container.id)

    async def _remove_link(self, text: str) -> None:
        """`text` is /parent/alias."""
        parent_name, slash, alias = text.strip("/").partition("/")
        if not slash:
            raise Conflict("Conflict, cannot remove the default link name of the container")
        parent = self._registry.get(parent_name)
        kept = tuple(one for one in parent.links if one.alias != alias)
        if len(kept) == len(parent.links):
            raise NotFound(f"Cannot get parent /{parent_name} for link {text}")
        await self._registry.update(parent.id, partial(record.with_links, links=kept))

    async def prune(self, filters: Filters) -> tuple[Sequence[str], int]:
        """Remove all that don't run: their ids, and the bytes that they had written."""
        filters.check_keys(PRUNE_FILTERS)
        before_ns = _until_ns(filters)
        if self._pruning.locked():
            raise Conflict("a prune operation is already running")
        removed, reclaimed = [], 0
        async with self._pruning:
            for container in self._registry.list():
                if not _prunable(container, filters, before_ns):
                    continue
                try:
                    size = await self._workers.run(self._rootfs.size_bytes, container.id)
                    await self.remove(container.id)
                except (Conflict, NotFound):  # started or removed meanwhile
                    continue
                removed.append(container.id)
                reclaimed += size
        self._events.publish("container", "prune", "", {"reclaimed": str(reclaimed)})
        return removed, reclaimed


def _prunable(container: Container, filters: Filters, before_ns: int | None) -> bool:
    return (
        not container.state.running
        and not container.state.removing
        and (before_ns is None or container.created_ns < before_ns)
        and filters.match_labels(container.labels)
        and filters.match_no_labels(container.labels)
    )


def _until_ns(filters: Filters) -> int | None:
    values = filters.get("until")
    if not values:
        return None
    if len(values) > 1:
        raise InvalidArgument("more than one until filter specified")
    try:
        return gotime.parse_moment_ns(values[0])
    except ValueError as error:
        raise InvalidFilter("until", values[0]) from error
