"""`docker commit`: a container's writable layer as one more layer on its image.

The container's image must still be here (a forced removal may have taken it): the layers below are
known by it alone.
"""

from typing import Any

from sampan.engine.containers.changes import CommitRequest
from sampan.engine.containers.record import Container
from sampan.engine.images.changes import apply_changes
from sampan.engine.images.events import ImageEvents
from sampan.engine.images.new_layer import LayerAdder
from sampan.engine.images.reporting import StorageFailed
from sampan.engine.images.tag import Tagger, new_name
from sampan.lib import gotime
from sampan.lib.tarwriter import Writable
from sampan.lib.workers import Workers
from sampan.oci.digest import Digest
from sampan.oci.image_config import HealthSpec, History, ImageRunConfig, ImageSpec
from sampan.runtime.placeholders import placeholders
from sampan.store.diff import write_layer
from sampan.store.images import Image, ImageStore
from sampan.store.snapshots import Snapshotter
from sampan.wire.codec import to_plain
from sampan.wire.containers import ContainerConfig


class ContainerCommit:
    """See engine.containers.changes.ImageFromContainer."""

    def __init__(
        self,
        *,
        images: ImageStore,
        snapshots: Snapshotter,
        layers: LayerAdder,
        tagger: Tagger,
        events: ImageEvents,
        workers: Workers,
    ) -> None:
        self._images = images
        self._snapshots = snapshots
        self._layers = layers
        self._tagger = tagger
        self._events = events
        self._workers = workers

    async def commit(self, container: Container, request: CommitRequest) -> Digest:
        """The new image's id; it has its name, if one was asked for. Raises InvalidArgument."""
        reference = new_name(request.repo, request.tag) if request.repo else None
        config = merged(container.config, request.config)
        config = apply_changes(config, request.changes)
        try:
            image = await self._workers.run(self._commit, container, request, config)
        except OSError as error:
            raise StorageFailed(what="failed to commit container", error=error) from error
        self._events.named("create", image, image.id)
        if reference is not None:
            await self._tagger.give_name(image, reference)
        return image.id

    def _commit(
        self, container: Container, request: CommitRequest, config: ImageRunConfig
    ) -> Image:
        upper = self._snapshots.upper(container.id)
        hidden = placeholders(upper, self._snapshots.lowers(container.id))
        parent = self._images.get(container.image_id)
        created = gotime.format_ns(gotime.now_ns())
        platform = parent.spec.platform
        spec = ImageSpec(
            architecture=platform.architecture,
            os=platform.os,
            variant=platform.variant,
            created=created,
            author=request.author,
            comment=request.comment,
            config=config,
            container=container.id,
            container_config=to_plain(container.config),
        )
        entry = History(
            created=created,
            created_by=" ".join(container.argv),
            author=request.author,
            comment=request.comment,
        )

        def write(out: Writable) -> None:
            write_layer(upper, out, keep=lambda path: path not in hidden)
            self._snapshots.upper(container.id)  # still there, so no file was removed meanwhile

        return self._layers.from_writer(parent, write, spec, entry)


def merged(container: ContainerConfig, request: ContainerConfig | None) -> ImageRunConfig:
    """The container's configuration, with what the request sets in its place."""

    def pick(name: str) -> Any:  # a member of either struct, by name
        asked = getattr(request, name) if request is not None else None
        return asked or getattr(container, name)

    health = pick("Healthcheck")
    return ImageRunConfig(
        User=pick("User"),
        ExposedPorts=pick("ExposedPorts"),
        Env=pick("Env"),
        Entrypoint=pick("Entrypoint"),
        Cmd=pick("Cmd"),
        Volumes=pick("Volumes"),
        WorkingDir=pick("WorkingDir"),
        Labels=pick("Labels"),
        StopSignal=pick("StopSignal"),
        Healthcheck=None if health is None else HealthSpec(**to_plain(health)),
        OnBuild=pick("OnBuild"),
        Shell=pick("Shell"),
        ArgsEscaped=pick("ArgsEscaped"),
    )
