"""`--mount type=image`: the files of another image, read-only, inside a container.

    create   the image's name becomes its id and chain, which are the record's from then on
    start    <exec-root>/images/<container>/<n>: an overlay of its layers, bound into the container
    end      unmounted

While a container's record names a chain, gc keeps it (`ContainerRegistry.claimed`), whatever
becomes of the image's names; a lease keeps it until the record is there. As with a container's own
image, removal is refused or needs force while the image is mounted.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.record import Container, MountPoint
from sampan.lib.ids import ContainerId
from sampan.lib.workers import Workers
from sampan.linux.mounts import mount_all, unmount_below
from sampan.store.images import ImageStore
from sampan.store.leases import Leases
from sampan.store.snapshots import Snapshotter

IMAGE = "image"


class ImageMounts:
    """Mounting and unmounting block: in workers, one step per container at a time (its start)."""

    def __init__(
        self,
        *,
        images: ImageStore,
        snapshots: Snapshotter,
        leases: Leases,
        paths: ContainerPaths,
        workers: Workers,
    ) -> None:
        self._images = images
        self._snapshots = snapshots
        self._leases = leases
        self._paths = paths
        self._workers = workers

    @contextmanager
    def named(
        self, identifier: ContainerId, points: Sequence[MountPoint]
    ) -> Iterator[list[MountPoint]]:
        """The points with their images found; those stay until the block ends. Blocks.

        Raises NoSuchImage.
        """
        with self._leases.hold() as lease:
            found = []
            for number, point in enumerate(points):
                if point.type == IMAGE:
                    point = self._found(point, identifier, number)
                    if point.chain_id:
                        lease.add_snapshot(point.chain_id)
                found.append(point)
            yield found

    def _found(self, point: MountPoint, identifier: ContainerId, number: int) -> MountPoint:
        source = str(self._paths.image_mount(identifier, number))
        if point.image_id:  # inherited (`--volumes-from`)
            return replace(point, source=source)
        image = self._images.resolve(point.name)
        return replace(point, source=source, image_id=image.id, chain_id=str(image.chain_id or ""))

    async def acquire(self, container: Container) -> None:
        """Everything or nothing."""
        if _image_points(container):
            try:
                await self._workers.run(self._mount_all, container)
            except BaseException:
                await self.release(container)
                raise

    async def release(self, container: Container) -> None:
        """Idempotent."""
        if _image_points(container):
            await self._workers.run(self._unmount_all, container.id)

    def clean(self, running: set[ContainerId]) -> None:
        """At start: what no running container uses. Blocks."""
        if self._paths.image_mounts.exists():
            for folder in self._paths.image_mounts.iterdir():
                if folder.name not in running:
                    self._unmount_all(ContainerId(folder.name))

    def _mount_all(self, container: Container) -> None:
        self._unmount_all(container.id)  # what a start that was killed left
        self._paths.image_mounts.mkdir(parents=True, exist_ok=True, mode=0o700)
        for number, point in enumerate(container.mounts):
            if point.type != IMAGE:
                continue
            target = self._paths.image_mount(container.id, number)
            target.mkdir(parents=True, mode=0o755)
            if point.chain_id:  # an image without layers is empty
                mount_all(self._snapshots.mounts(point.chain_id), target)

    def _unmount_all(self, identifier: ContainerId) -> None:
        folder = self._paths.image_mounts / identifier
        if folder.exists():
            unmount_below(folder)
            for target in folder.iterdir():  # never a tree: a layer could still be there
                target.rmdir()
            folder.rmdir()


def _image_points(container: Container) -> list[MountPoint]:
    return [point for point in container.mounts if point.type == IMAGE]
