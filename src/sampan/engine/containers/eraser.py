"""Forgetting a container that doesn't run: the commit first, then what it left on the disk.

Once the record is gone the container is; a crash afterwards leaves a home, a snapshot, anonymous
volumes and perhaps a mount that no record names, which `restore.py` cleans. Volumes that are to
stay cease to be the container's before it goes.
"""

import logging
import shutil
from functools import partial

from sampan.engine.containers import record
from sampan.engine.containers.attach_hub import AttachHub
from sampan.engine.containers.live import LiveContainers, Outcome
from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.record import Container, event_attributes
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.containers.rootfs import RootFilesystems
from sampan.engine.events import EventLog
from sampan.errors import NotFound
from sampan.lib.ids import ContainerId
from sampan.lib.workers import Workers
from sampan.volumes.store import VolumeStore

log = logging.getLogger(__name__)


class Eraser:
    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        live: LiveContainers,
        hub: AttachHub,
        rootfs: RootFilesystems,
        volumes: VolumeStore,
        paths: ContainerPaths,
        events: EventLog,
        workers: Workers,
    ) -> None:
        self._registry = registry
        self._live = live
        self._hub = hub
        self._rootfs = rootfs
        self._volumes = volumes
        self._paths = paths
        self._events = events
        self._workers = workers

    async def erase(self, container: Container, *, volumes: bool) -> None:
        """`forget` and `clean`. The caller holds the lifecycle lock; nothing runs."""
        await self.forget(container, volumes=volumes)
        await self.clean(container, volumes=volumes)

    async def forget(self, container: Container, *, volumes: bool) -> None:
        """The commit: name and record are gone, who waits for that is told."""
        await self._registry.update_unsaved(container.id, record.removing)
        try:
            await self._workers.run(self._volumes.disown, self._staying(container, volumes=volumes))
            await self._registry.remove(container.id)
        except Exception as error:
            await self._registry.update_unsaved(container.id, record.removal_failed)
            self._live.tell_removal(container.id, Outcome(container.state.exit_code, str(error)))
            raise
        self._events.publish("container", "destroy", container.id, event_attributes(container))
        self._live.tell_removal(container.id, Outcome(container.state.exit_code))
        self._hub.dismiss(container.id)

    def _staying(self, container: Container, *, volumes: bool) -> list[str]:
        """Its anonymous volumes that outlive it: all, or those that others use."""
        used = self._registry.volumes_in_use()
        own = [point.name for point in container.mounts if point.own and point.name]
        return [name for name in own if not volumes or used.get(name) != [container.id]]

    async def clean(self, container: Container, *, volumes: bool) -> None:
        """What it left on the disk."""
        await self._unlink(container.id)
        await self._rootfs.remove(container.id)
        await self._workers.run(shutil.rmtree, self._paths.home(container.id), ignore_errors=True)
        if volumes:
            await self._remove_volumes(container)

    async def _unlink(self, identifier: ContainerId) -> None:
        """Links to a container that is gone are no links any more."""
        for other in self._registry.list():
            if any(link.container_id == identifier for link in other.links):
                kept = tuple(link for link in other.links if link.container_id != identifier)
                await self._registry.update(other.id, partial(record.with_links, links=kept))

    async def _remove_volumes(self, container: Container) -> None:
        """Anonymous volumes that nobody else uses."""
        used = self._registry.volumes_in_use()
        for point in container.mounts:
            if point.own and point.name and point.name not in used:
                try:
                    await self._workers.run(self._volumes.remove, point.name)
                except NotFound:
                    continue
                attributes = {"driver": point.driver}
                self._events.publish("volume", "destroy", point.name, attributes)
