"""GET /images/{name}/json and /history: one image in full, and how it came about."""

from sampan.engine.images.layers import chains_of, layer_size
from sampan.errors import NotFound
from sampan.lib import gotime
from sampan.lib.workers import Workers
from sampan.oci.descriptor import Platform
from sampan.oci.digest import ChainId
from sampan.oci.image_config import ImageRunConfig
from sampan.oci.platform import normalise
from sampan.store.images import Image, ImageStore, NoSuchImage
from sampan.store.snapshots import Snapshotter
from sampan.wire.containers import ContainerConfig, HealthConfig
from sampan.wire.images import (
    DriverData,
    HistoryItem,
    ImageInspect,
    ImageMetadata,
    LayersView,
)

DRIVER = "overlay2"  # clients test for Docker's name of it
MISSING = "<missing>"


class PlatformMismatch(NotFound):
    def __init__(self, *, name: str, wanted: Platform, actual: Platform) -> None:
        super().__init__(
            f"image with reference {name} was found but does not provide the specified platform "
            f"({wanted}): it is {actual}"
        )


class ImageInspector:
    def __init__(self, *, images: ImageStore, snapshots: Snapshotter, workers: Workers) -> None:
        self._images = images
        self._snapshots = snapshots
        self._workers = workers

    async def inspect(self, name: str, *, platform: Platform | None = None) -> ImageInspect:
        """Raises NoSuchImage, PlatformMismatch."""
        return await self._workers.run(self._inspect, name, platform)

    async def history(self, name: str, *, platform: Platform | None = None) -> list[HistoryItem]:
        """Newest step first. Raises NoSuchImage, PlatformMismatch."""
        return await self._workers.run(self._history, name, platform)

    async def require(self, name: str, platform: Platform) -> None:
        """That the image is for this platform. Raises NoSuchImage, PlatformMismatch."""
        await self._workers.run(self._find, name, platform)

    def _find(self, name: str, platform: Platform | None) -> Image:
        image = self._images.resolve(name)
        if platform is not None and normalise(image.spec.platform) != normalise(platform):
            raise PlatformMismatch(name=name, wanted=platform, actual=image.spec.platform)
        return image

    def _inspect(self, name: str, platform: Platform | None) -> ImageInspect:
        image = self._find(name, platform)
        spec = image.spec
        return ImageInspect(
            Id=image.id,
            RepoTags=[reference.familiar for reference in self._images.references(image.id)],
            RepoDigests=self._images.digests(image.id),
            Parent=image.parent or "",
            Comment=_comment(image),
            Created=gotime.format_ns(image.created_ns),
            Container=spec.container,
            ContainerConfig=spec.container_config,
            DockerVersion=spec.docker_version,
            Author=spec.author,
            Config=container_config(spec.config),
            Architecture=spec.architecture,
            Variant=spec.variant,
            Os=spec.os or "linux",
            OsVersion=spec.os_version,
            Size=image.size_bytes,
            GraphDriver=DriverData(Data=self._driver_data(image.chain_id), Name=DRIVER),
            RootFS=LayersView(Layers=[str(diff_id) for diff_id in spec.rootfs.diff_ids]),
            Metadata=ImageMetadata(LastTagTime=gotime.format_ns(image.tagged_ns)),
        )

    def _driver_data(self, chain_id: ChainId | None) -> dict[str, str]:
        if chain_id is None or not self._snapshots.exists(chain_id):
            return {}
        upper = self._snapshots.upper(chain_id)
        data = {
            "MergedDir": str(upper.parent / "merged"),
            "UpperDir": str(upper),
            "WorkDir": str(upper.parent / "work"),
        }
        if lowers := self._snapshots.lowers(chain_id):
            data["LowerDir"] = ":".join(str(path) for path in lowers)
        return data

    def _history(self, name: str, platform: Platform | None) -> list[HistoryItem]:
        image = self._find(name, platform)
        chains = iter(chains_of(image.spec))
        steps: list[HistoryItem] = []
        for entry in image.spec.history:
            chain = None if entry.empty_layer else next(chains, None)
            steps.append(
                HistoryItem(
                    Comment=entry.comment,
                    Created=_seconds(entry.created),
                    CreatedBy=entry.created_by,
                    Id=MISSING,
                    Size=layer_size(self._snapshots, chain) if chain else 0,
                )
            )
        return self._identified(image, steps[::-1])

    def _identified(self, image: Image, steps: list[HistoryItem]) -> list[HistoryItem]:
        """Put ids and tags to the steps whose images are here: the image and its parents."""
        found: list[HistoryItem] = []
        current: Image | None = image
        for step in steps:
            if current is None:
                found.append(step)
                continue
            tags = [reference.familiar for reference in self._images.references(current.id)]
            found.append(
                HistoryItem(
                    Comment=step.Comment,
                    Created=step.Created,
                    CreatedBy=step.CreatedBy,
                    Id=current.id,
                    Size=step.Size,
                    Tags=tags or None,
                )
            )
            current = self._parent(current)
        return found

    def _parent(self, image: Image) -> Image | None:
        if image.parent is None:
            return None
        try:
            return self._images.get(image.parent)
        except NoSuchImage:
            return None


def container_config(config: ImageRunConfig) -> ContainerConfig:
    """An image's config as the API shows it: with all members of a container's."""
    health = config.Healthcheck
    return ContainerConfig(
        User=config.User,
        ExposedPorts=config.ExposedPorts,
        Env=config.Env,
        Cmd=config.Cmd,
        Healthcheck=None
        if health is None
        else HealthConfig(
            Test=health.Test,
            Interval=health.Interval,
            Timeout=health.Timeout,
            StartPeriod=health.StartPeriod,
            StartInterval=health.StartInterval,
            Retries=health.Retries,
        ),
        ArgsEscaped=config.ArgsEscaped,
        Volumes=config.Volumes,
        WorkingDir=config.WorkingDir,
        Entrypoint=config.Entrypoint,
        OnBuild=config.OnBuild,
        Labels=config.Labels,
        StopSignal=config.StopSignal,
        Shell=config.Shell,
    )


def _comment(image: Image) -> str:
    """The image's own, else that of its last step (import and commit write it there)."""
    if image.spec.comment or not image.spec.history:
        return image.spec.comment
    return image.spec.history[-1].comment


def _seconds(created: str | None) -> int:
    try:
        return gotime.parse_ns(created or "") // gotime.NANOS
    except ValueError:
        return 0
