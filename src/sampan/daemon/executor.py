"""This engine as a swarm agent sees it: see swarm/agent/executor.py."""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing

from sampan.daemon.attaching import Attaching
from sampan.daemon.task_controller import (
    AttachmentController,
    ContainerController,
    TaskEngine,
    task_id_of,
)
from sampan.engine.containers.logs import LogOptions as EngineLogOptions
from sampan.engine.containers.registry import NoSuchContainer
from sampan.engine.info import SystemInfo
from sampan.errors import SampanError
from sampan.lib.log import fields
from sampan.swarm.agent.dependencies import Dependencies
from sampan.swarm.agent.executor import Controller
from sampan.swarm.messages import LogLine, LogOptions
from sampan.swarm.model import Node, NodeDescription, NodePlugin, Task
from sampan.swarm.networkstate import NodeNetworks
from sampan.wire.services import ResourceAmounts
from sampan.wire.system import Info

log = logging.getLogger(__name__)

STARTED_LOOK_S = 0.2

Feed = Callable[[NodeNetworks], Awaitable[None]]


class EngineExecutor:
    """`feed` gives network states to the engine's networking; `attaching` places to containers
    that are no task's."""

    def __init__(
        self,
        engine: TaskEngine,
        system: SystemInfo,
        feed: Feed,
        node: Node,
        attaching: Attaching | None = None,
    ) -> None:
        self._engine = engine
        self._system = system
        self._feed = feed
        self._attaching = attaching
        self._node = node  # as known without a manager, until one says more

    async def describe(self) -> NodeDescription:
        return described(self._system.info())

    async def configure(self, node: Node) -> None:
        self._node = node

    async def networks(self, networks: NodeNetworks) -> None:
        await self._feed(networks)

    def controller(self, task: Task, dependencies: Dependencies) -> Controller:
        if task.spec.NetworkAttachmentSpec is not None:
            if self._attaching is not None:
                return self._attaching.controller(task)
            return AttachmentController(self._engine, task)
        return ContainerController(self._engine, task, lambda: self._node, dependencies)

    async def sweep(self, keep: frozenset[str]) -> None:
        for container in self._engine.containers.list():
            owner = task_id_of(container)
            if not owner or owner in keep:
                continue
            log.info(fields("task.leftover", container=container.id, task=owner))
            try:
                await self._engine.lifecycle.remover.remove(container.id, force=True, volumes=True)
            except SampanError as error:
                log.warning(fields("task.leftover_stays", task=owner, why=error.message))
        await self._engine.workers.run(self._engine.files.sweep, keep)

    async def logs(self, task: Task, options: LogOptions) -> AsyncGenerator[LogLine, None]:
        container = self._engine.containers.find(task.name)
        if container is None:
            raise NoSuchContainer(task.name)
        while options.follow and not container.state.started_ns:
            await asyncio.sleep(STARTED_LOOK_S)
            container = self._engine.containers.get(task.name)
        asked = EngineLogOptions(
            stdout=options.stdout,
            stderr=options.stderr,
            follow=options.follow,
            tail=options.tail,
            since_ns=options.since_ns,
            until_ns=options.until_ns,
        )
        async with aclosing(self._engine.lifecycle.logs.records(container, asked)) as batches:
            async for batch in batches:
                for record in batch:
                    yield LogLine(
                        task_id=task.id,
                        stream=record.stream,
                        time_ns=record.time_ns,
                        data=record.line,
                        details=record.attrs or {},
                    )


def described(info: Info) -> NodeDescription:
    """What this engine says of itself."""
    return NodeDescription(
        hostname=socket.gethostname(),
        os=info.OSType,
        architecture=info.Architecture,
        resources=ResourceAmounts(NanoCPUs=info.NCPU * 1_000_000_000, MemoryBytes=info.MemTotal),
        engine_version=info.ServerVersion,
        engine_labels=dict(label.partition("=")[::2] for label in info.Labels or ()),
        plugins=tuple(_plugins(info)),
    )


def _plugins(info: Info) -> list[NodePlugin]:
    kinds: Mapping[str, list[str] | None] = {
        "Log": info.Plugins.Log,
        "Network": info.Plugins.Network,
        "Volume": info.Plugins.Volume,
    }
    return [NodePlugin(type=kind, name=name) for kind in kinds for name in kinds[kind] or ()]
