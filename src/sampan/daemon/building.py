"""Wiring, part six: builds."""

import os
from dataclasses import dataclass

from sampan.builder.cache import BuildCache
from sampan.builder.cache_mounts import CacheMounts
from sampan.builder.parallelism import BoundedExecutor
from sampan.daemon.cache_collecting import CacheCollection, default_bound
from sampan.daemon.core import Core
from sampan.daemon.images import Images
from sampan.daemon.mechanisms import Mechanisms
from sampan.engine.build_cache_registry import RegistryCaches
from sampan.engine.build_cache_use import BuildCacheUse
from sampan.engine.build_caches import BuildCaches
from sampan.engine.build_executor import BuildExecutor
from sampan.engine.buildkit.exporting import ResultExporter
from sampan.engine.buildkit.frontend import DockerfileFrontend
from sampan.engine.buildkit.legacy import LegacyBuilds
from sampan.engine.buildkit.sessions import Sessions
from sampan.engine.buildkit.solves import Solves
from sampan.engine.buildkit.uploads import PostedUploads
from sampan.engine.builds import Builds
from sampan.engine.images.fetch_layers import LayerFetcher
from sampan.engine.images.pushed_blobs import PushedBlobs
from sampan.registry.client import Registries
from sampan.server.grpc.services import BuildServices
from sampan.server.routers.build import BuildRouter
from sampan.server.routers.buildkit import BuildKitRouter
from sampan.server.routes import Route
from sampan.store.oci_save import ImageSaver


@dataclass(frozen=True, slots=True)
class Building:
    """What other parts need of the builder."""

    cache: BuildCacheUse
    routes: list[Route]


async def make_builds(
    core: Core, parts: Mechanisms, images: Images, registries: Registries
) -> Building:
    """Also ends and removes what builds of an earlier daemon left."""
    storage, workers = core.storage, core.workers
    executor = BuildExecutor(
        networks=parts.network,
        runtimes=parts.runtimes,
        facts=parts.facts,
        programs=parts.programs,
        workers=workers,
        root=core.instance.exec_root / "build",
        cgroup_parent=core.instance.cgroup_parent,
        private_cgroupns=parts.layout.docker_version == "2",
    )
    cache_mounts = CacheMounts(core.instance.data_root / "cache-mounts", workers)
    cache = BuildCache(storage.documents("buildcache"), storage.images, workers)
    limit = core.config.builder.max_parallelism or 2 * (os.cpu_count() or 1)
    builds = Builds(
        images=storage.images,
        content=storage.content,
        snapshots=storage.snapshots,
        leases=storage.leases,
        cache=cache,
        puller=images.puller,
        executor=BoundedExecutor(executor, limit),
        cache_mounts=cache_mounts,
        tagger=images.tagger,
        caches=_caches(core, registries),
        unpacker=storage.unpacker,
        workers=workers,
        scratch=core.instance.temporary,
    )
    await executor.clean()
    await workers.run(builds.clean)
    await workers.run(cache_mounts.clean)
    use = _cache_use(core, cache, cache_mounts)
    return Building(use, _routes(builds, use, core, images))


def _routes(builds: Builds, use: BuildCacheUse, core: Core, images: Images) -> list[Route]:
    """Both faces of the builder."""
    storage, workers = core.storage, core.workers
    sessions, posted = Sessions(), PostedUploads()
    solves = Solves(
        frontend=DockerfileFrontend(
            builds=builds,
            sessions=sessions,
            posted=posted,
            images=storage.images,
            workers=workers,
        ),
        exporter=ResultExporter(
            tagger=images.tagger,
            pusher=images.pusher,
            builds=builds,
            sessions=sessions,
            saver=ImageSaver(storage.content),
            workers=workers,
        ),
    )
    services = BuildServices(solves=solves, cache=use)
    legacy = LegacyBuilds(solves=solves, posted=posted)
    return [
        *BuildRouter(builds=builds, buildkit=legacy, cache=use).routes(),
        *BuildKitRouter(services=services, sessions=sessions).routes(),
    ]


def _caches(core: Core, registries: Registries) -> BuildCaches:
    storage, workers = core.storage, core.workers
    fetcher = LayerFetcher(
        content=storage.content,
        snapshots=storage.snapshots,
        leases=storage.leases,
        workers=workers,
        limit=core.config.max_concurrent_downloads,
    )
    return BuildCaches(
        images=storage.images,
        content=storage.content,
        snapshots=storage.snapshots,
        leases=storage.leases,
        registries=RegistryCaches(
            registries=registries,
            fetcher=fetcher,
            pushed=PushedBlobs(storage.documents("pushed")),
            content=storage.content,
            workers=workers,
        ),
        workers=workers,
    )


def _cache_use(core: Core, cache: BuildCache, cache_mounts: CacheMounts) -> BuildCacheUse:
    """Begins to keep it within its bound, too."""
    storage, chosen = core.storage, core.config.builder
    use = BuildCacheUse(
        cache=cache,
        mounts=cache_mounts,
        images=storage.images,
        content=storage.content,
        snapshots=storage.snapshots,
        users=core.image_users,
        garbage=core.collector,
        events=core.events,
        workers=core.workers,
        root=core.instance.data_root,
    )
    if chosen.collects:
        bound = chosen.kept_bytes
        kept_bytes = default_bound(core.instance.data_root) if bound is None else bound
        collection = CacheCollection(use, kept_bytes=kept_bytes)
        core.background.spawn(collection.run(), what="build cache collection")
    return use
