"""Volumes of running containers: mounted before the start, let go of after the end.

Only volumes with options (tmpfs, nfs, bind) are really mounted; one mount serves all containers
that use the volume, and the last one's end takes it away.
"""

from collections.abc import Iterator

from sampan.engine.containers.record import Container, MountPoint
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.events import EventLog
from sampan.errors import NotFound
from sampan.lib.workers import Workers
from sampan.volumes.store import VolumeStore


class VolumeMounts:
    def __init__(
        self,
        *,
        store: VolumeStore,
        registry: ContainerRegistry,
        events: EventLog,
        workers: Workers,
    ) -> None:
        self._store = store
        self._registry = registry
        self._events = events
        self._workers = workers

    async def acquire(self, container: Container) -> None:
        """Make every volume's data appear. Raises NotFound for a volume that is gone."""
        points = list(_volumes(container))
        if not points:
            return
        await self._workers.run(self._mount_all, points)
        for point in points:
            self._events.publish(
                "volume",
                "mount",
                point.name,
                {
                    "container": container.id,
                    "destination": point.destination,
                    "driver": point.driver,
                    "propagation": point.propagation,
                    "read/write": "true" if point.rw else "false",
                },
            )

    async def release(self, container: Container) -> None:
        """The container has ended; idempotent but for the events."""
        points = list(_volumes(container))
        if not points:
            return
        busy = {
            point.name
            for other in self._registry.list()
            if other.id != container.id and other.state.pid
            for point in _volumes(other)
        }
        await self._workers.run(self._unmount_all, [one for one in points if one.name not in busy])
        for point in points:
            attributes = {"container": container.id, "driver": point.driver}
            self._events.publish("volume", "unmount", point.name, attributes)

    def _mount_all(self, points: list[MountPoint]) -> None:
        for point in points:
            self._store.mount(self._store.get(point.name))

    def _unmount_all(self, points: list[MountPoint]) -> None:
        for point in points:
            try:
                self._store.unmount(self._store.get(point.name))
            except NotFound:
                continue


def _volumes(container: Container) -> Iterator[MountPoint]:
    return (point for point in container.mounts if point.type == "volume")
