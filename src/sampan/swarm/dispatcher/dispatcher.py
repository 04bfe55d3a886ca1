"""A manager's end of the sessions with nodes. Every manager serves any node.

    store's commits --> sessions that they concern --> streams to nodes
    reports from nodes --> transactions                beats --> expiry --> node down

`run` goes on for as long as the process is a manager. When it stops, `close` sends its nodes to
the other managers, which takes them less than their heartbeat period, so none counts as down.
Nodes whose manager dies are looked after by the leader: see liveness.py.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Sequence

import anyio
import msgspec

from sampan.errors import SampanError, Unavailable
from sampan.lib.clock import NANOS, Clock
from sampan.lib.log import fields
from sampan.swarm.dispatcher.assignments import Assignments
from sampan.swarm.dispatcher.registration import Registrar
from sampan.swarm.dispatcher.reporting import ReportWriter
from sampan.swarm.dispatcher.sessions import NoSuchSession, Session
from sampan.swarm.messages import Down, Goodbye, Hello, Managers, Myself, Report
from sampan.swarm.model import Cluster, Node, NodeDescription, NodeStatus, Task
from sampan.swarm.networkmap import NetworkStates
from sampan.swarm.store.interface import Action, Commit, Event, ObjectMissing, Store

log = logging.getLogger(__name__)

PERIOD_NS = 5 * NANOS  # swarmkit's default
EXPIRY_CHECK_NS = NANOS // 4
CATCH_UP_S = 10.0  # a replica that is behind what the node has been told
POLL_NS = NANOS // 50
FAREWELL_S = 1.0


class Dispatcher:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._registrar = Registrar(store, clock)
        self._reports = ReportWriter(store, clock)
        self._sessions: dict[str, Session] = {}  # by node id
        self._networks: NetworkStates | None = None
        self._following = asyncio.Event()
        self._closing = False

    # --- for the manager --------------------------------------------------------------------------

    async def run(self) -> None:
        """Until it is cancelled, or the store closes."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._reports.run)
            group.start_soon(self._expire)
            await self._follow()
            group.cancel_scope.cancel()

    async def close(self) -> None:
        """No more sessions; those that there are end with a goodbye."""
        self._closing = True
        sessions = list(self._sessions.values())
        for session in sessions:
            session.send(Goodbye())
        with anyio.move_on_after(FAREWELL_S):
            for session in sessions:
                await session.gone.wait()
        for session in sessions:
            session.end()
        self._sessions.clear()

    def claims(self) -> dict[str, int]:
        """The nodes that are in session here, with the marks of the sessions."""
        return {
            node_id: session.since_ns
            for node_id, session in self._sessions.items()
            if not session.ended
        }

    def find_session(self, node_id: str) -> Session | None:
        session = self._sessions.get(node_id)
        return None if session is None or session.ended else session

    # --- for nodes --------------------------------------------------------------------------------

    async def session(self, node_id: str, hello: Hello, addr: str) -> AsyncGenerator[Down, None]:
        """Everything that the node is told. Raises Unavailable, ObjectMissing (a stranger)."""
        session = await self._open(node_id, hello, addr)
        node = self._store.tables.find(Node, node_id)
        if node is None:
            raise ObjectMissing("node", node_id)
        stream = session.stream(Myself(node=node), self._managers())
        try:
            async for message in stream:
                yield message
        finally:
            await stream.aclose()
            session.end()

    async def beat(self, node_id: str, session_id: str) -> int:
        """Nanoseconds until the next one. Raises NoSuchSession."""
        session = self._get(node_id, session_id)
        session.period_ns = self._period_ns()
        session.touch()
        return session.period_ns

    async def report(self, node_id: str, session_id: str, reports: Sequence[Report]) -> None:
        """Durable when it returns. Raises NoSuchSession, NoQuorum."""
        self._get(node_id, session_id)
        await self._reports.write(node_id, reports)

    # --- inside -----------------------------------------------------------------------------------

    async def _open(self, node_id: str, hello: Hello, addr: str) -> Session:
        await self._following.wait()
        if self._closing:
            raise Unavailable("the manager stops")
        await self._reach(hello.revision)
        since_ns = await self._registrar.arrived(node_id, hello, addr)
        assert self._networks is not None
        session = Session(
            identifier=secrets.token_hex(12),
            node_id=node_id,
            since_ns=since_ns,
            period_ns=self._period_ns(),
            assignments=Assignments(node_id, self._store.tables, self._networks),
            clock=self._clock,
        )
        if (old := self._sessions.get(node_id)) is not None:
            old.end()
        self._sessions[node_id] = session
        log.info(fields("dispatcher.session", node=node_id, addr=addr))
        return session

    async def _reach(self, revision: int) -> None:
        """What the node knows already must not be taken back by a replica that lags."""
        with anyio.move_on_after(CATCH_UP_S):
            while self._store.tables.revision < revision:
                await self._clock.sleep(POLL_NS)

    def _get(self, node_id: str, session_id: str) -> Session:
        session = self.find_session(node_id)
        if session is None or session.id != session_id:
            raise NoSuchSession
        return session

    def _period_ns(self) -> int:
        cluster = next(iter(self._store.tables.all(Cluster)), None)
        return (cluster.spec.Dispatcher.HeartbeatPeriod if cluster else 0) or PERIOD_NS

    def _managers(self) -> Managers:
        nodes = self._store.tables.all(Node)
        return Managers(
            addresses=tuple(sorted(node.manager.addr for node in nodes if node.manager is not None))
        )

    # --- the store's commits ----------------------------------------------------------------------

    async def _follow(self) -> None:
        with self._store.watch() as commits:
            self._networks = NetworkStates(self._store.tables)
            told = self._managers()
            self._following.set()
            async for commit in commits:
                self._spread(commit)
                if _about_managers(commit) and (now := self._managers()) != told:
                    told = now
                    for session in self._sessions.values():
                        session.send(told)

    def _spread(self, commit: Commit) -> None:
        """Wake the sessions that a commit may concern."""
        assert self._networks is not None
        everybody = bool(self._networks.follow(commit))
        for event in commit.events:
            item = event.item
            if isinstance(item, Task):
                self._outdated(item.node_id)
            elif isinstance(item, Node):
                self._on_node(event, item)
            else:
                everybody = True
        if everybody:
            for session in self._sessions.values():
                session.outdated()

    def _outdated(self, node_id: str) -> None:
        if (session := self._sessions.get(node_id)) is not None:
            session.outdated()

    def _on_node(self, event: Event, node: Node) -> None:
        session = self._sessions.get(node.id)
        if session is None:
            return
        gone = event.action is Action.REMOVED
        if gone or node.status.since_ns > session.since_ns:
            # removed, in session elsewhere, or declared down by a leader that couldn't ask us:
            # a node that is there registers anew
            session.end()
            del self._sessions[node.id]
        elif event.old is None or _told_of(node) != _told_of(event.old):
            session.send(Myself(node=node))
            session.outdated()

    # --- expiry -----------------------------------------------------------------------------------

    async def _expire(self) -> None:
        while True:
            await self._clock.sleep(EXPIRY_CHECK_NS)
            now_ns = self._clock.now_ns()
            for session in list(self._sessions.values()):
                if session.expires_ns <= now_ns:
                    await self._give_up(session)

    async def _give_up(self, session: Session) -> None:
        session.end()
        try:
            await self._registrar.lost(session.node_id, session.since_ns)
        except SampanError as error:  # no quorum: next time
            log.warning(fields("dispatcher.not_marked", node=session.node_id, why=error.message))
            return
        if self._sessions.get(session.node_id) is session:
            del self._sessions[session.node_id]
        log.warning(fields("dispatcher.heartbeat_failure", node=session.node_id))


def _about_managers(commit: Commit) -> bool:
    return any(isinstance(event.item, Node) for event in commit.events)


def _told_of(item: object) -> object:
    """A node without what its own sessions write."""
    assert isinstance(item, Node)
    return msgspec.structs.replace(
        item, version=0, updated_ns=0, status=NodeStatus(), description=NodeDescription()
    )
