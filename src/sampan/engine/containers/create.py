"""Creating a container: nothing runs yet, but everything that can be known wrong is refused.

    check request -> image -> complete config -> name -> volumes, home, snapshot -> COMMIT -> event

The commit of the record is the moment from which the container exists. What an interrupted creation
leaves is a home and a snapshot that no record names, and anonymous volumes of an owner that isn't
there: cleaned at the next start.
"""

import shutil
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from sampan.engine.containers import resolve, validate
from sampan.engine.containers.image_mounts import ImageMounts
from sampan.engine.containers.links import parse_link
from sampan.engine.containers.mounts import MountPlan, NoBindSource, plan_mounts
from sampan.engine.containers.names import check_name, random_name
from sampan.engine.containers.networking import Networking
from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.record import Container, Link, MountPoint, event_attributes
from sampan.engine.containers.registry import ContainerRegistry, NoSuchContainer
from sampan.engine.containers.resolve import Defaults
from sampan.engine.containers.rootfs import RootFilesystems
from sampan.engine.containers.validate import container_of
from sampan.engine.events import EventLog
from sampan.engine.volumes import Volumes
from sampan.errors import InvalidArgument, NotFound
from sampan.lib import gotime
from sampan.lib.cleanup import shielded
from sampan.lib.ids import ContainerId, random_id, short
from sampan.lib.workers import Workers
from sampan.linux.beneath import resolve_beneath
from sampan.logs.drivers import writes_file
from sampan.oci.image_config import ImageRunConfig
from sampan.oci.platform import Platform, normalise, parse_platform
from sampan.store.images import Image, ImageStore
from sampan.volumes.store import VolumeStore
from sampan.wire.containers import ContainerConfig, CreateRequest, HostSettings


@dataclass(frozen=True, slots=True)
class Created:
    id: ContainerId
    warnings: Sequence[str]


class PlatformMismatch(NotFound):
    def __init__(self, image: str, wanted: Platform, actual: Platform) -> None:
        super().__init__(
            f"image with reference {image} was found but does not provide the specified "
            f"platform ({wanted}): actual: {actual}"
        )


class HostChecks(Protocol):
    """What the runtime and the log drivers say of a request (pure; any thread)."""

    def check(self, config: ContainerConfig, host: HostSettings) -> Sequence[str]:
        """Warnings. Raises InvalidArgument for limits, devices, runtime or log options."""
        ...


