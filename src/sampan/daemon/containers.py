"""Wiring, part four: containers from create to remove, execs, and the routes of both."""

import socket
from dataclasses import dataclass

from sampan.daemon.adapters import RequestChecks
from sampan.daemon.core import Core
from sampan.engine.containers.archive import Archives
from sampan.engine.containers.attach import Attacher
from sampan.engine.containers.attach_hub import AttachHub
from sampan.engine.containers.bundle import Bundles
from sampan.engine.containers.changes import Changes, ImageFromContainer
from sampan.engine.containers.connect import Connections
from sampan.engine.containers.create import Creator
from sampan.engine.containers.eraser import Eraser
from sampan.engine.containers.execs import Execs
from sampan.engine.containers.exits import Exits
from sampan.engine.containers.health import HealthChecks
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
from sampan.engine.containers.shm import SharedMemory
from sampan.engine.containers.start import Starter
from sampan.engine.containers.stats import Stats
from sampan.engine.containers.stop import Stopper
from sampan.engine.containers.task_files import TaskFiles
from sampan.engine.containers.top import Top
from sampan.engine.containers.update import Updater
from sampan.engine.containers.volume_mounts import VolumeMounts
from sampan.engine.containers.wait import Waiter
from sampan.engine.volumes import Volumes
from sampan.linux.cgroups import CgroupLayout
from sampan.network.service import NetworkService
from sampan.runtime.facts import HostFacts
from sampan.runtime.runtimes import Runtimes
from sampan.runtime.spec_builder import defaults as runtime_defaults
from sampan.runtime.tasks import TaskService
from sampan.server.routers.container_files import ContainerFilesRouter
from sampan.server.routers.container_io import ContainerIoRouter
from sampan.server.routers.exec import ExecRouter
from sampan.server.routers.inspection import InspectionRouter
from sampan.server.routers.lifecycle import LifecycleRouter
from sampan.server.routes import Route
from sampan.volumes.store import VolumeStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanisms:
    """What containers are made with; started and stopped by `wiring.Daemon`."""

    tasks: TaskService
    layout: CgroupLayout
    facts: HostFacts
    runtimes: Runtimes
    network: NetworkService
    volume_store: VolumeStore
    volumes: Volumes
    committer: ImageFromContainer


@dataclass(frozen=True, slots=True)
class Containers:
    """What other parts need of the containers."""

    lister: Lister
    restorer: Restorer
    connections: Connections
    rootfs: RootFilesystems
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
