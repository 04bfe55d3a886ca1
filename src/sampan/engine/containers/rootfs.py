"""The root file systems of containers: an active snapshot each, mounted while somebody needs it.

A running container is one user of its mount; `docker cp`, `export` and `commit` on a stopped one
are others. The last user's `release` unmounts. The counts live here, in memory; after a daemon
restart `adopt` tells that a running container's mount is in use.

A container that is removed with its end (`--rm`) runs on a volatile mount: after a power cut it
goes, so what it syncs needn't reach the disk.
"""

import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from errno import EBUSY
from pathlib import Path

from sampan.engine.containers.paths import ContainerPaths
from sampan.lib.ids import ContainerId
from sampan.lib.locks import KeyedLocks
from sampan.lib.log import fields
from sampan.lib.workers import Workers
from sampan.linux.mounts import mount_all, unmount, unmount_below
from sampan.oci.digest import ChainId
from sampan.store.snapshots import SnapshotKey, Snapshotter

log = logging.getLogger(__name__)


def _remove_mount_point(target: Path) -> None:
    """With folders in it that something was mounted on; files are never taken away, as they would
    be somebody's if an unmount was incomplete."""
    if not target.is_dir():  # what a volume's file was mounted on
        target.unlink()
        return
    for folder, _, _ in os.walk(target, topdown=False):
        os.rmdir(folder)  # noqa: PTH106 - os.walk gives text


class RootFilesystems:
    """Users and mounts by container. Works in worker threads, one step per container at a time."""

    def __init__(self, *, snapshots: Snapshotter, paths: ContainerPaths, workers: Workers) -> None:
        self._snapshots = snapshots
        self._paths = paths
        self._workers = workers
        self._users: dict[ContainerId, int] = {}
        self._locks = KeyedLocks()

    @property
    def snapshots(self) -> Snapshotter:
        return self._snapshots

    def prepare(self, identifier: ContainerId, chain_id: ChainId | None) -> None:
        """Make the writable snapshot. Blocks."""
        self._snapshots.prepare(SnapshotKey(identifier), chain_id)

    async def acquire(self, identifier: ContainerId, *, volatile: bool = False) -> Path:
        """Become a user of the mount; mounts it for the first one."""
        async with self._locks.hold(identifier):
            return await self._acquire(identifier, volatile)

    async def _acquire(self, identifier: ContainerId, volatile: bool) -> Path:
        if not self._users.get(identifier):
            await self._workers.run(self._mount, identifier, volatile)
        self._users[identifier] = self._users.get(identifier, 0) + 1
        return self._paths.rootfs(identifier)

    async def release(self, identifier: ContainerId) -> None:
        """Give one use back; the last one unmounts. Without a use nothing happens."""
        async with self._locks.hold(identifier):
            await self._release(identifier)

    async def _release(self, identifier: ContainerId) -> None:
        left = self._users.get(identifier, 0) - 1
        if left > 0:
            self._users[identifier] = left
        elif left == 0:
            del self._users[identifier]
            await self._workers.run(self._unmount, identifier)

    def adopt(self, identifier: ContainerId) -> None:
        """A container runs on the mount that an earlier daemon made."""
        self._users[identifier] = 1

    @asynccontextmanager
    async def mounted(self, identifier: ContainerId) -> AsyncIterator[Path]:
        """The root file system at a path of the host, for the time of the block."""
        path = await self.acquire(identifier)
        try:
            yield path
        finally:
            await self.release(identifier)

    @asynccontextmanager
    async def viewed(
        self, identifier: ContainerId, view: Callable[[Path], Path]
    ) -> AsyncIterator[Path]:
        """As `mounted`, with what `view` makes of the path, in a worker. No removal comes between
        the two: `view` sees the mount, never the directory below it."""
        async with self._locks.hold(identifier):
            root = await self._acquire(identifier, volatile=False)
            try:
                seen = await self._workers.run(view, root)
            except BaseException:
                await self._release(identifier)
                raise
        try:
            yield seen
        finally:
            await self.release(identifier)

    async def remove(self, identifier: ContainerId) -> None:
        """Unmount, whoever uses it, and delete what the container wrote. Idempotent."""
        async with self._locks.hold(identifier):
            mounted = self._users.pop(identifier, 0) > 0
            await self._workers.run(self._remove, identifier, mounted)

    def clean(self, running: set[ContainerId]) -> None:
        """At start: unmount what no running container uses. Blocks."""
        # no way in for other users of the host: images have setuid programs
        self._paths.rootfs_mounts.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._paths.rootfs_mounts.chmod(0o700)
        for target in self._paths.rootfs_mounts.iterdir():
            if target.name not in running:
                try:
                    unmount_below(target)
                    _remove_mount_point(target)
                except OSError as error:  # its id is never used again: no reason not to start
                    log.warning(fields("mount not removed", path=target, reason=error))

    def size_bytes(self, identifier: ContainerId) -> int:
        """What the container wrote. Blocks."""
        return self._snapshots.usage(identifier).size_bytes

    def _mount(self, identifier: ContainerId, volatile: bool) -> None:
        target = self._paths.rootfs(identifier)
        wanted = self._snapshots.mounts(identifier, volatile=volatile)  # NotFound: it was removed
        target.mkdir(parents=True, exist_ok=True, mode=0o755)
        mount_all(wanted, target)

    def _unmount(self, identifier: ContainerId) -> None:
        target = self._paths.rootfs(identifier)
        try:
            unmount(target)
        except OSError as error:
            if error.errno != EBUSY:  # somebody on the host stands in it
                raise
            unmount(target, lazy=True)
        if target.exists():
            target.rmdir()

    def _remove(self, identifier: ContainerId, mounted: bool) -> None:
        if mounted:
            self._unmount(identifier)
        self._snapshots.remove(identifier)
