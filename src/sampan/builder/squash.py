"""`--squash`: everything above the base becomes one layer, and one image on top of the base.

    base  <- a <- b <- c          base  <- merged(a, b, c)

Layers are merged as directories, uppermost first: of each name the uppermost entry counts; folders
are merged until one of them hides what is below (opaque, or put where something was removed).
Files are hard links to those of the layers, which never change. The history keeps all entries,
those of the merged steps as empty ones, and gets one that says what was merged.
"""

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec

from sampan.builder.results import State
from sampan.builder.workspace import Workspaces
from sampan.lib import gotime
from sampan.oci import image_config
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import ChainId, chain_ids
from sampan.oci.image_config import History, RootFS
from sampan.oci.mediatypes import DOCKER_LAYER
from sampan.store.diff import write_layer
from sampan.store.extractor import OPAQUE_XATTR
from sampan.store.images import Image, ImageStore
from sampan.store.snapshots import SnapshotKey


class Squasher:
    def __init__(self, workspaces: Workspaces, images: ImageStore) -> None:
        self._workspaces = workspaces
        self._images = images

    async def squash(self, state: State, *, onto: State) -> State:
        """The same files and configuration. Nothing to merge: the state itself."""
        image = state.image
        if image is None:
            return state
        below = onto.image.spec.rootfs.diff_ids if onto.image is not None else ()
        if len(image.spec.rootfs.diff_ids) == len(below):
            return state
        return await self._workspaces.workers.run(self._squash, image, onto)

    def _squash(self, image: Image, onto: State) -> State:
        """Blocks. A stage that is left by a crash has no name, and is removed at start."""
        base = onto.image
        diff_ids = base.spec.rootfs.diff_ids if base is not None else ()
        snapshots, lease = self._workspaces.snapshots, self._workspaces.lease
        chains = chain_ids(image.spec.rootfs.diff_ids)[len(diff_ids) :]
        stage = snapshots.stage()
        try:
            merge([snapshots.upper(chain) for chain in reversed(chains)], stage.path)
            with self._workspaces.content.writer() as writer:
                write_layer(stage.path, writer, latest_ns=self._workspaces.epoch_ns)
                digest = writer.digest
                lease.add_content(digest)
                info = writer.commit()
            name: ChainId = chain_ids([*diff_ids, digest])[-1]
            lease.add_snapshot(SnapshotKey(name))
            snapshots.commit_stage(stage, name, onto.chain_id)
        except BaseException:
            snapshots.drop_stage(stage)
            raise
        size_bytes = snapshots.usage(name).size_bytes
        blob = Descriptor(mediaType=DOCKER_LAYER, digest=digest, size=info.size_bytes)
        created_ns = self._workspaces.epoch_ns
        created = gotime.format_ns(gotime.now_ns() if created_ns is None else created_ns)
        spec = msgspec.structs.replace(
            image.spec,
            created=created,
            rootfs=RootFS(diff_ids=(*diff_ids, digest)),
            history=_history(image, base, created),
        )
        squashed = self._images.add(
            image_config.encode(spec),
            (*(base.layers if base is not None else ()), blob),
            size_bytes=(base.size_bytes if base is not None else 0) + size_bytes,
            parent=base.id if base is not None else None,
            built_here=True,
        )
        return State(squashed)


def _history(image: Image, base: Image | None, created: str) -> tuple[History, ...]:
    kept = len(base.spec.history) if base is not None else 0
    merged = [
        msgspec.structs.replace(entry, empty_layer=True) for entry in image.spec.history[kept:]
    ]
    what = f"merge {image.id} to {base.id}" if base is not None else f"create new from {image.id}"
    return (*image.spec.history[:kept], *merged, History(created=created, comment=what))


def merge(layers: Sequence[Path], into: Path) -> None:
    """`layers` uppermost first; `into` is an empty directory of the same file system."""
    _copy_attributes(layers[0], into)
    _merge(layers, into)


def _merge(layers: Sequence[Path], into: Path) -> None:
    for name in sorted({path.name for layer in layers for path in layer.iterdir()}):
        found = [layer / name for layer in layers if os.path.lexists(layer / name)]
        if not _is_directory(found[0]):
            os.link(found[0], into / name, follow_symlinks=False)
            continue
        folders, hidden = _folders(found)
        target = into / name
        target.mkdir()
        _merge(folders, target)
        _copy_attributes(folders[0], target)
        if hidden:
            os.setxattr(target, OPAQUE_XATTR, b"y")


def _folders(found: Sequence[Path]) -> tuple[list[Path], bool]:
    """Those that are seen together, and whether they hide what is below all of them."""
    folders: list[Path] = []
    for path in found:
        if not _is_directory(path):
            return folders, True  # removed or replaced, then made again
        folders.append(path)
        if _is_opaque(path):
            return folders, True
    return folders, False


def _is_directory(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


def _is_opaque(path: Path) -> bool:
    try:
        return os.getxattr(path, OPAQUE_XATTR) == b"y"
    except OSError:
        return False


def _copy_attributes(source: Path, target: Path) -> None:
    found = source.stat()
    os.chown(target, found.st_uid, found.st_gid)
    shutil.copystat(source, target)  # mode, times, extended attributes
