"""Wiring, part five: containers from create to remove, execs, and the routes of both."""

import socket
from dataclasses import dataclass

from sampan.daemon.core import Core
from sampan.daemon.mechanisms import Mechanisms
from sampan.engine.containers.archive import Archives
from sampan.engine.containers.attach import Attacher
from sampan.engine.containers.attach_hub import AttachHub
from sampan.engine.containers.bundle import Bundles
from sampan.engine.containers.changes import Changes, ImageFromContainer
from sampan.engine.containers.connect import Connections
from sampan.engine.containers.create import Creator
from sampan.engine.containers.eraser import Eraser
from sampan.engine.containers.etc_files import EtcFiles
from sampan.engine.containers.execs import Execs
from sampan.engine.containers.exits import Exits
from sampan.engine.containers.health import HealthChecks
from sampan.engine.containers.host_checks import RuntimeChecks
from sampan.engine.containers.image_mounts import ImageMounts
from sampan.engine.containers.inspect import Inspector
from sampan.engine.containers.listing import Lister
from sampan.engine.containers.logs import LogReading
from sampan.engine.containers.networking import Networking
from sampan.engine.containers.pause import Pauser
from sampan.engine.containers.remove import Remover
from sampan.engine.containers.rename import Renamer
from sampan.engine.containers.resolve import Defaults
from sampan.engine.containers.restart_policy import Restarts
from sampan.engine.containers.restore import Restorer
from sampan.engine.containers.rootfs import RootFilesystems
from sampan.engine.containers.rootview import RootViews
from sampan.engine.containers.run_resources import RunResources
from sampan.engine.containers.seccomp_choice import SeccompChoice
from sampan.engine.containers.shm import SharedMemory
from sampan.engine.containers.start import Starter
from sampan.engine.containers.stats import Stats
from sampan.engine.containers.stop import Stopper
from sampan.engine.containers.task_files import TaskFiles
from sampan.engine.containers.top import Top
from sampan.engine.containers.update import Updater
from sampan.engine.containers.volume_mounts import VolumeMounts
from sampan.engine.containers.wait import Waiter
from sampan.logs.journal import Journal
from sampan.runtime.spec_builder import defaults as runtime_defaults
from sampan.server.routers.container_files import ContainerFilesRouter
from sampan.server.routers.container_io import ContainerIoRouter
from sampan.server.routers.exec import ExecRouter
from sampan.server.routers.inspection import InspectionRouter
from sampan.server.routers.lifecycle import LifecycleRouter
from sampan.server.routes import Route


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The use cases that run a container from outside the API: for the swarm's tasks."""

    creator: Creator
    starter: Starter
    stopper: Stopper
    remover: Remover
    logs: LogReading


@dataclass(frozen=True, slots=True)
class Containers:
    """What other parts need of the containers."""

    lister: Lister
    restorer: Restorer
    connections: Connections
    lifecycle: Lifecycle
    routes: list[Route]


def container_defaults(core: Core, parts: Mechanisms) -> Defaults:
    found = runtime_defaults()
    return Defaults(
        runtime=parts.runtimes.default,
        log_driver=core.config.log_driver,
        log_options=core.config.log_opts,
        cgroupns_mode="private" if parts.layout.docker_version == "2" else "host",
        masked_paths=tuple(found["masked_paths"]),
        readonly_paths=tuple(found["readonly_paths"]),
    )


