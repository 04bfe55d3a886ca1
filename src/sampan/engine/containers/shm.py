"""Shared memory of `--ipc shareable`: a tmpfs of the host that other containers can join.

`private` (the default) gets its tmpfs from the OCI runtime, `host` the host's, `container:x` that
of x. One mount for the time of a run, at <exec-root>/shm/<id>, bound to the container's /dev/shm.
"""

from pathlib import Path

from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.record import Container
from sampan.lib.ids import ContainerId
from sampan.lib.workers import Workers
from sampan.linux.mounts import Mount, mount_all, unmount

SHAREABLE = "shareable"


class SharedMemory:
    def __init__(self, *, paths: ContainerPaths, workers: Workers) -> None:
        self._paths = paths
        self._workers = workers

    async def acquire(self, container: Container) -> None:
        if container.host.IpcMode == SHAREABLE:
            await self._workers.run(self._mount, container.id, container.host.ShmSize)

    async def release(self, container: Container) -> None:
        """Idempotent."""
        if container.host.IpcMode == SHAREABLE:
            await self._workers.run(_unmount, self._paths.shm(container.id))

    def clean(self, running: set[ContainerId]) -> None:
        """At start: what no running container uses. Blocks."""
        if self._paths.shm_mounts.exists():
            for target in self._paths.shm_mounts.iterdir():
                if target.name not in running:
                    _unmount(target)

    def _mount(self, identifier: ContainerId, size_bytes: int) -> None:
        target = self._paths.shm(identifier)
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        options = ("nosuid", "nodev", "noexec", "mode=1777", f"size={size_bytes}")
        mount_all([Mount("tmpfs", "shm", options)], target)


def _unmount(target: Path) -> None:
    unmount(target, lazy=True)
    if target.exists():
        target.rmdir()
