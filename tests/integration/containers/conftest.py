"""The container use cases joined to the real mechanisms, without API and clients.

`world` is one engine of its own: bridge, nft table, roots. `World.reborn` is what a `kill -9` and a
new daemon are: the old engine's objects are dropped without a goodbye, a new one restores.
"""

import asyncio
import json
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable
from io import BytesIO
from pathlib import Path

import pytest

from integration.harness import busybox_rootfs
from sampan.engine.containers.attach_hub import AttachHub
from sampan.engine.containers.bundle import Bundles
from sampan.engine.containers.create import Creator
from sampan.engine.containers.eraser import Eraser
from sampan.engine.containers.etc_files import EtcFiles
from sampan.engine.containers.exits import Exits
from sampan.engine.containers.host_checks import RuntimeChecks
from sampan.engine.containers.image_mounts import ImageMounts
from sampan.engine.containers.inspect import Inspector
from sampan.engine.containers.listing import Lister
from sampan.engine.containers.live import Background, LiveContainers
from sampan.engine.containers.networking import Networking
from sampan.engine.containers.paths import ContainerPaths
from sampan.engine.containers.pause import Pauser
from sampan.engine.containers.registry import ContainerRegistry
from sampan.engine.containers.remove import Remover
from sampan.engine.containers.rename import Renamer
from sampan.engine.containers.resolve import Defaults
from sampan.engine.containers.restart_policy import Restarts
from sampan.engine.containers.restore import Restorer
from sampan.engine.containers.rootfs import RootFilesystems
from sampan.engine.containers.run_resources import RunResources
from sampan.engine.containers.seccomp_choice import SeccompChoice
from sampan.engine.containers.shm import SharedMemory
from sampan.engine.containers.start import Starter
from sampan.engine.containers.stop import Stopper
from sampan.engine.containers.task_files import TaskFiles
from sampan.engine.containers.update import Updater
from sampan.engine.containers.volume_mounts import VolumeMounts
from sampan.engine.containers.wait import Waiter
from sampan.engine.events import Event, EventLog
from sampan.engine.volumes import Volumes
from sampan.lib.workers import Workers
from sampan.linux.cgroups import CgroupLayout
from sampan.network.model import NetworkSettings
from sampan.network.service import NetworkService
from sampan.oci import image_config
from sampan.oci.digest import chain_ids
from sampan.oci.image_config import ImageRunConfig, ImageSpec, RootFS
from sampan.oci.platform import host_platform
from sampan.oci.reference import parse_reference
from sampan.runtime.facts import HostFacts
from sampan.runtime.runtimes import Runtimes
from sampan.runtime.seccomp import SeccompPrograms
from sampan.runtime.tasks import TaskService
from sampan.store.apply import extract
from sampan.store.content_local import LocalContentStore
from sampan.store.images import ImageStore
from sampan.store.leases import Leases
from sampan.store.metadata import Database, Documents
from sampan.store.snapshotter_overlay import OverlaySnapshotter
from sampan.volumes.store import VolumeStore
from sampan.wire.containers import CreateRequest, HostSettings


class NoProbes:
    def watch(self, container: object) -> None: ...

    def stop(self, container_id: object) -> None: ...


