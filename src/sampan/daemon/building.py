"""Wiring, part six: builds."""

from sampan.builder.cache import BuildCache
from sampan.daemon.core import Core
from sampan.daemon.images import Images
from sampan.daemon.mechanisms import Mechanisms
from sampan.engine.build_executor import BuildExecutor
from sampan.engine.buildkit.exporting import ResultExporter
from sampan.engine.buildkit.frontend import DockerfileFrontend
from sampan.engine.buildkit.legacy import LegacyBuilds
from sampan.engine.buildkit.sessions import Sessions
from sampan.engine.buildkit.solves import Solves
from sampan.engine.builds import Builds
from sampan.server.grpc.services import BuildServices
from sampan.server.routers.build import BuildRouter
from sampan.server.routers.buildkit import BuildKitRouter
from sampan.server.routes import Route
from sampan.store.oci_save import ImageSaver


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
    sessions = Sessions()
    solves = Solves(
        frontend=DockerfileFrontend(
            builds=builds, sessions=sessions, images=storage.images, workers=workers
        ),
        exporter=ResultExporter(
            tagger=images.tagger,
            builds=builds,
            sessions=sessions,
            saver=ImageSaver(storage.content),
            workers=workers,
        ),
    )
    services = BuildServices(solves=solves, cache=builds)
    return [
        *BuildRouter(builds=builds, buildkit=LegacyBuilds(solves=solves)).routes(),
        *BuildKitRouter(services=services, sessions=sessions).routes(),
    ]
