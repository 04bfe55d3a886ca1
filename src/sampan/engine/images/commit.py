"""An image made of a container's present state (`docker commit`).

The writable layer becomes a blob and a layer snapshot in one pass; the configuration is the
container's, changed by Dockerfile instructions; the history gets one entry. The commit point is the
image's row; until then a lease keeps the parts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from sampan.engine.containers.changes import CommitRequest
from sampan.engine.containers.record import Container
from sampan.engine.events import EventLog
from sampan.lib import gotime
from sampan.lib.workers import Workers
from sampan.oci import image_config
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, chain_ids
from sampan.oci.image_config import HealthSpec, History, ImageRunConfig, ImageSpec, RootFS
from sampan.oci.mediatypes import OCI_LAYER
from sampan.oci.platform import host_platform
from sampan.oci.reference import Reference, parse_reference
from sampan.runtime.placeholders import placeholders
from sampan.store.content import ContentStore
from sampan.store.diff import write_layer
from sampan.store.images import Image, ImageStore
from sampan.store.ingest import IngestedLayer, LayerIngest
from sampan.store.leases import Lease, Leases
from sampan.store.snapshots import Snapshotter
from sampan.wire.codec import to_plain
from sampan.wire.containers import ContainerConfig

ApplyChanges = Callable[[ImageRunConfig, Sequence[str]], ImageRunConfig]


@dataclass(frozen=True, slots=True)
class _Writer:
    """A file for `write_layer` that feeds the ingest."""

    ingest: LayerIngest

    def write(self, data: bytes | memoryview, /) -> None:
        self.ingest.write(bytes(data))


class ImageCommitter:
    """Implements `engine.containers.changes.ImageFromContainer`."""

    def __init__(
        self,
        *,
        content: ContentStore,
        snapshots: Snapshotter,
        images: ImageStore,
        leases: Leases,
        apply_changes: ApplyChanges,
        events: EventLog,
        workers: Workers,
    ) -> None:
        self._content = content
        self._snapshots = snapshots
        self._images = images
        self._leases = leases
        self._apply_changes = apply_changes
        self._events = events
        self._workers = workers

    async def commit(self, container: Container, request: CommitRequest) -> Digest:
        reference = _reference(request)
        config = self._apply_changes(_run_config(container, request), request.changes)
        image = await self._workers.run(self._commit, container, request, config)
        self._events.publish("image", "create", image.id, {"name": image.id})
        if reference is not None:
            await self._workers.run(self._images.tag, reference, image.id)
            name = reference.familiar
            self._events.publish("image", "tag", image.id, {"name": name})
        return image.id

    def _commit(
        self, container: Container, request: CommitRequest, config: ImageRunConfig
    ) -> Image:
        with self._leases.hold() as lease:
            base = self._images.get(container.image_id)
            layer = self._layer(container, lease)
            diff_ids = (*base.spec.rootfs.diff_ids, layer.diff_id)
            chain = chain_ids(diff_ids)[-1]
            lease.add_snapshot(chain)
            self._snapshots.commit_stage(layer.stage, chain, base.chain_id, layer.usage)
            spec = _spec(base, container, request, config, diff_ids)
            blob = Descriptor(mediaType=OCI_LAYER, digest=layer.digest, size=layer.size_bytes)
            return self._images.add(
                image_config.encode(spec),
                (*base.layers, blob),
                size_bytes=base.size_bytes + layer.usage.size_bytes,
                parent=base.id,
                built_here=True,
            )

    def _layer(self, container: Container, lease: Lease) -> IngestedLayer:
        upper = self._snapshots.upper(container.id)
        hidden = placeholders(upper, self._snapshots.lowers(container.id))
        with LayerIngest(self._content, self._snapshots, lease) as ingest:
            write_layer(upper, _Writer(ingest), keep=lambda path: path not in hidden)
            return ingest.finish()


def _reference(request: CommitRequest) -> Reference | None:
    if not request.repo:
        return None
    text = f"{request.repo}:{request.tag}" if request.tag else request.repo
    return parse_reference(text).with_default_tag()


def _run_config(container: Container, request: CommitRequest) -> ImageRunConfig:
    """The container's configuration, or what the request's body sets of it."""
    own = container.config
    asked = request.config or ContainerConfig()
    health = asked.Healthcheck or own.Healthcheck
    return ImageRunConfig(
        User=asked.User or own.User,
        ExposedPorts=asked.ExposedPorts or own.ExposedPorts,
        Env=asked.Env or own.Env,
        Entrypoint=asked.Entrypoint or own.Entrypoint,
        Cmd=asked.Cmd or own.Cmd,
        Volumes=asked.Volumes or own.Volumes,
        WorkingDir=asked.WorkingDir or own.WorkingDir,
        Labels={**(own.Labels or {}), **(asked.Labels or {})} or None,
        StopSignal=asked.StopSignal or own.StopSignal,
        Healthcheck=msgspec.convert(to_plain(health), HealthSpec) if health else None,
        OnBuild=asked.OnBuild or own.OnBuild,
        Shell=asked.Shell or own.Shell,
    )


def _spec(
    base: Image,
    container: Container,
    request: CommitRequest,
    config: ImageRunConfig,
    diff_ids: tuple[Digest, ...],
) -> ImageSpec:
    platform = host_platform()
    created = gotime.format_ns(gotime.now_ns())
    entry = History(
        created=created,
        created_by=" ".join(container.argv),
        author=request.author,
        comment=request.comment,
    )
    return ImageSpec(
        architecture=base.spec.architecture or platform.architecture,
        os=base.spec.os or platform.os,
        variant=base.spec.variant or platform.variant,
        created=created,
        author=request.author,
        comment=request.comment,
        container=container.id,
        config=config,
        container_config=to_plain(container.config),
        rootfs=RootFS(diff_ids=diff_ids),
        history=(*base.spec.history, entry),
    )
