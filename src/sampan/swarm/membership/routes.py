"""The peer routes about membership, as every manager serves them.

    GET  /ca/root                      anyone    the roots; the caller checks them against its token
    POST /ca/certificate               anyone    with a token, or (renewal) a member's certificate
    GET  /cluster/ping                 anyone    whether this manager can be reached
    GET  /cluster/membership           members   what the caller should be and know
    POST /cluster/departure            members   the caller leaves: it's down from now on
    POST /cluster/managers             managers  take part in the store: become a learner
    POST /cluster/managers/promotion   managers  ... and get a vote

The last two are called by a node that has a manager's certificate and no part in the store yet.
"""

import asyncio
from collections.abc import Callable

from aiohttp.web import Response, StreamResponse
from msgspec.structs import replace

from sampan.errors import InvalidArgument
from sampan.swarm.etcd.client import EtcdRefused, EtcdSilent
from sampan.swarm.etcd.members import Member, Members
from sampan.swarm.membership.authority import Authority, cluster_of
from sampan.swarm.membership.documents import (
    CertificateRequest,
    ManagerJoin,
    ManagerJoined,
    Nothing,
    Promotion,
)
from sampan.swarm.model import Manager, Node
from sampan.swarm.peer.server import ANYONE, MANAGERS, MEMBERS, PeerCall, PeerRoute
from sampan.swarm.states import NodeState
from sampan.swarm.store.interface import NoQuorum, ObjectMissing, OutOfDate, Store, Update

DEPARTURE = "/cluster/departure"
LEFT = "the node has left the swarm"
ATTEMPTS = 10
TURN_S = 20.0  # how long a new manager waits for another one that is just learning


class OtherStore(InvalidArgument):
    """`external`: the swarm's store is, and the caller's wouldn't be; or the other way round."""

    def __init__(self, *, external: bool) -> None:
        super().__init__(
            "this swarm's managers use an external etcd: a manager needs the same "
            "swarm-etcd-endpoints and swarm-etcd-prefix in its daemon's configuration"
            if external
            else "this swarm's managers run an etcd of their own: a manager of it must have no "
            "swarm-etcd-endpoints in its daemon's configuration"
        )


class MembershipRoutes:
    def __init__(
        self,
        store: Store,
        authority: Authority,
        members: Members | None,
        data_keys: tuple[bytes, ...],
    ) -> None:
        """`members`: None where the store's etcd isn't the managers' own."""
        self._store = store
        self._authority = authority
        self._members = members
        self._data_keys = data_keys

    def routes(self) -> list[PeerRoute]:
        return [
            PeerRoute("GET", "/ca/root", ANYONE, self._root),
            PeerRoute("POST", "/ca/certificate", ANYONE, self._certificate),
            PeerRoute("GET", "/cluster/ping", ANYONE, self._ping),
            PeerRoute("GET", "/cluster/membership", MEMBERS, self._membership),
            PeerRoute("POST", DEPARTURE, MEMBERS, self._depart),
            PeerRoute("POST", "/cluster/managers", MANAGERS, self._join),
            PeerRoute("POST", "/cluster/managers/promotion", MANAGERS, self._promote),
        ]

    async def _root(self, call: PeerCall) -> StreamResponse:
        """Bytes, not JSON: the token has their digest. The present root only."""
        return Response(body=cluster_of(self._store).ca_certificate.encode())

    async def _certificate(self, call: PeerCall) -> StreamResponse:
        request = await call.body(CertificateRequest)
        address = request.address or call.remote_address
        issued = await self._authority.issue(replace(request, address=address), call.identity)
        return call.answer(issued)

    async def _ping(self, call: PeerCall) -> StreamResponse:
        return call.answer(Nothing())

    async def _membership(self, call: PeerCall) -> StreamResponse:
        assert call.certificate is not None
        return call.answer(await self._authority.membership(call.node_id, call.certificate))

    async def _depart(self, call: PeerCall) -> StreamResponse:
        """The mark that is younger than its session's ends that (see dispatcher/sessions.py)."""

        def left(node: Node) -> Node:
            since_ns = node.status.since_ns + 1
            status = replace(node.status, state=NodeState.DOWN, message=LEFT, since_ns=since_ns)
            return replace(node, status=status)

        await self._change(call.node_id, left)
        return call.answer(Nothing())

    async def _join(self, call: PeerCall) -> StreamResponse:
        wanted = await call.body(ManagerJoin)
        if (self._members is None) != (not wanted.peer_url):
            raise OtherStore(external=self._members is None)
        member_id: str = call.node_id
        initial: dict[str, str] = {}
        if self._members is not None:
            member_id, initial = await _admitted(self._members, wanted)
        manager = Manager(addr=wanted.addr, member_id=member_id, peer_url=wanted.peer_url)
        await self._change(call.node_id, lambda node: replace(node, manager=manager))
        return call.answer(
            ManagerJoined(
                member_id=member_id,
                initial=initial,
                data_keys=self._data_keys,
                unlock_key=cluster_of(self._store).unlock_key,
            )
        )

    async def _promote(self, call: PeerCall) -> StreamResponse:
        wanted = await call.body(Promotion)
        if self._members is None:
            raise OtherStore(external=True)
        try:
            await self._members.promote(wanted.member_id)
        except EtcdSilent as error:
            raise NoQuorum from error
        return call.answer(Nothing())

    async def _change(self, node_id: str, change: Callable[[Node], Node]) -> None:
        """Raises ObjectMissing, OutOfDate, NoQuorum."""
        for _ in range(ATTEMPTS):
            node = self._store.tables.find(Node, node_id)
            if node is None:
                raise ObjectMissing(Node.KIND, node_id)
            changed = change(node)
            if changed == node:
                return
            try:
                await self._store.apply(Update(changed))
            except OutOfDate:
                continue
            return
        raise OutOfDate


async def _admitted(members: Members, wanted: ManagerJoin) -> tuple[str, dict[str, str]]:
    """The new member's id, and the others with their peer URLs. Raises NoQuorum."""
    try:
        async with asyncio.timeout(TURN_S):
            member = await _learner(members, wanted)
        others = await members.list()
    except (TimeoutError, EtcdSilent) as error:
        raise NoQuorum from error
    initial = {
        other.name: other.peer_url for other in others if other.name and other.id != member.id
    }
    return member.id, initial


async def _learner(members: Members, wanted: ManagerJoin) -> Member:
    """One node learns at a time (etcd's rule): wait for the turn."""
    if wanted.fresh:
        for member in await members.list():
            if member.peer_url == wanted.peer_url and member.name:
                await members.remove(member.id)  # its data is gone
    while True:
        try:
            return await members.add(wanted.peer_url)
        except (EtcdRefused, NoQuorum):  # or members that etcd hasn't seen well for long
            await asyncio.sleep(0.2)
