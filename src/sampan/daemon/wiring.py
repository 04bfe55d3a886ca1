"""The only place that joins everything: builds the engine's graph, starts and stops its parts.

Parts start in the order in which they need each other and stop in reverse; each pushes its own
stop right after its start. `Daemon` is entered once per process.
"""

import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from sampan.daemon.claims import engine_id
from sampan.daemon.config import Config
from sampan.daemon.instance import Instance
from sampan.engine.events import EventLog
from sampan.engine.info import (
    EngineFacts,
    SystemInfo,
    Tally,
    backing_filesystem,
    host_facts,
)
from sampan.lib.log import fields
from sampan.server.app import ApiServer
from sampan.server.routers.events import EventsRouter
from sampan.server.routers.swarm import SwarmRouter
from sampan.server.routers.system import SystemRouter
from sampan.server.routers.unbuilt import unbuilt
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
        instance = self._instance
        self._events = EventLog()
        self._system = SystemInfo(facts=self._facts(), host=host_facts(), tally=Tally)
        routes: list[Route] = [
            *SystemRouter(system=self._system).routes(),
            *EventsRouter(events=self._events).routes(),
            *SwarmRouter().routes(),
        ]
        self.server = ApiServer([*routes, *unbuilt(routes)])
        stack.push_async_callback(self.server.close)
        stack.callback(self._events.close)
        log.info(fields("engine built", data_root=instance.data_root))

    def _facts(self) -> EngineFacts:
        config, instance = self._config, self._instance
        return EngineFacts(
            engine_id=engine_id(instance.identity),
            data_root=instance.data_root,
            cgroup_version="2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "1",
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
        self._events.publish("daemon", "reload", facts.engine_id, {"name": name})
        log.info("configuration reloaded")
