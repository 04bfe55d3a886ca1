"""The only place that joins everything: builds the engine's graph, starts and stops its parts.

Parts start in the order in which they need each other and stop in reverse; each pushes its own
stop right after its start. `Daemon` is entered once per process. The graph itself is written
down by subject beside this file: storage.py, core.py, images.py, containers.py.
"""

import logging
import os
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from sampan.daemon.adapters import Logins, Tallies
from sampan.daemon.claims import engine_id
from sampan.daemon.collecting import CollectionLoop
from sampan.daemon.config import Config
from sampan.daemon.core import Core, make_core
from sampan.daemon.images import make_images, registry_settings
from sampan.daemon.instance import Instance
from sampan.daemon.storage import open_storage
from sampan.engine.containers.connect import Connections
from sampan.engine.containers.networking import Networking
from sampan.engine.containers.usage import ContainerUsage
from sampan.engine.info import EngineFacts, SystemInfo, backing_filesystem, host_facts
from sampan.engine.networks import Networks
from sampan.engine.volumes import Volumes
from sampan.lib.workers import Workers
from sampan.linux.cgroups import CgroupLayout
from sampan.network.model import DEFAULT_ADDRESS_POOLS, NetworkSettings
from sampan.network.service import NetworkService
from sampan.registry.client import Registries
from sampan.server.app import ApiServer
from sampan.server.routers.events import EventsRouter
from sampan.server.routers.networks import NetworksRouter
from sampan.server.routers.swarm import SwarmRouter
from sampan.server.routers.system import SystemRouter
from sampan.server.routers.unbuilt import unbuilt
from sampan.server.routers.volumes import VolumesRouter
from sampan.server.routes import Route
from sampan.volumes.store import VolumeStore

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
        config, instance = self._config, self._instance
        workers = Workers()
        storage = await workers.run(open_storage, instance)
        stack.push_async_callback(workers.run, storage.database.close)
        core = await make_core(config, instance, storage, workers)
        stack.push_async_callback(core.background.aclose)
        registries = Registries(registry_settings(config, dict(os.environ)))
        stack.push_async_callback(registries.close)
        network = NetworkService(
            documents=storage.documents("network"), settings=network_settings(config, instance)
        )
        await network.start()
        stack.push_async_callback(_close_network, network, core)

        images = make_images(core, registries)
        usage = ContainerUsage(core.containers)
        volumes = Volumes(
            store=VolumeStore(documents=storage.documents("volume"), root=instance.volumes),
            users=core.containers,
            events=core.events,
            workers=workers,
        )
        networking = Networking(service=network, registry=core.containers, events=core.events)
        networks = Networks(service=network, containers=usage, events=core.events)
        connections = Connections(registry=core.containers, service=network, networking=networking)
        await network.finish_restore()
        self._core = core
        self._layout = CgroupLayout.detect()
        self._system = SystemInfo(
            facts=self._facts(),
            host=host_facts(),
            tally=Tallies(core.containers, storage.images),
        )
        routes: list[Route] = [
            *SystemRouter(system=self._system, logins=Logins(registries)).routes(),
            *EventsRouter(events=core.events).routes(),
            *images.routes,
            *VolumesRouter(volumes=volumes).routes(),
            *NetworksRouter(networks=networks, connector=connections).routes(),
            *SwarmRouter().routes(),
        ]
        collecting = CollectionLoop(core.collector, workers)
        core.background.spawn(collecting.run(), what="garbage collection")
        self.server = ApiServer([*routes, *unbuilt(routes)])
        stack.push_async_callback(self.server.close)
        stack.callback(core.events.close)

    def _facts(self) -> EngineFacts:
        config, instance = self._config, self._instance
        return EngineFacts(
            engine_id=engine_id(instance.identity),
            data_root=instance.data_root,
            cgroup_version=self._layout.docker_version,
            backing_filesystem=backing_filesystem(
                Path("/proc/self/mountinfo").read_text(), instance.data_root
            ),
            debug=config.debug,
            default_runtime=config.default_runtime,
            labels=config.labels,
            insecure_registries=config.insecure_registries,
            registry_mirrors=config.registry_mirrors,
            address_pools=config.default_address_pools,
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
        )
        facts = self._facts()
        self._system.reload(facts)
        name = self._system.info().Name
        self._core.events.publish("daemon", "reload", facts.engine_id, {"name": name})
        log.info("configuration reloaded")


async def _close_network(network: NetworkService, core: Core) -> None:
    """Bridges and rules stay while containers use them; without any, the machine is left clean."""
    running = any(container.state.running for container in core.containers.list())
    await network.close(remove=not running)


def network_settings(config: Config, instance: Instance) -> NetworkSettings:
    return NetworkSettings(
        netns_root=instance.netns,
        bridge_name=instance.bridge or "none",
        table_name=instance.table,
        bip=config.bip,
        default_address_pools=config.default_address_pools or DEFAULT_ADDRESS_POOLS,
        veth_prefix=instance.veth_prefix,
    )