class World:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.successor: World | None = None
        self.dead = False
        self.name = f"e{os.getpid() % 100000}"
        for folder in ("data", "exec"):
            (home / folder).mkdir(exist_ok=True)
        self.paths = ContainerPaths(home / "data", home / "exec", f"/sampan-{self.name}")

    async def open(self) -> None:
        workers = self.workers = Workers()
        self.database = Database(self.home / "data" / "sampan.db")
        self.content = LocalContentStore(self.home / "data" / "content")
        self.snapshots = OverlaySnapshotter(self.home / "data" / "snapshots", self.database)
        self.images = ImageStore(self.database, self.content)
        self.events = EventLog()
        self.registry = ContainerRegistry(
            documents=Documents(self.database, "container"), workers=workers
        )
        await self.registry.load()
        self.live, self.hub, self.background = LiveContainers(), AttachHub(), Background()
        self.network = NetworkService(
            documents=Documents(self.database, "network"),
            settings=NetworkSettings(
                netns_root=self.home / "exec" / "netns",
                bridge_name=f"{self.name}br",
                table_name=f"{self.name}t",
                veth_prefix=f"{self.name}v",
                bip="172.31.231.1/24",
            ),
        )
        await self.network.start()
        self.tasks = TaskService(self.home / "exec", workers=workers)
        await self.tasks.start()
        self._join(workers)

    def _join(self, workers: Workers) -> None:
        registry, events, paths = self.registry, self.events, self.paths
        layout = CgroupLayout.detect()
        facts = HostFacts.detect(layout.docker_version)
        runtimes = Runtimes({})
        self.volume_store = VolumeStore(
            documents=Documents(self.database, "volume"), root=self.home / "data" / "volumes"
        )
        self.volumes = Volumes(
            store=self.volume_store, users=registry, events=events, workers=workers
        )
        self.rootfs = RootFilesystems(snapshots=self.snapshots, paths=paths, workers=workers)
        networking = Networking(service=self.network, registry=registry, events=events)
        task_files = TaskFiles(paths=paths, runtimes=runtimes)
        shm = SharedMemory(paths=paths, workers=workers)
        image_mounts = ImageMounts(
            images=self.images,
            snapshots=self.snapshots,
            leases=Leases(),
            paths=paths,
            workers=workers,
        )
        resources = RunResources(
            rootfs=self.rootfs,
            images=image_mounts,
            volumes=VolumeMounts(
                store=self.volume_store, registry=registry, events=events, workers=workers
            ),
            networking=networking,
            shm=shm,
            tasks=self.tasks,
            task_files=task_files,
        )
        eraser = Eraser(
            registry=registry,
            live=self.live,
            hub=self.hub,
            rootfs=self.rootfs,
            volumes=self.volume_store,
            paths=paths,
            events=events,
            workers=workers,
        )
        restarts = Restarts()
        exits = Exits(
            registry=registry,
            live=self.live,
            resources=resources,
            restarts=restarts,
            eraser=eraser,
            probes=NoProbes(),
            events=events,
        )
        self.starter = Starter(
            registry=registry,
            live=self.live,
            hub=self.hub,
            resources=resources,
            bundles=Bundles(
                registry=registry,
                networking=networking,
                files=EtcFiles(paths=paths),
                paths=paths,
                facts=facts,
                seccomp=SeccompChoice(facts=facts, programs=SeccompPrograms()),
                workers=workers,
                init_path="/usr/bin/tini-static",
            ),
            exits=exits,
            eraser=eraser,
            restarts=restarts,
            probes=NoProbes(),
            events=events,
            background=self.background,
        )
        self.creator = Creator(
            registry=registry,
            images=self.images,
            rootfs=self.rootfs,
            image_mounts=image_mounts,
            volumes=self.volumes,
            volume_store=self.volume_store,
            networking=networking,
            checks=RuntimeChecks(facts=facts, runtimes=runtimes),
            defaults=Defaults(runtime=runtimes.default),
            paths=paths,
            events=events,
            workers=workers,
            hostname=socket.gethostname(),
        )
        self.stopper = Stopper(
            registry=registry,
            live=self.live,
            restarts=restarts,
            starter=self.starter,
            events=events,
        )
        self.remover = Remover(
            registry=registry,
            stopper=self.stopper,
            restarts=restarts,
            eraser=eraser,
            rootfs=self.rootfs,
            events=events,
            workers=workers,
        )
        self.pauser = Pauser(registry=registry, live=self.live, events=events)
        self.waiter = Waiter(registry=registry, live=self.live)
        self.renamer = Renamer(registry=registry, networking=networking, events=events)
        self.updater = Updater(
            registry=registry,
            layout=layout,
            facts=facts,
            paths=paths,
            events=events,
            workers=workers,
        )
        self.inspector = Inspector(
            registry=registry,
            rootfs=self.rootfs,
            images=self.images,
            paths=paths,
            workers=workers,
            exec_ids=lambda _: [],
        )
        self.lister = Lister(
            registry=registry,
            images=self.images,
            workers=workers,
            sizes=self.inspector.sizes,
        )
        self.restorer = Restorer(
            registry=registry,
            tasks=self.tasks,
            task_files=task_files,
            exits=exits,
            eraser=eraser,
            starter=self.starter,
            networking=networking,
            rootfs=self.rootfs,
            shm=shm,
            images=image_mounts,
            volumes=self.volume_store,
            paths=paths,
            background=self.background,
            workers=workers,
        )

    def add_busybox(self) -> None:
        stage = self.snapshots.stage()
        done = extract(BytesIO(busybox_rootfs()), stage.path)
        (chain,) = chain_ids([done.diff_id])
        self.snapshots.commit_stage(stage, chain, None)
        spec = ImageSpec(
            os="linux",
            architecture=host_platform().architecture,
            config=ImageRunConfig(Cmd=["sh"]),
            rootfs=RootFS(diff_ids=(done.diff_id,)),
        )
        image = self.images.add(image_config.encode(spec), [], size_bytes=done.size_bytes)
        self.images.tag(parse_reference("busybox:latest"), image.id)

    # --- short forms ------------------------------------------------------------------------------

    async def create(self, *argv: str, name: str | None = None, **host: object) -> str:
        config = host.pop("config", {})
        request = CreateRequest(
            Image="busybox", Cmd=list(argv), HostConfig=HostSettings(**host), **config
        )
        return (await self.creator.create(request, name=name)).id

    async def run(self, *argv: str, name: str | None = None, **host: object) -> str:
        identifier = await self.create(*argv, name=name, **host)
        await self.starter.start(identifier)
        return identifier

    async def ended(self, identifier: str) -> int:
        return (await self.waiter.register(identifier).result()).exit_code

    def log(self, identifier: str) -> str:
        path = self.paths.log(identifier)
        lines = path.read_text().splitlines() if path.exists() else []
        return "".join(json.loads(line)["log"] for line in lines)

    def story(self, identifier: str) -> list[str]:
        return [event.action for event in self.events_of(identifier)]

    def events_of(self, identifier: str) -> list[Event]:
        return [one for one in self.events.history(0) if one.actor_id == identifier]

    async def reborn(self) -> "World":
        """As after `kill -9` of the daemon (unless it's dead already), and its next start."""
        if not self.dead:
            await self.die()
        world = self.successor = World(self.home)
        await world.open()
        await world.restorer.restore()
        return world

    async def die(self) -> None:
        self.dead = True
        for task in self.background._tasks:
            task.cancel()
        for entry in self.live._entries.values():
            if entry.task is not None:
                await entry.task.detach()
        await self.tasks.close()
        await self.network.close()
        self.database.close()

    async def close(self) -> None:
        for container in self.registry.list():
            await self.remover.remove(container.id, force=True, volumes=True)
        await self.background.aclose()
        await self.tasks.close()
        await self.network.close(remove=True)
        self.database.close()
        CgroupLayout.detect().remove(self.paths.cgroup_parent)


Scenario = Callable[[World], Awaitable[None]]


@pytest.fixture
def play() -> Callable[[Scenario], None]:
    """Run a scenario in a world that is taken down afterwards, with those reborn from it."""

    def run(scenario: Scenario) -> None:
        with tempfile.TemporaryDirectory(prefix="sampan-test-") as folder:
            asyncio.run(_play(Path(folder), scenario))

    return run


async def _play(home: Path, scenario: Scenario) -> None:
    world = World(home)
    await world.open()
    try:
        world.add_busybox()
        await world.restorer.restore()
        await scenario(world)
    finally:
        while world.successor is not None:
            world = world.successor
        if world.dead:
            world = await world.reborn()
        await world.close()
