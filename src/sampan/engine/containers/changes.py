"""What a container changed: `diff`, `export` and `commit`.

The writable layer's mount points that a runtime made (runtime.placeholders) are left out of all
three, so an image made by `commit` has what the user did and nothing else.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from sampan.engine.containers.live import LiveContainers
from sampan.engine.containers.record import Container, event_attributes
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.containers.rootfs import RootFilesystems
from sampan.engine.events import EventLog
from sampan.errors import Conflict, SampanError, Unavailable
from sampan.lib.bridge import produced
from sampan.lib.workers import Workers
from sampan.oci.digest import Digest
from sampan.runtime.placeholders import placeholders
from sampan.store.diff import changes, write_tree
from sampan.wire.archive import FilesystemChange
from sampan.wire.containers import ContainerConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRequest:
    """`changes` are Dockerfile instructions; `config` replaces the container's where it is set."""

    container: str
    repo: str = ""
    tag: str = ""
    comment: str = ""
    author: str = ""
    pause: bool = True
    changes: Sequence[str] = ()
    config: ContainerConfig | None = None


class ImageFromContainer(Protocol):
    """Makes the image (engine.images.commit); called while nothing writes to the container."""

    async def commit(self, container: Container, request: CommitRequest) -> Digest: ...


class Changes:
    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        rootfs: RootFilesystems,
        live: LiveContainers,
        images: ImageFromContainer,
        events: EventLog,
        workers: Workers,
    ) -> None:
        self._registry = registry
        self._rootfs = rootfs
        self._live = live
        self._images = images
        self._events = events
        self._workers = workers

    async def list(self, text: str) -> Sequence[FilesystemChange]:
        """Sorted by path."""
        container = self._registry.get(text)
        with self._still_there(container):
            return await self._workers.run(self._list, container)

    @contextmanager
    def _still_there(self, container: Container) -> Iterator[None]:
        """What was read of a container that was removed meanwhile may lack files."""
        try:
            yield
        except (OSError, SampanError):
            self._registry.get(container.id)
            raise
        self._registry.get(container.id)

    def _list(self, container: Container) -> Sequence[FilesystemChange]:
        snapshots = self._rootfs.snapshots
        upper, lowers = snapshots.upper(container.id), snapshots.lowers(container.id)
        hidden = placeholders(upper, lowers)
        return [
            FilesystemChange(Path=change.path, Kind=int(change.kind))
            for change in changes(upper, lowers)
            if change.path.lstrip("/") not in hidden
        ]

    def export(self, text: str) -> AsyncIterator[bytes]:
        """The whole root file system as a tar. Raises NoSuchContainer at once."""
        return self._export(self._registry.get(text))

    async def _export(self, container: Container) -> AsyncIterator[bytes]:
        with self._still_there(container):
            async with self._rootfs.mounted(container.id) as root:
                async for chunk in produced(self._workers, lambda out: write_tree(root, out)):
                    yield chunk
        self._publish(container, "export")

    async def commit(self, request: CommitRequest) -> Digest:
        """A new image of the container's present state; its id.

        A running container is paused meanwhile if `pause`. Raises NoSuchContainer, Conflict (being
        removed) and InvalidArgument (bad reference or instruction).
        """
        container = self._registry.get(request.container)
        if container.state.removing or container.state.dead:
            raise Conflict(
                f"You cannot commit container {container.id} which is {container.state.status}"
            )
        async with AsyncExitStack() as stack:
            task = self._live.find_task(container.id)
            if request.pause and task is not None and not container.state.paused:
                with suppress(Conflict, Unavailable):  # it ends just now: nothing writes any more
                    await task.pause()
                    stack.push_async_callback(task.resume)
            try:
                image_id = await self._images.commit(container, request)
            except SampanError:
                self._registry.get(container.id)
                raise
        self._publish(
            container,
            "commit",
            comment=request.comment,
            imageID=image_id,
            imageRef=f"{request.repo}:{request.tag or 'latest'}" if request.repo else "",
        )
        return image_id

    def _publish(self, container: Container, action: str, **extra: str) -> None:
        attributes = event_attributes(container, **extra)
        self._events.publish("container", action, container.id, attributes)
