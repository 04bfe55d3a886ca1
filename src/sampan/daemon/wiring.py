"""The only place that joins everything: builds the engine's graph, starts and stops its parts.

Parts start in the order in which they need each other and stop in reverse; each pushes its own
stop right after its start. `Daemon` is entered once per process. The graph itself is written
down by subject beside this file: storage, core, mechanisms, images, containers, building.
"""

import json
import logging
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from sampan.daemon import tls
from sampan.daemon.adapters import Tallies
from sampan.daemon.building import Building, make_builds
from sampan.daemon.claims import engine_id
from sampan.daemon.collecting import CollectionLoop
from sampan.daemon.config import Config
from sampan.daemon.containers import Containers, make_containers
from sampan.daemon.core import make_core
from sampan.daemon.images import Images, make_images, registry_settings
from sampan.daemon.instance import Instance
from sampan.daemon.mechanisms import start_mechanisms
from sampan.daemon.storage import open_storage
from sampan.daemon.swarm_networks import AllNetworks
from sampan.daemon.swarming import Swarming
from sampan.engine.containers.usage import ContainerUsage
from sampan.engine.disk_usage import DiskUsages
from sampan.engine.info import EngineFacts, SystemInfo, backing_filesystem, host_facts
from sampan.engine.networks import Networks
from sampan.engine.volumes import Volumes
from sampan.lib import provenance
from sampan.lib.workers import Workers
from sampan.logs import drivers as log_drivers
from sampan.registry.client import Registries
from sampan.registry.login import Logins
from sampan.runtime.runtimes import version
from sampan.server.app import ApiServer
from sampan.server.routers.events import EventsRouter
from sampan.server.routers.networks import NetworksRouter
from sampan.server.routers.plugins import PluginsRouter
from sampan.server.routers.services import ServicesRouter
from sampan.server.routers.swarm import SwarmRouter
from sampan.server.routers.swarm_files import SwarmFilesRouter
from sampan.server.routers.system import SystemRouter
from sampan.server.routers.unbuilt import unbuilt
from sampan.server.routers.volumes import VolumesRouter
from sampan.server.routes import Route

log = logging.getLogger(__name__)


class Daemon:
    """The engine of one instance and its API server (`server`, not yet listening)."""

    server: ApiServer

    def __init__(self, config: Config, instance: Instance) -> None:
        self._config = config
        self._instance = instance
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def _start(self, stack: AsyncExitStack) -> None:
        config, workers = self._config, Workers()
        storage = await workers.run(open_storage, self._instance)
        stack.push_async_callback(workers.run, storage.database.close)
        core = await make_core(config, self._instance, storage, workers)
        registries = Registries(registry_settings(config, dict(os.environ)))
        stack.push_async_callback(registries.close)
        parts = await start_mechanisms(core, stack)
        stack.push_async_callback(core.background.aclose)

        images = make_images(core, registries)
        containers = make_containers(core, parts, images.committer)
        await containers.restorer.restore()
        await parts.network.finish_restore()
        builds = await make_builds(core, parts, images, registries)
        self._core, self._parts, self._registries = core, parts, registries
        swarming = Swarming(core, parts, images, containers)
        self._swarm = swarming.face
        self._system = SystemInfo(
            facts=await workers.run(self._facts),
            host=host_facts(),
            tally=Tallies(core.containers, storage.images),
            swarm=self._swarm.standing,
        )
        routes = [
            *self._system_routes(containers, images, builds, registries),
            *containers.routes,
            *images.routes,
            *builds.routes,
        ]
        collecting = CollectionLoop(core.collector, workers)
        core.background.spawn(collecting.run(), what="garbage collection")
        self.server = ApiServer([*routes, *unbuilt(routes)])
        stack.push_async_callback(self.server.close)
        stack.callback(core.events.close)
        await swarming.start(stack, self._system)

    def _system_routes(
        self, containers: Containers, images: Images, builds: Building, registries: Registries
    ) -> list[Route]:
        core, parts, storage = self._core, self._parts, self._core.storage
        usage = DiskUsages(
            containers=containers.lister,
            listing=images.listing,
            volumes=parts.volumes,
            cache=builds.cache,
            images=storage.images,
            content=storage.content,
            snapshots=storage.snapshots,
            workers=core.workers,
        )
        networks = Networks(
            service=parts.network,
            containers=ContainerUsage(core.containers),
            events=core.events,
        )
        system = SystemRouter(
            system=self._system, usage=usage, logins=Logins(registries=registries)
        )
        return [
            *system.routes(),
            *EventsRouter(events=core.events).routes(),
            *VolumesRouter(volumes=parts.volumes).routes(),
            *NetworksRouter(
                networks=AllNetworks(networks, self._swarm), connector=containers.connections
            ).routes(),
            *SwarmRouter(swarm=self._swarm).routes(),
            *ServicesRouter(swarm=self._swarm).routes(),
            *SwarmFilesRouter(swarm=self._swarm).routes(),
            *PluginsRouter().routes(),
        ]

    def _facts(self) -> EngineFacts:
        config, instance, runtimes = self._config, self._instance, self._parts.runtimes
        known = runtimes.list()
        default = known[runtimes.default]
        return EngineFacts(
            engine_id=engine_id(instance.identity),
            data_root=instance.data_root,
            cgroup_version=self._parts.layout.docker_version,
            backing_filesystem=backing_filesystem(
                Path("/proc/self/mountinfo").read_text(), instance.data_root
            ),
            debug=config.debug,
            apparmor=self._parts.facts.apparmor,
            logging_driver=config.log_driver,
            log_drivers=tuple(sorted(log_drivers.DRIVERS)),
            volume_drivers=tuple(Volumes.drivers()),
            runtimes={name: (one.path, tuple(one.args)) for name, one in known.items()},
            default_runtime=default.name,
            component_versions={default.name: version(default.path)},
            commit=provenance.commit(),
            built=provenance.built(),
            init_binary=Path(self._parts.init_path).name,
            labels=config.labels,
            insecure_registries=config.insecure_registries,
            registry_mirrors=config.registry_mirrors,
            address_pools=config.default_address_pools,
            warnings=(*filter(None, [runtimes.note]), *tls.warnings(config)),
        )

    def reload(self, config: Config) -> None:
        """Take over what may change at run time (SIGHUP)."""
        self._config = replace(
            self._config,
            debug=config.debug,
            log_level=config.log_level,
            labels=config.labels,
            insecure_registries=config.insecure_registries,
            registry_mirrors=config.registry_mirrors,
            registries=config.registries,
            default_registry=config.default_registry,
        )
        self._registries.reconfigure(registry_settings(self._config, dict(os.environ)))
        facts = self._facts()
        self._system.reload(facts)
        attributes = {
            "name": self._system.info().Name,
            "debug": str(config.debug).lower(),
            "labels": _listed(config.labels),
            "insecure-registries": _listed(config.insecure_registries),
            "registry-mirrors": _listed(config.registry_mirrors),
        }
        self._core.events.publish("daemon", "reload", facts.engine_id, attributes)
        log.info("configuration reloaded")


def _listed(values: Sequence[str]) -> str:
    """As dockerd puts lists into attributes of events."""
    return json.dumps(list(values), separators=(",", ":"))
