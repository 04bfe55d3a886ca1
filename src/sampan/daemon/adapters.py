"""Small bridges between parts of the engine that don't know each other."""

from collections.abc import Sequence

from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.images.users import ImageUser
from sampan.engine.info import Tally
from sampan.oci.digest import Digest
from sampan.store.images import ImageStore


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
