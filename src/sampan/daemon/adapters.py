"""Small bridges between parts of the engine that don't know each other."""

from collections.abc import Callable, Sequence

from sampan.engine.containers.listing import Lister
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.images.listing import ImageListing
from sampan.engine.images.users import ImageUser
from sampan.engine.info import Tally
from sampan.engine.volumes import Volumes
from sampan.lib.workers import Workers
from sampan.oci.digest import Digest
from sampan.store.images import ImageStore
from sampan.store.snapshots import Snapshotter
from sampan.wire.filters import Filters
from sampan.wire.system import DiskUsage


class ContainerImageUsers:
    """Which containers use an image (engine.images.users.ImageUsers), from the registry."""

    def __init__(self, registry: ContainerRegistry) -> None:
        self._registry = registry

    def users_of(self, image: Digest) -> Sequence[ImageUser]:
        return [
            ImageUser(container.id, container.state.running)
            for container in self._registry.using_image(image)
        ]


class Tallies:
    """The counts of /info."""

    def __init__(self, registry: ContainerRegistry, images: ImageStore) -> None:
        self._registry = registry
        self._images = images

    def __call__(self) -> Tally:
        states = [container.state for container in self._registry.list()]
        paused = sum(state.paused for state in states)
        running = sum(state.running for state in states)
        return Tally(
            running=running - paused,
            paused=paused,
            stopped=len(states) - running,
            images=len(self._images.list()),
        )


class DiskUsages:
    """GET /system/df, gathered from the lists of its four kinds."""

    def __init__(
        self,
        *,
        containers: Lister,
        images: ImageListing,
        volumes: Volumes,
        layers: Callable[[], int],
        workers: Workers,
    ) -> None:
        self._containers = containers
        self._images = images
        self._volumes = volumes
        self._layers = layers
        self._workers = workers

    async def usage(self, kinds: frozenset[str]) -> DiskUsage:
        images = containers = volumes = None
        size_bytes = 0
        if "image" in kinds:
            images = list(await self._images.list(shared_size=True, containers=True))
            size_bytes = await self._workers.run(self._layers)
        if "container" in kinds:
            containers = list(await self._containers.list(Filters(), everything=True, size=True))
        if "volume" in kinds:
            volumes = list(await self._volumes.usage())
        return DiskUsage(
            LayersSize=size_bytes,
            Images=images,
            Containers=containers,
            Volumes=volumes,
            BuildCache=[] if "build-cache" in kinds else None,
        )


def layers_size(snapshots: Snapshotter) -> int:
    """Bytes of all unpacked layers, each counted once. Blocks."""
    return sum(found.usage.size_bytes for found in snapshots.walk() if found.committed)
