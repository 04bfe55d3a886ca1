"""A container's files as the container sees them, for `cp`.

Running: the root of its first process, which has every mount. Not running: a mount of the root file
system of this view's own, with the container's volumes and binds on top.

What lies below belongs to strangers, who may change it meanwhile: other containers write to the
same volumes. So a process's root is held by a descriptor (its number may become another's), mount
points are (`bind_beneath`), and at the end the whole view is detached at its own root.
"""

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from sampan.engine.containers.record import Container
from sampan.engine.containers.rootfs import RootFilesystems
from sampan.lib.workers import Workers
from sampan.linux.beneath import bind_beneath, open_beneath
from sampan.linux.mounts import bind, unmount


class RootViews:
    def __init__(self, *, rootfs: RootFilesystems, workers: Workers) -> None:
        self._rootfs = rootfs
        self._workers = workers

    @asynccontextmanager
    async def open(self, container: Container) -> AsyncIterator[Path]:
        """A path of the host under which the container's files lie, for the time of the block."""
        held = process_root(container.state.pid) if container.state.pid else None
        if held is not None:
            try:
                yield Path(f"/proc/self/fd/{held}")
            finally:
                os.close(held)
            return
        async with self._rootfs.viewed(container.id, partial(_mount_view, container)) as view:
            try:
                yield view
            finally:
                await self._workers.run(_drop_view, view)


def process_root(pid: int) -> int | None:
    """A descriptor of the root directory of a container's process; None if that has ended.

    The kernel may have given its number away by now: this machine's own root is never handed out.
    """
    try:
        held = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return None
    if os.path.samestat(os.fstat(held), os.stat("/")):  # noqa: PTH116
        os.close(held)
        return None
    return held


def _mount_view(container: Container, root: Path) -> Path:
    """Beside the root's own mount point, where the start of a daemon clears away what was left."""
    view = Path(tempfile.mkdtemp(prefix="view-", dir=root.parent))
    try:
        bind(root, view, recursive=False, propagation="private")
        for mount in sorted(container.mounts, key=lambda one: one.destination):
            source = Path(mount.source)
            if mount.type not in {"bind", "volume"} or not source.exists():
                continue
            if not mount.subpath:
                bind_beneath(source, view, mount.destination, readonly=not mount.rw)
                continue
            held = open_beneath(source, mount.subpath, os.O_PATH)
            try:
                within = Path(f"/proc/self/fd/{held}")
                bind_beneath(within, view, mount.destination, readonly=not mount.rw)
            finally:
                os.close(held)
    except BaseException:
        _drop_view(view)
        raise
    return view


def _drop_view(view: Path) -> None:
    unmount(view, lazy=True)  # with all that is mounted below
    view.rmdir()
