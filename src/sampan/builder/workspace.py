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
import stat
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Sequence
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
from sampan.linux.beneath import open_target_beneath, resolve_beneath
from sampan.oci.descriptor import Descriptor
from sampan.oci.mediatypes import DOCKER_LAYER
from sampan.store.content import ContentStore
from sampan.store.diff import write_layer
from sampan.store.extractor import OPAQUE_XATTR
from sampan.store.image_records import LocalLayer
from sampan.store.leases import Lease
from sampan.store.snapshots import SnapshotKey, SnapshotNotFound, Snapshotter
from sampan.store.unpack import Unpacker


class Workspace:
    """One mounted snapshot. Methods without `async` block."""

    def __init__(
        self, owner: "Workspaces", state: State, path: Path, *, key: SnapshotKey | None = None
    ) -> None:
        self._owner = owner
        self._state = state
        self.path = path
        self.key = key or SnapshotKey(f"build-{random_id()}")
        self.discarded: tuple[str, ...] = ()
        self._committed = False
        self._below: tuple[str, ...] = ()
        self._stubs: list[str] = []

    async def commit(self) -> NewLayer | None:
        return await self._owner.workers.run(self._commit)

    def open(self, below: tuple[str, ...]) -> None:
        self._owner.snapshots.prepare(self.key, self._state.chain_id)
        self._mount(below)

    def add_mount_points(self, points: Sequence[tuple[str, bool]]) -> None:
        """Before anything runs here: have (path, is it a directory) of each mount.

        What is missing is put under the image's layers, like the runtime's own mount points. What
        a layer hides there (it removed the folder) is made in the step's layer, and goes away with
        `commit` as long as it is empty.
        """
        missing = [point for point in points if not _exists(self.path, point[0])]
        if not missing:
            return
        folder = self._owner.make_directory("stubs-")
        for path, is_directory in missing:
            inside = "/" + str(resolve_beneath(self.path, path).relative_to(self.path))
            _make_stub(folder, inside, is_directory=is_directory)
        mounts.unmount(self.path)
        self._mount((str(folder), *self._below))
        for path, is_directory in missing:
            if not _exists(self.path, path):
                self._stubs += _make_stub(self.path, path, is_directory=is_directory)

    def _mount(self, below: tuple[str, ...]) -> None:
        self._below = below
        # volatile: a step of a crashed build is swept, a finished one's layer is synced
        wanted = self._owner.snapshots.mounts(self.key, volatile=True)
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
        _remove_stubs(upper, self._stubs)
        if not any(upper.iterdir()):
            return None
        with content.writer() as writer:
            write_layer(upper, writer, latest_ns=self._owner.epoch_ns)
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


def _exists(root: Path, path: str) -> bool:
    return os.path.lexists(resolve_beneath(root, path))


def _make_stub(root: Path, path: str, *, is_directory: bool) -> list[str]:
    """Returns the paths that were made, relative, outermost first."""
    parts = resolve_beneath(root, path).relative_to(root).parts
    paths = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    made = [one for one in paths if not os.path.lexists(root / one)]
    os.close(open_target_beneath(root, path, directory=is_directory))
    return made


def _remove_stubs(upper: Path, made: Sequence[str]) -> None:
    """Innermost first, and only what is still empty. The step may have put links in place of
    folders: each name is looked up without following any (CVE-2024-23652)."""
    for path in reversed(made):
        folder, _, name = path.rpartition("/")
        try:
            parent = _open_folder(upper, folder)
        except OSError:
            continue
        try:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                os.rmdir(name, dir_fd=parent)
            elif stat.S_ISREG(found.st_mode) and found.st_size == 0:
                os.unlink(name, dir_fd=parent)
        except OSError:
            continue  # gone, or not empty: the step's own
        finally:
            os.close(parent)


