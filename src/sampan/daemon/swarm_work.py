"""What this node does as a member of a swarm: joins agent, dispatcher and orchestration.

    agent     runs tasks on this engine; its own manager is reached without a network
    manager   dispatcher with its routes; logs of tasks for the API (`logs`)
    leader    liveness of nodes, and orchestration (swarm/components)

`parts` is what the membership starts and stops with the node's role; see swarm_parts.py.
"""

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio

from sampan.daemon.attaching import Attaching
from sampan.daemon.executor import EngineExecutor, described
from sampan.daemon.overlay_feed import OverlayFeed
from sampan.daemon.swarm_parts import (
    AgentContext,
    Component,
    ManagerContext,
    ManagerSide,
    SwarmParts,
)
from sampan.daemon.task_controller import TaskEngine
from sampan.daemon.task_payloads import PayloadFiles
from sampan.engine.info import SystemInfo
from sampan.errors import Unavailable
from sampan.lib.clock import Clock
from sampan.lib.workers import Workers
from sampan.swarm.agent.agent import Agent
from sampan.swarm.agent.link import Link
from sampan.swarm.agent.local import TaskFolder, TaskRecords
from sampan.swarm.agent.peer_link import PeerManagers
from sampan.swarm.agent.reports import Reports
from sampan.swarm.agent.worker import Worker
from sampan.swarm.attachments import AttachmentCaller, Attachments
from sampan.swarm.components import components
from sampan.swarm.dispatcher.dispatcher import Dispatcher
from sampan.swarm.dispatcher.liveness import Liveness
from sampan.swarm.dispatcher.local_link import LocalLink
from sampan.swarm.dispatcher.logs import LogBroker, TaskLogs
from sampan.swarm.dispatcher.routes import DispatcherRoutes, OtherManager
from sampan.swarm.model import Node
from sampan.wire.swarm import NodeSpec

log = logging.getLogger(__name__)


class SwarmWork:
    """Of one daemon. `folder` is the agent's (AgentContext.folder, known beforehand)."""

    def __init__(
        self,
        *,
        engine: TaskEngine,
        system: SystemInfo,
        feed: OverlayFeed,
        clock: Clock,
        workers: Workers,
        folder: Path,
    ) -> None:
        self._engine = engine
        self._system = system
        self._feed = feed
        self._clock = clock
        self._workers = workers
        self._folder = folder
        self._managing: _Managing | None = None

    @property
    def parts(self) -> SwarmParts:
        return SwarmParts(
            manager=self._manager, leader=self._leader, agent=self._agent, leave=self.leave
        )

    def logs(self) -> TaskLogs:
        """While this node is a manager. Raises Unavailable."""
        if self._managing is None:
            raise Unavailable("this manager isn't ready")
        return self._managing.logs

    async def leave(self) -> None:
        """After the agent has ended: nothing of the swarm stays on this node."""
        await self._executor("").sweep(frozenset())
        self._engine.network.attacher = None
        await self._feed.leave()
        await self._workers.run(partial(shutil.rmtree, self._folder, ignore_errors=True))
        await self._workers.run(self._engine.files.close)

    def _executor(self, node_id: str, attaching: Attaching | None = None) -> EngineExecutor:
        description = described(self._system.info())
        node = Node(id=node_id, spec=NodeSpec(), description=description)
        return EngineExecutor(self._engine, self._system, self._feed.apply, node, attaching)

    # --- the parts --------------------------------------------------------------------------------

    def _manager(self, context: ManagerContext) -> ManagerSide:
        managing = _Managing(context, self._clock, self._took, self._gave)
        routes = DispatcherRoutes(managing.dispatcher, managing.broker).routes()
        attachments = Attachments(context.store).routes()
        return ManagerSide(routes=[*routes, *attachments], components=[managing])

    def _took(self, managing: "_Managing") -> None:
        self._managing = managing

    def _gave(self, managing: "_Managing") -> None:
        if self._managing is managing:
            self._managing = None

    def _leader(self, context: ManagerContext) -> Sequence[Component]:
        def claimants() -> list[OtherManager | _Own]:
            others = _others(context)
            own = self._managing
            return [*others, _Own(own.dispatcher)] if own else list(others)

        liveness = Liveness(context.store, self._clock, claimants)
        return [liveness, *components(context.store, self._clock)]

    def _agent(self, context: AgentContext) -> Component:
        reports = Reports()
        network = self._engine.network
        attaching = Attaching(AttachmentCaller(context.client, context.managers).ask, network)
        network.attacher = attaching
        executor = self._executor(context.node_id, attaching)
        folder = TaskFolder(context.folder / "tasks")

        def own() -> Link | None:
            managing = self._managing
            if managing is None:
                return None
            return LocalLink(managing.dispatcher, managing.broker, context.node_id, context.address)

        agent = Agent(
            executor=executor,
            worker=Worker(
                executor=executor,
                records=TaskRecords(folder, self._workers),
                reports=reports,
                clock=self._clock,
            ),
            reports=reports,
            managers=PeerManagers(context.client, context.managers, own=own),
            clock=self._clock,
            data_path_addr=context.data_path_addr,
        )
        return _Agent(agent, self._feed, self._engine.files)


class _Agent:
    """The agent, with the feed's second tries beside it."""

    def __init__(self, agent: Agent, feed: OverlayFeed, files: PayloadFiles) -> None:
        self._agent = agent
        self._feed = feed
        self._files = files

    async def run(self) -> None:
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._feed.run)
                await self._agent.run()
        finally:
            self._files.close()


class _Managing:
    """A dispatcher while it runs."""

    def __init__(
        self,
        context: ManagerContext,
        clock: Clock,
        took: Callable[["_Managing"], None],
        gave: Callable[["_Managing"], None],
    ) -> None:
        self.dispatcher = Dispatcher(context.store, clock)
        self.broker = LogBroker(self.dispatcher.find_session)
        self.logs = TaskLogs(context.store, lambda: [self.broker, *_others(context)])
        self._took = took
        self._gave = gave

    async def run(self) -> None:
        self._took(self)
        try:
            await self.dispatcher.run()
        finally:
            self._gave(self)
            with anyio.CancelScope(shield=True), suppress(Exception):
                await self.dispatcher.close()


class _Own:
    """This manager's dispatcher among the claimants."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def claims(self) -> Mapping[str, int]:
        return self._dispatcher.claims()


def _others(context: ManagerContext) -> list[OtherManager]:
    return [
        OtherManager(context.client, node.manager.addr)
        for node in context.store.tables.all(Node)
        if node.manager is not None and node.id != context.node_id
    ]
