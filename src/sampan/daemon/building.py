"""Wiring, part six: builds."""

from sampan.builder.cache import BuildCache
from sampan.daemon.core import Core
from sampan.daemon.images import Images
from sampan.daemon.mechanisms import Mechanisms
from sampan.engine.build_executor import BuildExecutor
from sampan.engine.builds import Builds
from sampan.server.routers.build import BuildRouter
from sampan.server.routes import Route


async def make_builds(core: Core, parts: Mechanisms, images: Images) -> list[Route]:
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
    builds = Builds(
        images=storage.images,
        content=storage.content,
        snapshots=storage.snapshots,
        leases=storage.leases,
        cache=BuildCache(storage.documents("buildcache"), storage.images, workers),
        puller=images.puller,
        executor=executor,
        tagger=images.tagger,
        workers=workers,
        scratch=core.instance.temporary,
    )
    await executor.clean()
    await workers.run(builds.clean)
    return BuildRouter(builds=builds).routes()