def _open_folder(root: Path, path: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    current = os.open(root, flags)
    for part in filter(None, path.split("/")):
        try:
            child = os.open(part, flags, dir_fd=current)
        finally:
            os.close(current)
        current = child
    return current


def _empty(upper: Path, path: str) -> None:
    """Drop what a step changed below a declared volume; the folder itself stays.

    The step may have planted links, so the path is resolved as if chrooted to the layer.
    """
    folder = resolve_beneath(upper, path)
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
    """Makes workspaces for one build, below its scratch directory. No file of a layer is younger
    than `epoch_ns`."""

    def __init__(
        self,
        *,
        snapshots: Snapshotter,
        content: ContentStore,
        unpacker: Unpacker,
        lease: Lease,
        workers: Workers,
        scratch: Path,
        epoch_ns: int | None = None,
    ) -> None:
        self.snapshots = snapshots
        self.content = content
        self.unpacker = unpacker
        self.lease = lease
        self.workers = workers
        self.epoch_ns = epoch_ns
        self.scratch = scratch
        self._scaffold: Path | None = None
        self._scaffold_lock = threading.Lock()  # steps of several stages begin at once

    @asynccontextmanager
    async def writable(self, state: State, *, runs: bool = False) -> AsyncIterator[Workspace]:
        """`runs`: a container will run in it."""
        path = Path(await self.workers.run(tempfile.mkdtemp, prefix="rootfs-", dir=self.scratch))
        work = Workspace(self, state, path)
        try:
            below = (str(await self.workers.run(self._scaffolding)),) if runs else ()
            await self.workers.run(work.open, below)
            yield work
        finally:
            await self._put_away(path, work.close)

    @asynccontextmanager
    async def stacked(self, state: State) -> AsyncIterator[Workspace]:
        """A layer to be put over `state`, made without seeing it: the root begins empty."""
        key = SnapshotKey(f"build-{random_id()}")
        try:
            await self.workers.run(self.snapshots.prepare, key, state.chain_id)
            path = await self.workers.run(self.snapshots.upper, key)
            yield Workspace(self, state, path, key=key)
        finally:
            await shielded(lambda: self.workers.run(self._forget, key), what="build workspace")

    def _forget(self, key: SnapshotKey) -> None:
        """A committed snapshot has another name by now."""
        with suppress(SnapshotNotFound):
            self.snapshots.remove(key)

    async def restack(self, state: State, layer: LocalLayer) -> NewLayer:
        """A finished layer, put over `state`. Raises NotFound if its blob isn't here any more."""
        return await self.workers.run(self._restack, state, layer)

    def _restack(self, state: State, layer: LocalLayer) -> NewLayer:
        self.lease.add_content(layer.blob.digest)
        image = state.image
        diff_ids = image.spec.rootfs.diff_ids if image is not None else ()
        below = image.layers if image is not None else ()
        self.unpacker.ensure_unpacked(
            (*diff_ids, layer.diff_id), (*below, layer.blob), lease=self.lease
        )
        size_bytes = self.snapshots.usage(next_chain(state, layer.diff_id)).size_bytes
        return NewLayer(layer.diff_id, layer.blob, size_bytes)

    @asynccontextmanager
    async def readable(self, state: State) -> AsyncIterator[DirectoryTree]:
        """The files of a finished state."""
        path = Path(await self.workers.run(tempfile.mkdtemp, prefix="source-", dir=self.scratch))
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

    def make_directory(self, prefix: str) -> Path:
        """In the build's scratch directory, with which it goes away. Blocks."""
        path = Path(tempfile.mkdtemp(prefix=prefix, dir=self.scratch))
        path.chmod(0o755)
        return path

    def _scaffolding(self) -> Path:
        with self._scaffold_lock:
            if self._scaffold is None:
                self._scaffold = self._make_scaffold()
            return self._scaffold

    def _make_scaffold(self) -> Path:
        root = self.scratch / "scaffold"
        for folder in ("dev", "etc", "proc", "sys"):
            (root / folder).mkdir(parents=True, mode=0o755)
        for name in ("hostname", "hosts", "resolv.conf"):
            (root / "etc" / name).touch(mode=0o644)
        (root / ".dockerenv").touch(mode=0o755)
        return root