class Creator:
    def __init__(
        self,
        *,
        registry: ContainerRegistry,
        images: ImageStore,
        rootfs: RootFilesystems,
        image_mounts: ImageMounts,
        volumes: Volumes,
        volume_store: VolumeStore,
        networking: Networking,
        checks: HostChecks,
        defaults: Defaults,
        paths: ContainerPaths,
        events: EventLog,
        workers: Workers,
        hostname: str,
    ) -> None:
        self._registry = registry
        self._images = images
        self._rootfs = rootfs
        self._image_mounts = image_mounts
        self._volumes = volumes
        self._volume_store = volume_store
        self._networking = networking
        self._checks = checks
        self._defaults = defaults
        self._paths = paths
        self._events = events
        self._workers = workers
        self._hostname = hostname  # the host's own

    async def create(
        self, request: CreateRequest, *, name: str | None = None, platform: str | None = None
    ) -> Created:
        """Raises NoSuchImage, NameTaken, InvalidArgument and what volumes and networks raise."""
        identifier = ContainerId(random_id())
        wanted_name = check_name(name) if name else ""
        validate.check_request(request)
        image = await self._image(request.Image, platform)
        container, plans = await self._resolve(identifier, request, image)
        warnings = list(self._checks.check(container.config, container.host))
        warnings += _discarded_ports(container)
        name = wanted_name or random_name(self._registry.is_taken)
        with self._registry.reserved(name, identifier):
            container = replace(container, name=name)
            await self._make(container, plans)
        self._events.publish("container", "create", identifier, event_attributes(container))
        return Created(identifier, warnings)

    # --- image ------------------------------------------------------------------------------------

    async def _image(self, name: str, platform: str | None) -> Image | None:
        """None for a container without image."""
        wanted = parse_platform(platform) if platform else None
        if not name:
            return None
        image = await self._workers.run(self._images.resolve, name)
        actual = normalise(image.spec.platform)
        fits = wanted is None or (actual.os, actual.architecture) == (
            wanted.os,
            wanted.architecture,
        )
        if wanted is not None and not (fits and wanted.variant in {"", actual.variant}):
            raise PlatformMismatch(name, wanted, actual)
        return image

    # --- everything that can be known beforehand --------------------------------------------------

    async def _resolve(
        self, identifier: ContainerId, request: CreateRequest, image: Image | None
    ) -> tuple[Container, list[MountPlan]]:
        host = resolve.complete_host(resolve.asked_host(request), self._defaults)
        config = resolve.merge_config(
            request,
            image.spec.config if image else ImageRunConfig(),
            hostname=self._default_hostname(identifier, host),
        )
        host = self._pin_namespaces(host)
        plans = plan_mounts(config, host, self._mounts_of)
        await self._workers.run(_check_sources, plans)
        networks = await self._networking.plan(
            config, host, request.NetworkingConfig.EndpointsConfig or {}
        )
        container = Container(
            id=identifier,
            name="",
            created_ns=gotime.now_ns(),
            image_id=image.id if image else resolve.NO_IMAGE,
            chain_id=image.chain_id if image else None,
            config=config,
            host=host,
            argv=resolve.argv(config),
            networks=networks,
            links=self._links(host),
            log_path=self._log_path(identifier, host),
        )
        return container, plans

    def _log_path(self, identifier: ContainerId, host: HostSettings) -> str:
        """Empty when a driver keeps no file."""
        return str(self._paths.log(identifier)) if writes_file(host.LogConfig.Type) else ""

    def _default_hostname(self, identifier: ContainerId, host: HostSettings) -> str:
        if host.NetworkMode == "host":
            return self._hostname
        return "" if container_of(host.NetworkMode) is not None else short(identifier)

    def _pin_namespaces(self, host: HostSettings) -> HostSettings:
        """Modes that name another container keep its id: names may change hands."""
        changes = {}
        for field, must_exist in (("NetworkMode", False), ("IpcMode", True), ("PidMode", True)):
            name = container_of(getattr(host, field))
            if name is None:
                continue
            target = self._registry.find(name)
            if target is not None:
                changes[field] = f"container:{target.id}"
            elif must_exist:
                raise InvalidArgument(f"No such container: {name}")
        return resolve.with_changes(host, changes)

    def _mounts_of(self, name: str) -> Sequence[MountPoint]:
        try:
            return self._registry.get(name).mounts
        except NoSuchContainer as error:
            raise InvalidArgument(error.message) from error

    def _links(self, host: HostSettings) -> tuple[Link, ...]:
        """Of the default bridge; user-defined networks resolve links by name."""
        found = []
        for text in host.Links or ():
            name, alias = parse_link(text)
            target = self._registry.find(name)
            if target is None:
                raise InvalidArgument(
                    f"could not get container for {name}: No such container: {name}"
                )
            if target.host.NetworkMode == "host":
                raise InvalidArgument(
                    "conflicting options: host type networking can't be used with links. "
                    "This would result in undefined behavior"
                )
            found.append(Link(target.id, alias))
        return tuple(found)

    # --- making -----------------------------------------------------------------------------------

    async def _make(self, container: Container, plans: Sequence[MountPlan]) -> None:
        home = self._paths.home(container.id)
        async with AsyncExitStack() as undo:
            plans = await self._find_images(container.id, plans, undo)
            points = await self._ensure_volumes(container.id, plans, undo)
            container = replace(container, mounts=tuple(points))
            undo.push_async_callback(
                shielded, partial(self._discard, container.id, home), what="undo a creation"
            )
            await self._workers.run(self._prepare, container, home)
            if any(point.type == "volume" and point.copy_up for point in points):
                await self._copy_up(container)
            await self._registry.add(container)
            undo.pop_all()

    async def _find_images(
        self, identifier: ContainerId, plans: Sequence[MountPlan], undo: AsyncExitStack
    ) -> list[MountPlan]:
        points = [plan.point for plan in plans]
        leased = self._image_mounts.named(identifier, points)
        found = await self._workers.run(leased.__enter__)
        undo.push(leased.__exit__)
        return [replace(plan, point=point) for plan, point in zip(plans, found, strict=True)]

    async def _ensure_volumes(
        self, owner: ContainerId, plans: Sequence[MountPlan], undo: AsyncExitStack
    ) -> list[MountPoint]:
        points = []
        for plan in plans:
            point = plan.point
            if point.type == "volume":
                volume = await self._volumes.ensure(
                    point.name or None,
                    driver=point.driver,
                    options=plan.options,
                    labels=plan.labels,
                    owner=owner,
                )
                if not point.name:
                    undo.push_async_callback(
                        shielded,
                        partial(self._volumes.remove, volume.name, force=True),
                        what="undo a volume",
                    )
                point = replace(
                    point, name=volume.name, driver=volume.driver, source=str(volume.mountpoint)
                )
            points.append(point)
        return points

    def _prepare(self, container: Container, home: Path) -> None:
        home.mkdir(parents=True, mode=0o710)
        self._rootfs.prepare(container.id, container.chain_id)

    async def _discard(self, identifier: ContainerId, home: Path) -> None:
        await self._rootfs.remove(identifier)
        await self._workers.run(shutil.rmtree, home, ignore_errors=True)

    async def _copy_up(self, container: Container) -> None:
        """Fill empty volumes with what the image has at their places."""
        async with self._rootfs.mounted(container.id) as root:
            await self._workers.run(self._copy_all, container, root)

    def _copy_all(self, container: Container, root: Path) -> None:
        for point in container.mounts:
            if point.type == "volume" and point.copy_up:
                source = resolve_beneath(root, point.destination)
                self._volume_store.copy_up(self._volume_store.get(point.name), source)


def _check_sources(plans: Sequence[MountPlan]) -> None:
    for plan in plans:
        if plan.must_exist and not Path(plan.point.source).exists():
            raise NoBindSource(plan.point.source)


def _discarded_ports(container: Container) -> list[str]:
    if container.host.NetworkMode == "host" and container.host.PortBindings:
        return ["Published ports are discarded when using host network mode"]
    return []
