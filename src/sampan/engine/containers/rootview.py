"""A container's files as the container sees them, for `cp`.

Running: /proc/<pid>/root, which has every mount. Not running: the root file system, mounted for the
time, with the container's volumes and binds on top.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sampan.engine.containers.record import Container
from sampan.engine.containers.rootfs import RootFilesystems
from sampan.lib.workers import Workers
from sampan.linux.mounts import bind, make_target_beneath, unmount


class RootViews:
    def __init__(self, *, rootfs: RootFilesystems, workers: Workers) -> None:
        self._rootfs = rootfs
        self._workers = workers

    @asynccontextmanager
    async def open(self, container: Container) -> AsyncIterator[Path]:
        """A path of the host under which the container's files lie, for the time of the block."""
        if container.state.pid:
            yield Path(f"/proc/{container.state.pid}/root")
            return
        async with self._rootfs.mounted(container.id) as root:
            targets = await self._workers.run(_bind_mounts, container, root)
            try:
                yield root
            finally:
                await self._workers.run(_unbind, targets)


def _bind_mounts(container: Container, root: Path) -> list[Path]:
    targets: list[Path] = []
    try:
        for mount in sorted(container.mounts, key=lambda one: one.destination):
            source = Path(mount.source)
            if mount.type not in {"bind", "volume"} or not source.exists():
                continue
            target = make_target_beneath(root, mount.destination, directory=source.is_dir())
            bind(source, target, readonly=not mount.rw)
            targets.append(target)
    except BaseException:
        _unbind(targets)
        raise
    return targets


def _unbind(targets: list[Path]) -> None:
    for target in reversed(targets):
        unmount(target, lazy=True)
