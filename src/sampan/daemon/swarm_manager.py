"""This node as a manager: its etcd member, its replica, its server for nodes, its part as leader.

    etcd member   founded (init), or joined through another manager, first without a vote
    store         opened as soon as etcd answers, which without a quorum takes until there is one
    server        listens once the replica is there
    leader        components of the one manager that leads

With an external etcd (`parts.external`) there's no member: swarm_outside.py has what differs.
`run` does all of this until it is cancelled; `ready` says when the store can be used. It may be
cancelled, or killed, anywhere: `store_joined` in the node's state is set only once the member has
its vote, and every step before can be done again.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import TypeVar

from msgspec.structs import replace

from sampan.daemon.swarm_founding import claim, found
from sampan.daemon.swarm_outside import Outside
from sampan.daemon.swarm_parts import Component, ManagerContext, SwarmParts
from sampan.daemon.swarm_standing import Locking, Standing, member_settings
from sampan.errors import DataLoss, InvalidArgument, SampanError
from sampan.lib.log import fields
from sampan.lib.workers import Workers
from sampan.swarm.etcd.backups import Backups, restore
from sampan.swarm.etcd.client import EtcdClient, EtcdRefused, EtcdSilent
from sampan.swarm.etcd.external import ExternalStoreThere, OwnStoreThere
from sampan.swarm.etcd.members import Members, Roster
from sampan.swarm.etcd.process import EtcdProcess, programs
from sampan.swarm.etcd.silence import SilentPeers
from sampan.swarm.leader import Crew, Leadership
from sampan.swarm.membership.addresses import split
from sampan.swarm.membership.authority import Authority
from sampan.swarm.membership.documents import ManagerJoin, ManagerJoined, Nothing, Promotion
from sampan.swarm.membership.reachability import Reachability
from sampan.swarm.membership.roles import Roles
from sampan.swarm.membership.rotation import Rotation
from sampan.swarm.membership.routes import MembershipRoutes
from sampan.swarm.model import Node
from sampan.swarm.peer.client import Managers, PeerClient
from sampan.swarm.peer.credentials import Credentials
from sampan.swarm.peer.server import PeerServer
from sampan.swarm.store.etcd import EtcdStore
from sampan.swarm.store.sealing import Sealer

log = logging.getLogger(__name__)

Result = TypeVar("Result")

AGAIN_S = 0.3
JOINING_S = 40.0


@dataclass(frozen=True, slots=True)
class ManagerState:
    """As `docker node ls` shows it."""

    leader: bool
    reachable: bool


class StoreMissing(DataLoss):
    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"the data of the swarm's store is missing ({folder}): put it back, or restore the "
            "newest backup with `docker swarm init --force-new-cluster`, or, if there are other "
            "managers, leave the swarm and join again"
        )


class ManagerRun:
    def __init__(
        self,
        *,
        standing: Standing,
        credentials: Credentials,
        client: PeerClient,
        managers: Managers,
        parts: SwarmParts,
        workers: Workers,
    ) -> None:
        self.ready = asyncio.Event()
        self.store: EtcdStore | None = None
        self.process = EtcdProcess(member_settings(standing))
        self._standing = standing
        self._credentials = credentials
        self._client = client
        self._managers = managers
        self._parts = parts
        self._workers = workers
        self._outside = Outside.of(parts.external, standing.state)
        if self._outside is not None:
            self._etcd = self._outside.client
        else:
            self._etcd = EtcdClient([self.process.settings.endpoint], credentials.client)
        self._members = Members(self._etcd)
        self._roster: Roster = self._outside.election if self._outside else self._members
        self._leadership: Leadership | None = None
        self._reachability: Reachability | None = None

    async def run(self, listener: socket, *, force_new_cluster: bool = False) -> None:
        """Until cancelled. `listener` is bound, and closed in the end."""
        async with AsyncExitStack() as stack:
            stack.callback(listener.close)
            stack.push_async_callback(self._etcd.close)
            await self._start_member(stack, force_new_cluster=force_new_cluster)
            store = await self._open_store(stack)
            stack.callback(self._unready)
            members = None if self._outside else self._members
            peer_url = self.process.settings.peer_url
            await found(store, self._standing, members, peer_url)
            if force_new_cluster:
                await claim(store, self._standing, self._members, peer_url)
            await self._serve(stack, store, listener)
            self.ready.set()
            await asyncio.get_running_loop().create_future()

    def states(self) -> Mapping[str, ManagerState]:
        if self.store is None or self._leadership is None or self._reachability is None:
            return {}
        leader, reachable = self._leadership.leader, self._reachability.by_node()
        return {
            node.id: ManagerState(
                leader=bool(leader) and node.manager.member_id == leader,
                reachable=reachable.get(node.id, True),
            )
            for node in self.store.tables.all(Node)
            if node.manager is not None
        }

    def reachable(self) -> Mapping[str, bool]:
        return {} if self._reachability is None else self._reachability.by_node()

    async def leave(self, member_id: str) -> None:
        """Take the own member out of the store. Raises NoQuorum, EtcdSilent."""
        await self._roster.remove(member_id)

    async def erase(self) -> None:
        """The last manager leaves: what an external etcd holds of the swarm. Raises EtcdSilent."""
        if self._outside is not None:
            await self._outside.erase()

    def check_removal(self, leaving: str) -> None:
        """Raises LastManager, LossOfQuorum."""
        self._roster.check_removal(self.reachable(), leaving)

    def _unready(self) -> None:
        self.ready.clear()
        self.store = None

    async def _start_member(self, stack: AsyncExitStack, *, force_new_cluster: bool) -> None:
        settings = self.process.settings
        if self._outside is not None:
            if settings.has_been_member:
                raise OwnStoreThere
            await self._start_outside(stack, self._outside)
            return
        if self._standing.state.external:
            raise ExternalStoreThere
        programs()
        if force_new_cluster and not settings.has_been_member:
            taken = await restore(self._standing.files.backups, settings)
            log.warning(fields("store restored", snapshot=taken))
            force_new_cluster = False  # it is one already
        if self._standing.state.store_joined:
            keyring = self._standing.keyring
            founds = keyring is not None and keyring.founding is not None
            if not settings.has_been_member and not founds:
                raise StoreMissing(settings.data_dir)  # etcd would begin an empty one
            if settings.has_been_member and founds:
                # Killed in its first moments, etcd waits for ever for members that it hadn't
                # noted. Nobody has been told anything of this store: it begins anew.
                await self._workers.run(self._standing.files.forget_store)
            await self._run_etcd(stack, force_new_cluster=force_new_cluster)
            return
        answer = await self._admitted(settings.peer_url)
        initial = {**answer.initial, settings.name: settings.peer_url}
        self.process.settings = dataclasses.replace(settings, initial=initial)
        await self._run_etcd(stack)
        promotion = Promotion(member_id=answer.member_id)
        await self._persist("/cluster/managers/promotion", promotion, Nothing)
        await self._standing.save(replace(self._standing.state, store_joined=True))

    async def _start_outside(self, stack: AsyncExitStack, outside: Outside) -> None:
        standing = self._standing
        if not standing.state.store_joined:
            await self._admitted("")
        await standing.save(replace(standing.state, store_joined=True, external=True))
        keyring = standing.keyring
        await outside.settle(founds=keyring is not None and keyring.founding is not None)
        stack.push_async_callback(outside.election.resign)

    async def _run_etcd(self, stack: AsyncExitStack, *, force_new_cluster: bool = False) -> None:
        crew = Crew()
        crew.start([_Etcd(self.process, force_new_cluster=force_new_cluster)])
        stack.push_async_callback(crew.stop)

    async def _admitted(self, peer_url: str) -> ManagerJoined:
        """Part of the store in the other managers' eyes, with the keys to its objects."""
        wanted = ManagerJoin(
            addr=self._standing.state.advertise,
            peer_url=peer_url,
            fresh=not self.process.settings.has_been_member,
        )
        answer = await self._persist("/cluster/managers", wanted, ManagerJoined)
        keyring = self._standing.keyring
        assert keyring is not None
        await self._standing.keep(
            replace(keyring, data_keys=answer.data_keys, unlock_key=answer.unlock_key)
        )
        return answer

    async def _persist(self, path: str, body: object, kind: type[Result]) -> Result:
        """Ask managers until one does it. Raises InvalidArgument."""
        while True:
            try:
                return await self._client.call_any(
                    self._managers, "POST", path, body, kind=kind, timeout_s=JOINING_S
                )
            except InvalidArgument:
                raise  # the other managers' store is of another sort: it shall be shown
            except SampanError as error:
                log.warning(fields("joining the store", path=path, reason=error.message))
                await asyncio.sleep(AGAIN_S)

    async def _open_store(self, stack: AsyncExitStack) -> EtcdStore:
        keyring = self._standing.keyring
        assert keyring is not None
        sealer = Sealer(keyring.data_keys)
        node_id = self._standing.state.node_id
        while True:
            try:
                if self._outside is not None:
                    opened = self._outside.store(sealer)
                else:
                    opened = EtcdStore.opened(
                        self._etcd, sealer, node_id, trouble=lambda: self.process.trouble
                    )
                self.store = await stack.enter_async_context(opened)
                return self.store
            except (EtcdSilent, EtcdRefused) as error:
                log.debug(fields("store not there yet", reason=error.message))
                await asyncio.sleep(AGAIN_S)

    async def _serve(self, stack: AsyncExitStack, store: EtcdStore, listener: socket) -> None:
        standing = self._standing
        assert standing.keyring is not None
        node_id = standing.state.node_id
        context = ManagerContext(node_id, store, self._client, self._managers)
        side = self._parts.manager(context)
        authority = Authority(store)
        members = None if self._outside else self._members
        membership = MembershipRoutes(store, authority, members, standing.keyring.data_keys)
        server = PeerServer(self._credentials.server(), authority.admit)
        server.add([*membership.routes(), *side.routes])
        reachability = Reachability(store, self._client, node_id)
        roles = Roles(store, self._roster, reachability, node_id)

        def leading() -> list[Component]:
            return [roles, Rotation(store), *self._parts.leader(context)]

        self._reachability = reachability
        self._leadership = Leadership(self._roster, leading)
        crew = Crew()
        stack.push_async_callback(crew.stop)
        crew.start([self._leadership, reachability, Locking(store, standing), *side.components])
        if self._outside is None:
            own_port = split(self.process.settings.peer_listen)[1] or 0
            silence = SilentPeers(own_port, self._members.list, self._workers)
            backups = Backups(self._etcd, standing.files.backups, self._workers)
            crew.start([silence, backups])
        stack.push_async_callback(server.close)
        await server.listen(listener)


class _Etcd:
    def __init__(self, process: EtcdProcess, *, force_new_cluster: bool) -> None:
        self._process = process
        self._force_new_cluster = force_new_cluster

    async def run(self) -> None:
        await self._process.run(force_new_cluster=self._force_new_cluster)
