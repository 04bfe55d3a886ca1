"""What a run needs besides its process: root file system, volumes, networks, /dev/shm, a monitor.

`acquire` gets all of it at once, as far as the parts don't depend on each other, and pushes an undo
for each; `release` gives it back after the end. The parts find out by themselves, from what is on
the disk and in the kernel, what an earlier daemon left (see `restore.py`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sampan.engine.containers.image_mounts import ImageMounts
from sampan.engine.containers.networking import Connected, Networking
from sampan.engine.containers.record import Container
from sampan.engine.containers.rootfs import RootFilesystems
from sampan.engine.containers.shm import SharedMemory
from sampan.engine.containers.task_files import TaskFiles
from sampan.engine.containers.volume_mounts import VolumeMounts
from sampan.lib.cleanup import shielded
from sampan.lib.spans import span
from sampan.runtime.tasks import Task, TaskService

log = logging.getLogger(__name__)

SIGKILL = 9


@dataclass(frozen=True, slots=True)
class Acquired:
    rootfs: Path
    connected: Connected
    task: Task


class RunResources:
    def __init__(
        self,
        *,
        rootfs: RootFilesystems,
        images: ImageMounts,
        volumes: VolumeMounts,
        networking: Networking,
        shm: SharedMemory,
        tasks: TaskService,
        task_files: TaskFiles,
    ) -> None:
        self._rootfs = rootfs
        self._images = images
        self._volumes = volumes
        self._networking = networking
        self._shm = shm
        self._tasks = tasks
        self._task_files = task_files

    async def acquire(self, container: Container, undo: AsyncExitStack) -> Acquired:
        """Everything or, once `undo` has run, nothing."""
        root = self._rootfs.acquire(container.id, volatile=container.auto_remove)
        network = self._networking.connect(container)
        volumes, images = self._volumes.acquire(container), self._images.acquire(container)
        rootfs, connected, task, *_ = await together(
            self._get("root", undo, root, self._release_rootfs, container),
            self._get("network", undo, network, self._disconnect, container),
            self._get_task(undo, container),
            self._get("volumes", undo, volumes, self._volumes.release, container),
            self._get("shm", undo, self._shm.acquire(container), self._shm.release, container),
            self._get("images", undo, images, self._images.release, container),
        )
        return Acquired(rootfs, connected, task)

    async def disconnect(self, container: Container) -> None:
        """After the end of a run: its addresses, names and ports are free when this returns.

        `container` is its record from before the end, here and in `release`.
        """
        await shielded(partial(self._disconnect, container), what="disconnect")

    async def release(self, container: Container) -> None:
        """The rest. Slow at times: the kernel writes the root's data back when it's unmounted."""
        await asyncio.gather(
            shielded(partial(self._release_rootfs, container), what="unmount the root"),
            shielded(partial(self._volumes.release, container), what="release volumes"),
            shielded(partial(self._shm.release, container), what="release /dev/shm"),
            shielded(partial(self._images.release, container), what="release images"),
        )

    async def _release_rootfs(self, container: Container) -> None:
        await self._rootfs.release(container.id)

    async def _disconnect(self, container: Container) -> None:
        await self._networking.disconnect(container)

    async def _get(
        self,
        what: str,
        undo: AsyncExitStack,
        work: Coroutine[Any, Any, Any],
        give_back: Callable[[Container], Awaitable[object]],
        container: Container,
    ) -> Any:  # of several kinds: `acquire` knows which
        with span(f"start.{what}"):
            got = await work
        undo.push_async_callback(shielded, partial(give_back, container), what="undo a start")
        return got

    async def _get_task(self, undo: AsyncExitStack, container: Container) -> Task:
        with span("start.monitor"):
            task = await self._tasks.create(self._task_files.spec(container))
        undo.push_async_callback(shielded, partial(end_task, task), what="undo a start")
        return task


async def end_task(task: Task) -> None:
    """Kill what runs and forget the task."""
    if task.pid:
        await task.kill(SIGKILL)
        await task.wait()
    await task.delete()


async def together(*works: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run side by side and wait for all, even if one fails; then raise the first failure."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