class _Graph:
    """The use cases in the order in which they need each other; thrown away after wiring."""

    def __init__(self, core: Core, parts: Mechanisms, committer: ImageFromContainer) -> None:
        self.core = core
        self.parts = parts
        self.committer = committer
        self.hub = AttachHub()
        self.restarts = Restarts()
        self.rootfs = RootFilesystems(
            snapshots=core.storage.snapshots, paths=core.paths, workers=core.workers
        )
        self.image_mounts = ImageMounts(
            images=core.storage.images,
            snapshots=core.storage.snapshots,
            leases=core.storage.leases,
            paths=core.paths,
            workers=core.workers,
        )
        self.shm = SharedMemory(paths=core.paths, workers=core.workers)
        self.networking = Networking(
            service=parts.network, registry=core.containers, events=core.events
        )
        self.task_files = TaskFiles(paths=core.paths, runtimes=parts.runtimes)
        self.execs = Execs(
            registry=core.containers,
            live=core.live,
            background=core.background,
            paths=core.paths,
            facts=parts.facts,
            events=core.events,
            workers=core.workers,
        )
        self.health = HealthChecks(
            registry=core.containers,
            execs=self.execs,
            events=core.events,
            background=core.background,
        )
        self._make_runs()
        self._make_views()

    def _make_runs(self) -> None:
        """Start, end and restart of processes."""
        core, parts = self.core, self.parts
        self.resources = RunResources(
            rootfs=self.rootfs,
            images=self.image_mounts,
            volumes=VolumeMounts(
                store=parts.volume_store,
                registry=core.containers,
                events=core.events,
                workers=core.workers,
            ),
            networking=self.networking,
            shm=self.shm,
            tasks=parts.tasks,
            task_files=self.task_files,
        )
        self.eraser = Eraser(
            registry=core.containers,
            live=core.live,
            hub=self.hub,
            rootfs=self.rootfs,
            volumes=parts.volume_store,
            paths=core.paths,
            events=core.events,
            workers=core.workers,
        )
        self.exits = Exits(
            registry=core.containers,
            live=core.live,
            resources=self.resources,
            restarts=self.restarts,
            eraser=self.eraser,
            probes=self.health,
            events=core.events,
        )
        self.starter = Starter(
            registry=core.containers,
            live=core.live,
            hub=self.hub,
            resources=self.resources,
            bundles=self.bundles(),
            exits=self.exits,
            eraser=self.eraser,
            restarts=self.restarts,
            probes=self.health,
            events=core.events,
            background=core.background,
        )
        self.stopper = Stopper(
            registry=core.containers,
            live=core.live,
            restarts=self.restarts,
            starter=self.starter,
            events=core.events,
        )
        self.health.reactions = self.stopper

    def _make_views(self) -> None:
        core = self.core
        self.inspector = Inspector(
            registry=core.containers,
            rootfs=self.rootfs,
            images=core.storage.images,
            paths=core.paths,
            workers=core.workers,
            exec_ids=self.execs.ids_of,
            apparmor_supported=self.parts.facts.apparmor,
        )
        self.lister = Lister(
            registry=core.containers,
            images=core.storage.images,
            workers=core.workers,
            sizes=self.inspector.sizes,
        )

    def bundles(self) -> Bundles:
        core, parts = self.core, self.parts
        return Bundles(
            registry=core.containers,
            networking=self.networking,
            files=EtcFiles(paths=core.paths),
            paths=core.paths,
            facts=parts.facts,
            seccomp=SeccompChoice(facts=parts.facts, programs=parts.programs),
            workers=core.workers,
            init_path=parts.init_path,
        )

    def restorer(self) -> Restorer:
        core = self.core
        return Restorer(
            registry=core.containers,
            tasks=self.parts.tasks,
            task_files=self.task_files,
            exits=self.exits,
            eraser=self.eraser,
            starter=self.starter,
            networking=self.networking,
            rootfs=self.rootfs,
            shm=self.shm,
            images=self.image_mounts,
            volumes=self.parts.volume_store,
            paths=core.paths,
            background=core.background,
            workers=core.workers,
        )

    def creator(self) -> Creator:
        core, parts = self.core, self.parts
        return Creator(
            registry=core.containers,
            images=core.storage.images,
            rootfs=self.rootfs,
            image_mounts=self.image_mounts,
            volumes=parts.volumes,
            volume_store=parts.volume_store,
            networking=self.networking,
            checks=RuntimeChecks(facts=parts.facts, runtimes=parts.runtimes),
            defaults=container_defaults(core, parts),
            paths=core.paths,
            events=core.events,
            workers=core.workers,
            hostname=socket.gethostname(),
        )

    def remover(self) -> Remover:
        core = self.core
        return Remover(
            registry=core.containers,
            stopper=self.stopper,
            restarts=self.restarts,
            eraser=self.eraser,
            rootfs=self.rootfs,
            events=core.events,
            workers=core.workers,
        )

    def logs(self) -> LogReading:
        core = self.core
        return LogReading(
            registry=core.containers, live=core.live, journal=Journal(), workers=core.workers
        )

    def use_cases(self) -> Lifecycle:
        return Lifecycle(self.creator(), self.starter, self.stopper, self.remover(), self.logs())

    # --- routers ----------------------------------------------------------------------------

    def lifecycle(self) -> LifecycleRouter:
        core = self.core
        updater = Updater(
            registry=core.containers,
            layout=self.parts.layout,
            facts=self.parts.facts,
            paths=core.paths,
            events=core.events,
            workers=core.workers,
        )
        return LifecycleRouter(
            creator=self.creator(),
            starter=self.starter,
            stopper=self.stopper,
            pauser=Pauser(registry=core.containers, live=core.live, events=core.events),
            remover=self.remover(),
            waiter=Waiter(registry=core.containers, live=core.live),
            renamer=Renamer(
                registry=core.containers, networking=self.networking, events=core.events
            ),
            updater=updater,
        )

    def inspection(self) -> InspectionRouter:
        core, layout = self.core, self.parts.layout
        return InspectionRouter(
            lister=self.lister,
            inspector=self.inspector,
            top=Top(
                registry=core.containers,
                live=core.live,
                layout=layout,
                events=core.events,
                workers=core.workers,
            ),
            stats=Stats(
                registry=core.containers, live=core.live, layout=layout, workers=core.workers
            ),
        )

    def io(self) -> ContainerIoRouter:
        core = self.core
        logs = self.logs()
        attacher = Attacher(
            registry=core.containers,
            live=core.live,
            hub=self.hub,
            logs=logs,
            events=core.events,
        )
        return ContainerIoRouter(attacher=attacher, logs=logs)

    def files(self) -> ContainerFilesRouter:
        core = self.core
        return ContainerFilesRouter(
            archives=Archives(
                registry=core.containers,
                views=RootViews(rootfs=self.rootfs, workers=core.workers),
                events=core.events,
                workers=core.workers,
            ),
            changes=Changes(
                registry=core.containers,
                rootfs=self.rootfs,
                live=core.live,
                images=self.committer,
                events=core.events,
                workers=core.workers,
            ),
        )


def make_containers(core: Core, parts: Mechanisms, committer: ImageFromContainer) -> Containers:
    graph = _Graph(core, parts, committer)
    connections = Connections(
        registry=core.containers,
        service=parts.network,
        networking=graph.networking,
        files=EtcFiles(paths=core.paths),
        workers=core.workers,
    )
    routes = [
        *graph.lifecycle().routes(),
        *graph.inspection().routes(),
        *graph.io().routes(),
        *graph.files().routes(),
        *ExecRouter(execs=graph.execs).routes(),
    ]
    return Containers(graph.lister, graph.restorer(), connections, graph.use_cases(), routes)
