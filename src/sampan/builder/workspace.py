"""The file system of a step: a writable snapshot over a state, mounted, and what became of it.

    async with workspaces.writable(state) as work:
        ... change things below work.path ...
        layer = await work.commit()      # None when nothing changed

Leaving the context without `commit` leaves nothing: no mount, no snapshot. `commit` unmounts,
writes the layer's blob, and makes the snapshot a committed layer; blob and snapshot are held by the
build's lease until an image refers to them.
"""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from sampan.builder.directory import DirectoryTree
from sampan.builder.exporters import NewLayer, next_chain
from sampan.builder.results import State
from sampan.lib.cleanup import shielded
from sampan.lib.ids import random_id
from sampan.lib.workers import Workers
from sampan.linux import mounts
from sampan.oci.descriptor import Descriptor
from sampan.oci.mediatypes import DOCKER_LAYER
from sampan.store.content import ContentStore
from sampan.store.diff import write_layer
from sampan.store.extractor import OPAQUE_XATTR
from sampan.store.leases import Lease
from sampan.store.snapshots import SnapshotKey, Snapshotter


class Workspace:
    """One mounted snapshot. Methods without `async` block."""

    def __init__(self, owner: "Workspaces", state: State, path: Path) -> None:
        self._owner = owner
        self._state = state
        self.path = path
        self.key = SnapshotKey(f"build-{random_id()}")
        self.discarded: tuple[str, ...] = ()
        self._committed = False

    async def commit(self) -> NewLayer | None:
        return await self._owner.workers.run(self._commit)

    def open(self, below: tuple[str, ...]) -> None:
        snapshots = self._owner.snapshots
        snapshots.prepare(self.key, self._state.chain_id)
        wanted = snapshots.mounts(self.key)
        if below:
            # Mount points that the runtime needs and an image may lack come from under its layers,
            # so that they don't end up in the step's layer.
            wanted = [
                replace(mount, lowers=(*mount.lowers, *below))
                if mount.fstype == "overlay"
                else mount
                for mount in wanted
            ]
        mounts.mount_all(wanted, self.path)

    def close(self) -> None:
        mounts.unmount(self.path, lazy=True)
        if not self._committed:
            self._owner.snapshots.remove(self.key)

    def _commit(self) -> NewLayer | None:
        mounts.unmount(self.path)
        snapshots, content = self._owner.snapshots, self._owner.content
        upper = snapshots.upper(self.key)
        for path in self.discarded:
            _empty(upper, path)
        if not any(upper.iterdir()):
            return None
        with content.writer() as writer:
            write_layer(upper, writer)
            digest = writer.digest
            self._owner.lease.add_content(digest)
            info = writer.commit()
        size_bytes = snapshots.usage(self.key).size_bytes
        name = next_chain(self._state, digest)
        self._owner.lease.add_snapshot(SnapshotKey(name))
        snapshots.commit(self.key, name)
        self._committed = True
        blob = Descriptor(mediaType=DOCKER_LAYER, digest=digest, size=info.size_bytes)
        return NewLayer(digest, blob, size_bytes)


def _empty(upper: Path, path: str) -> None:
    """Drop what a step changed below a declared volume; the folder itself stays.

    The step may have planted links, so the path is resolved as if chrooted to the layer.
    """
    folder = mounts.resolve_beneath(upper, path)
    if folder == upper or not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    with suppress(OSError):
        os.removexattr(folder, OPAQUE_XATTR)


class Workspaces:
    """Makes workspaces for one build, below its scratch directory."""

    def __init__(
        self,
        *,
        snapshots: Snapshotter,
        content: ContentStore,
        lease: Lease,
        workers: Workers,
        scratch: Path,
    ) -> None:
        self.snapshots = snapshots
        self.content = content
        self.lease = lease
        self.workers = workers
        self._scratch = scratch
        self._scaffold: Path | None = None

    @asynccontextmanager
    async def writable(self, state: State, *, runs: bool = False) -> AsyncIterator[Workspace]:
        """`runs`: a container will run in it."""
        path = Path(await self.workers.run(tempfile.mkdtemp, prefix="rootfs-", dir=self._scratch))
        work = Workspace(self, state, path)
        try:
            below = (str(await self.workers.run(self._scaffolding)),) if runs else ()
            await self.workers.run(work.open, below)
            yield work
        finally:
            await self._put_away(path, work.close)

    @asynccontextmanager
    async def readable(self, state: State) -> AsyncIterator[DirectoryTree]:
        """The files of a finished state."""
        path = Path(await self.workers.run(tempfile.mkdtemp, prefix="source-", dir=self._scratch))
        chain_id = state.chain_id
        try:
            if chain_id is not None:
                wanted = await self.workers.run(self.snapshots.mounts, chain_id)
                await self.workers.run(mounts.mount_all, wanted, path)
            yield DirectoryTree(path)
        finally:
            await self._put_away(path, lambda: mounts.unmount(path, lazy=True))

    async def _put_away(self, path: Path, close: Callable[[], None]) -> None:
        def work() -> None:
            close()
            path.rmdir()

        await shielded(lambda: self.workers.run(work), what="build workspace")

    def _scaffolding(self) -> Path:
        if self._scaffold is None:
            root = self._scratch / "scaffold"
            for folder in ("dev", "etc", "proc", "sys"):
                (root / folder).mkdir(parents=True, mode=0o755)
            for name in ("hostname", "hosts", "resolv.conf"):
                (root / "etc" / name).touch(mode=0o644)
            (root / ".dockerenv").touch(mode=0o755)
            self._scaffold = root
        return self._scaffold
