"""This node's place in a swarm: the face that the API's routers and the daemon's start call.

    inactive ---- init, join ---> active (worker or manager) ---- leave ---> inactive
       |                            ^
       +-- join, no manager yet --> pending        locked ---- unlock ---> active

`start` takes up what state.json and the keyring say; a daemon that is killed anywhere goes on from
what they say (see membership/files): a join that had not got its certificate is tried again, with
the same key, so that it becomes the same node. Texts are dockerd's.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from socket import socket

from msgspec.structs import replace

from sampan.daemon import swarm_records as records
from sampan.daemon.swarm_joining import Joining, get_certificate
from sampan.daemon.swarm_leaving import farewell, resign
from sampan.daemon.swarm_manager import ManagerState
from sampan.daemon.swarm_member import MemberRun
from sampan.daemon.swarm_outside import check_init
from sampan.daemon.swarm_parts import SwarmParts
from sampan.daemon.swarm_refusals import (
    AlreadyInSwarm,
    CertificatesExpired,
    JoinGoesOn,
    Locked,
    LockedLeave,
    ManagerNotReady,
    NotInSwarm,
    NotLocked,
    NotManager,
    WorkerOnly,
    leaving_manager,
)
from sampan.daemon.swarm_standing import Standing
from sampan.errors import Internal, SampanError, Unavailable
from sampan.lib.log import fields
from sampan.lib.workers import Workers
from sampan.swarm import ca
from sampan.swarm.leader import Crew
from sampan.swarm.membership import defaults
from sampan.swarm.membership.addresses import Addresses, Interface
from sampan.swarm.membership.authority import cluster_of
from sampan.swarm.membership.changes import Rotations, changed
from sampan.swarm.membership.files import NodeFiles
from sampan.swarm.model import Cluster
from sampan.swarm.store.interface import Store, Update
from sampan.wire.swarm import SwarmSpec
from sampan.wire.swarm_views import InitRequest, JoinRequest, SwarmStanding

log = logging.getLogger(__name__)

WAIT_S = 20.0  # as dockerd waits for a join
ATTEMPTS = 5  # to reach a manager, before `join` says that none is there
PERIOD_S = 0.05


class SwarmNode:
    def __init__(
        self,
        files: NodeFiles,
        parts: SwarmParts,
        workers: Workers,
        interfaces: Callable[[], Sequence[Interface]],
    ) -> None:
        """`interfaces`: those that nodes could be reached by (not the engine's own bridges)."""
        self._files = files
        self._parts = parts
        self._workers = workers
        self._interfaces = interfaces
        self._standing: Standing | None = None
        self._member: MemberRun | None = None
        self._crew = Crew()
        self._lock = asyncio.Lock()
        self._error: SampanError | None = None

    async def start(self) -> None:
        """Take up what was; never fails for the swarm's sake."""
        try:
            state = await self._workers.run(self._files.load_state)
            if state is None:
                return
            self._standing = Standing(self._files, self._workers, state)
            if state.join is not None:
                self._crew.start([Joining(self._attempt_to_join, self._joining_failed, None)])
            elif await self._workers.run(lambda: self._files.is_locked):
                self._error = Locked()
            else:
                await self._take_up("")
        except SampanError as error:
            log.error(fields("swarm not taken up", reason=error.message))
            self._error = error

    async def close(self) -> None:
        """The swarm's tasks run on."""
        await self._crew.stop()

    # --- joining and leaving

    async def init(self, request: InitRequest) -> str:
        """The node's id. Raises AlreadyInSwarm, InvalidArgument."""
        async with self._lock:
            if self._standing is not None and not request.ForceNewCluster:
                raise AlreadyInSwarm
            choice = defaults.networks(
                request.DefaultAddrPool or (), request.SubnetSize, request.DataPathPort
            )
            where = await self._where(request)
            defaults.checked_availability(request.Availability)
            await check_init(self._parts.external, force_new_cluster=request.ForceNewCluster)
            if self._standing is not None:
                return await self._force(where)
            spec = request.Spec
            if request.AutoLockManagers:
                locking = replace(spec.EncryptionConfig, AutoLockManagers=True)
                spec = replace(spec, EncryptionConfig=locking)
            cluster = defaults.new_cluster(spec, choice)
            return await self._begin(cluster, where, request.Availability)

    async def join(self, request: JoinRequest) -> None:
        """Raises AlreadyInSwarm, InvalidArgument, JoinGoesOn, or what a manager says."""
        async with self._lock:
            if self._standing is not None:
                raise AlreadyInSwarm
            remotes = records.remotes_of(request)
            where = await self._where(request, remotes[0])
            state = records.joiner(request, remotes, where)
            self._standing = Standing(self._files, self._workers, state)
            await self._standing.save(state)
            self._error = None
            self._crew.start([Joining(self._attempt_to_join, self._joining_failed, ATTEMPTS)])
            await self._wait(lambda: self._error is not None or self.is_ready)
            if self._error is not None and self._member is None:
                failure = self._error
                await self._forget()
                raise failure
            if not self.is_ready:
                raise JoinGoesOn

    async def leave(self, *, force: bool) -> None:
        """Raises NotInSwarm; Unavailable for a manager, without force."""
        async with self._lock:
            if self._standing is None:
                raise NotInSwarm
            if not force and isinstance(self._error, Locked):
                raise LockedLeave
            manager = self._member.manager if self._member else None
            if not force and self._member is not None and self._member.role == "manager":
                raise leaving_manager(manager.reachable() if manager else {})
            if manager is not None and manager.store is not None:
                with suppress(SampanError):
                    await resign(manager, manager.store, self.node_id)
            await self._crew.stop()
            await farewell(self._standing)
            await self._forget()
            await self._parts.leave()
            log.info("left the swarm")

    async def unlock(self, key: str) -> None:
        """Raises NotLocked, WrongUnlockKey."""
        async with self._lock:
            if not isinstance(self._error, Locked):
                raise NotLocked
            await self._take_up(key)
            self._error = None
            await self._wait(lambda: self.is_ready)

    # --- the cluster's settings

    async def update(
        self,
        spec: SwarmSpec,
        version: int,
        *,
        rotate_worker_token: bool = False,
        rotate_manager_token: bool = False,
        rotate_unlock_key: bool = False,
    ) -> None:
        """Raises OutOfDate, InvalidArgument, NoQuorum, Unavailable."""
        store = self.store()
        rotations = Rotations(rotate_worker_token, rotate_manager_token, rotate_unlock_key)
        await store.apply(Update(changed(cluster_of(store), version, spec, rotations)))

    def unlock_key(self) -> str:
        """ "" when managers aren't locked."""
        return self.cluster().unlock_key

    def cluster(self) -> Cluster:
        return cluster_of(self.store())

    def store(self) -> Store:
        """Raises Unavailable when this node isn't a manager that works, saying why."""
        if self._standing is None:
            raise NotManager
        if isinstance(self._error, Locked | CertificatesExpired):
            raise self._error
        if self._member is None or self._member.role != "manager":
            raise NotManager if self._member is None else WorkerOnly
        manager = self._member.manager
        if manager is None or manager.store is None or not manager.ready.is_set():
            raise ManagerNotReady
        return manager.store

    # --- what can be seen of it

    @property
    def node_id(self) -> str:
        """ "" outside of a swarm."""
        return self._standing.state.node_id if self._standing else ""

    @property
    def is_ready(self) -> bool:
        """An agent, or a manager with its store."""
        if self._member is None:
            return False
        manager = self._member.manager
        return self._member.role == "worker" or (manager is not None and manager.ready.is_set())

    def manager_states(self) -> Mapping[str, ManagerState]:
        """By node id; empty where this node is no manager."""
        manager = self._member.manager if self._member else None
        return manager.states() if manager else {}

    def check_demotion(self, node_id: str) -> None:
        """Raises LastManager, LossOfQuorum."""
        manager = self._member.manager if self._member else None
        if manager is not None and node_id in manager.reachable():
            manager.check_removal(node_id)

    def standing(self) -> SwarmStanding:
        """For /info; without the cluster, which its views add."""
        if self._standing is None:
            return SwarmStanding()
        state = self._standing.state
        try:
            tables, error = self.store().tables, ""
        except Unavailable as refusal:
            tables, error = None, refusal.message
        if self._member is not None:
            error = self._member.error or self._member.trouble
        if self._member is None and self._error is None:
            error = ""
        return records.shown(state, tables, self._local_state(), error)

    def _local_state(self) -> str:
        if isinstance(self._error, Locked):
            return "locked"
        if self._error is not None or (self._member is not None and self._member.error):
            return "error"
        return "active" if self._member is not None else "pending"

    # --- steps

    async def _where(self, request: InitRequest | JoinRequest, remote: str = "") -> Addresses:
        return await self._workers.run(
            lambda: records.where_for(self._interfaces(), request, remote)
        )

    async def _begin(self, cluster: Cluster, where: Addresses, availability: str) -> str:
        state, keyring = records.founder(cluster, where, availability)
        listener = records.listener_at(where)
        try:
            standing = Standing(self._files, self._workers, state)
            await standing.keep(keyring)
            await standing.save(state)  # from here on, a restart goes on with it
            self._standing, self._error = standing, None
            await self._run(listener)
        except BaseException:
            listener.close()
            await self._forget()
            raise
        return state.node_id

    async def _force(self, where: Addresses) -> str:
        """A cluster of this manager alone, with all that its member knows."""
        standing = self._standing
        assert standing is not None
        if self._member is None or self._member.role != "manager" or standing.keyring is None:
            self.store()  # says why not
            raise NotManager
        await self._crew.stop()
        await standing.save(records.moved(standing.state, where))
        await self._run(records.listener_at(where), force_new_cluster=True)
        return standing.state.node_id

    async def _run(self, listener: socket | None, *, force_new_cluster: bool = False) -> None:
        """Start the member, and wait until a manager can be used. Raises Internal."""
        standing = self._standing
        assert standing is not None
        member = MemberRun(standing, self._parts, self._workers)
        member.listener, member.force_new_cluster = listener, force_new_cluster
        self._member = member
        self._crew.start([member])
        await self._wait(lambda: self.is_ready or bool(member.error))
        if not self.is_ready:
            words = member.manager.process.last_words if member.manager else ""
            raise Internal(member.error or f"the swarm's store doesn't start: {words}")

    async def _take_up(self, unlock_key: str) -> None:
        """Raises WrongUnlockKey, DataLoss, CertificatesExpired."""
        standing = self._standing
        assert standing is not None
        keyring = await self._workers.run(self._files.load_keyring, unlock_key)
        if keyring is None:
            raise Internal("the node's certificate is missing")
        if ca.expires_at(keyring.certificate.encode()) < datetime.now(UTC):
            raise CertificatesExpired
        await self._workers.run(self._files.expose, keyring)
        standing.keyring = keyring
        self._member = MemberRun(standing, self._parts, self._workers)
        self._crew.start([self._member])

    async def _attempt_to_join(self) -> None:
        """Raises what a manager says, Unavailable."""
        assert self._standing is not None
        await get_certificate(self._standing)
        self._member = MemberRun(self._standing, self._parts, self._workers)
        self._crew.start([self._member])

    def _joining_failed(self, error: SampanError) -> None:
        self._error = error

    async def _forget(self) -> None:
        await self._crew.stop()
        await self._workers.run(self._files.forget)
        self._standing = self._member = self._error = None

    async def _wait(self, condition: Callable[[], bool]) -> None:
        """Until it holds, or for WAIT_S."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                while not condition():  # noqa: ASYNC110 - made of several parts' states
                    await asyncio.sleep(PERIOD_S)
