"""Wiring, part six: this node as a member of a swarm, and what clients see of it.

SwarmNode   membership: state.json, certificates, the store      <data-root>/swarm
SwarmWork   what it does as a member: agent, dispatcher, orchestration
SwarmFace   what the API's routers call
"""

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from sampan.daemon.containers import Containers
from sampan.daemon.core import Core
from sampan.daemon.images import Images
from sampan.daemon.mechanisms import Mechanisms
from sampan.daemon.overlay_feed import OverlayFeed
from sampan.daemon.swarm import SwarmNode
from sampan.daemon.swarm_events import SwarmEvents
from sampan.daemon.swarm_face import SwarmFace
from sampan.daemon.swarm_parts import (
    AgentContext,
    Component,
    ManagerContext,
    ManagerSide,
    SwarmParts,
)
from sampan.daemon.swarm_work import SwarmWork
from sampan.daemon.task_controller import TaskEngine
from sampan.daemon.task_payloads import PayloadFiles
from sampan.engine.containers.names import random_name
from sampan.engine.info import SystemInfo
from sampan.lib.clock import SystemClock
from sampan.linux.netlink import Netlink
from sampan.swarm.membership.addresses import Interface
from sampan.swarm.membership.files import NodeFiles
from sampan.swarm.messages import LogLine, LogOptions
from sampan.swarm.model import Service, Task

OWN_BRIDGE = re.compile(r"br-[0-9a-f]{12}|docker_gwbridge")  # of the engine's networks
LOOPBACK = "lo"
# Bridges of engines and of libvirt: nobody outside this machine reaches a node there.
INNER = re.compile(r"br-[0-9a-f]{12}|sampan[0-9a-f]*|docker0|docker_gwbridge|virbr\d+")


class Swarming:
    """`face` answers before `start`, as a node in no swarm."""

    def __init__(
        self,
        core: Core,
        parts: Mechanisms,
        images: Images,
        containers: Containers,
    ) -> None:
        self._core = core
        self._parts = parts
        self._images = images
        self._containers = containers
        self._files = NodeFiles(
            core.instance.data_root / "swarm", core.instance.exec_root / "swarm"
        )
        self._work: SwarmWork | None = None
        self._node = SwarmNode(self._files, self._parts_later(), core.workers, self._interfaces)
        self.face = SwarmFace(self._node, logs=self, random_name=self._random_name)

    def read(
        self,
        tasks: Sequence[Task],
        options: LogOptions,
        *,
        later: Callable[[Task], bool] | None = None,
    ) -> AsyncGenerator[LogLine, None]:
        """See control.logs.LogSource; asked of the manager that there is at the time."""
        logs = self._working().logs()
        return logs.read(tasks, options, later=later) if later else logs.read(tasks, options)

    async def start(self, stack: AsyncExitStack, system: SystemInfo) -> None:
        """Go on as the member that this node was. `system` is what it says of itself."""
        core, parts = self._core, self._parts
        engine = TaskEngine(
            lifecycle=self._containers.lifecycle,
            containers=core.containers,
            images=core.storage.images,
            puller=self._images.puller,
            network=parts.network,
            events=core.events,
            files=PayloadFiles(core.instance.exec_root / "payloads"),
            workers=core.workers,
        )
        self._work = SwarmWork(
            engine=engine,
            system=system,
            feed=OverlayFeed(parts.network),
            clock=SystemClock(),
            workers=core.workers,
            folder=self._files.worker,
        )
        stack.push_async_callback(self._node.close)
        await self._node.start()

    def _working(self) -> SwarmWork:
        assert self._work is not None, "started"
        return self._work

    def _parts_later(self) -> SwarmParts:
        """The work's, which is made after the node: it needs the engine's facts, and these have
        the node's standing in them."""

        async def leave() -> None:
            await self._working().parts.leave()

        def leader(context: ManagerContext) -> Sequence[Component]:
            return self._working().parts.leader(context)

        def agent(context: AgentContext) -> Component:
            return self._working().parts.agent(context)

        return SwarmParts(
            manager=self._manager,
            leader=leader,
            agent=agent,
            leave=leave,
            external=self._core.config.swarm_etcd,
        )

    def _manager(self, context: ManagerContext) -> ManagerSide:
        side = self._working().parts.manager(context)
        events = SwarmEvents(context.store, self._core.events)
        return replace(side, components=[*side.components, events])

    def _random_name(self) -> str:
        tables = self._node.store().tables
        return random_name(lambda name: tables.find_named(Service, name) is not None)

    def _interfaces(self) -> Sequence[Interface]:
        """Those that other nodes could reach."""
        own = (self._core.instance.veth_prefix, self._core.instance.overlay_prefix)
        with Netlink() as netlink:
            links, addresses = netlink.links(), netlink.addresses()
        found = []
        for link in links:
            is_inner = link.name.startswith(own) or INNER.fullmatch(link.name)
            if not link.up or is_inner or link.name == self._core.instance.bridge:
                continue
            if link.kind == "bridge" and OWN_BRIDGE.fullmatch(link.name):
                continue
            held = tuple(str(each.ip) for index, each in addresses if index == link.index)
            if held:
                found.append(Interface(link.name, held, loopback=link.name == LOOPBACK))
        return found
