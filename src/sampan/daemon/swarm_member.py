"""This node as a member of a swarm, from its certificate on.

Every two seconds it asks a manager what it should be and know (its role, the roots, the managers),
and makes itself that:

    role changed          new certificate; then start or stop the manager part
    root is rotated       new certificate from the next root; drop the old root when told so
    half to 80 % of life  new certificate

What the certificate says is the role: after a crash in the middle of a change the next start goes
on from there. The agent runs all the time; with no manager in reach nothing changes.
"""

import asyncio
import logging
from datetime import UTC, datetime
from random import SystemRandom
from socket import socket

from msgspec.structs import replace

from sampan.daemon.swarm_manager import ManagerRun
from sampan.daemon.swarm_parts import AgentContext, SwarmParts
from sampan.daemon.swarm_standing import Standing
from sampan.errors import SampanError, Unauthenticated, Unavailable
from sampan.lib.log import fields
from sampan.lib.workers import Workers
from sampan.swarm import ca
from sampan.swarm.leader import Crew
from sampan.swarm.membership import joining
from sampan.swarm.membership.addresses import joined, split
from sampan.swarm.membership.documents import Membership
from sampan.swarm.peer.client import Managers, PeerClient
from sampan.swarm.peer.credentials import Credentials
from sampan.swarm.peer.server import bound

log = logging.getLogger(__name__)

CHANCE = SystemRandom()
PERIOD_S = 2.0
ETCD_RESTART_S = 8.0  # managers restart their members at different moments within this
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class MemberRun:
    """`error` is what `docker info` shows; "" when all is well."""

    def __init__(self, standing: Standing, parts: SwarmParts, workers: Workers) -> None:
        self.error = ""
        self.manager: ManagerRun | None = None
        self.listener: socket | None = None  # bound beforehand, for the first start as a manager
        self.force_new_cluster = False
        self._standing = standing
        self._parts = parts
        self._workers = workers
        self._credentials = Credentials(standing.files.tls)
        self._client = PeerClient(self._credentials.client)
        self._managers = Managers(self._known())
        self._asked = Managers(self._to_ask())
        self._agent, self._managing = Crew(), Crew()
        self._renew_at = self._renewal()

    @property
    def role(self) -> str:
        keyring = self._standing.keyring
        assert keyring is not None
        return ca.identity_of(keyring.certificate.encode()).role

    @property
    def trouble(self) -> str:
        """Why the own part of the store doesn't run; it may come back by itself."""
        return self.manager.process.trouble if self.manager is not None else ""

    async def run(self) -> None:
        """Until cancelled."""
        try:
            if self.role == "manager":
                self._managing.start([_Managing(self)])
            else:
                await self._workers.run(self._standing.files.forget_store)
            self._agent.start([self._parts.agent(self._agent_context())])
            while True:
                await asyncio.sleep(PERIOD_S * CHANCE.uniform(0.8, 1.2))
                await self._keep_up()
        finally:
            await self._agent.stop()
            await self._managing.stop()
            await self._client.close()

    def _agent_context(self) -> AgentContext:
        state = self._standing.state
        return AgentContext(
            node_id=state.node_id,
            client=self._client,
            managers=self._managers,
            folder=self._standing.files.worker,
            address=split(state.advertise)[0],
            data_path_addr=state.data_path,
        )

    def new_manager(self) -> ManagerRun:
        self.manager = ManagerRun(
            standing=self._standing,
            credentials=self._credentials,
            client=self._client,
            managers=self._managers,
            parts=self._parts,
            workers=self._workers,
        )
        return self.manager

    def take_listener(self) -> socket:
        """Raises OSError."""
        state = self._standing.state
        listener, self.listener = self.listener, None
        return listener or bound(state.listen_host, state.listen_port)

    def _known(self) -> list[str]:
        return list(self._standing.state.managers.values())

    def _to_ask(self) -> list[str]:
        """Other managers; the own one only where there's no other."""
        state = self._standing.state
        others = [addr for name, addr in state.managers.items() if name != state.node_id]
        host = LOOPBACK.get(state.listen_host, state.listen_host)
        return others or [joined(host, state.listen_port)]

    async def _keep_up(self) -> None:
        try:
            membership = await self._client.call_any(
                self._asked, "GET", "/cluster/membership", kind=Membership, timeout_s=5
            )
            await self._follow(membership)
            self.error = ""
        except Unauthenticated as error:
            self.error = error.message
        except Unavailable as error:
            log.debug(fields("no news of the swarm", reason=error.message))
        except (SampanError, OSError) as error:
            log.warning(fields("swarm membership not kept up", reason=error))

    async def _follow(self, membership: Membership) -> None:
        standing = self._standing
        if membership.managers and membership.managers != standing.state.managers:
            await standing.save(replace(standing.state, managers=membership.managers))
            self._managers.replace(self._known())
            self._asked.replace(self._to_ask())
        keyring = standing.keyring
        assert keyring is not None
        if membership.roots != keyring.roots:
            await standing.keep(replace(keyring, roots=membership.roots))
            self._credentials.refresh()
            if self.manager is not None and len(membership.roots) < len(keyring.roots):
                await self._restart_etcd()
        before = self.role
        if before != membership.role or self._must_renew(membership):
            await self._renew()
        if before != self.role:
            await self._change_role()

    def _must_renew(self, membership: Membership) -> bool:
        keyring = self._standing.keyring
        assert keyring is not None
        by_old_root = membership.issuer != _issuer(keyring.roots, keyring.certificate)
        return by_old_root or datetime.now(UTC) >= self._renew_at

    async def _renew(self) -> None:
        keyring, state = self._standing.keyring, self._standing.state
        assert keyring is not None
        key = ca.new_key().decode()
        address = split(state.advertise)[0]
        issued = await joining.renew(self._client, self._asked, key, address)
        await self._standing.keep(
            replace(keyring, certificate=issued.certificate, key=key, roots=issued.roots)
        )
        self._credentials.refresh()
        self._renew_at = self._renewal()
        log.info(fields("certificate renewed", node=issued.node_id, role=issued.role))

    async def _change_role(self) -> None:
        standing = self._standing
        if self.role == "manager":
            self._managing.start([_Managing(self)])
            return
        await self._managing.stop()
        self.manager = None
        await self._workers.run(standing.files.forget_store)
        await standing.save(
            replace(standing.state, store_joined=False, founded=False, external=False)
        )
        assert standing.keyring is not None
        await standing.keep(replace(standing.keyring, data_keys=(), unlock_key=""))

    async def _restart_etcd(self) -> None:
        """It reads the roots at its start only."""
        await asyncio.sleep(CHANCE.uniform(0, ETCD_RESTART_S))
        if self.manager is not None:
            self.manager.process.restart()

    def _renewal(self) -> datetime:
        keyring = self._standing.keyring
        assert keyring is not None
        return ca.renew_at(keyring.certificate.encode(), CHANCE)


class _Managing:
    """The manager part, begun anew when it fails."""

    def __init__(self, member: MemberRun) -> None:
        self._member = member

    async def run(self) -> None:
        manager = self._member.new_manager()
        forced, self._member.force_new_cluster = self._member.force_new_cluster, False
        try:
            await manager.run(self._member.take_listener(), force_new_cluster=forced)
        except (SampanError, OSError) as error:
            self._member.error = error.message if isinstance(error, SampanError) else str(error)
            raise


def _issuer(roots: str, certificate: str) -> str:
    """Public key of the root that signed it, of those trusted."""
    for root in split_roots(roots):
        if ca.is_signed_by(certificate.encode(), root.encode()):
            return ca.shown(root.encode())[1]
    return ""


END = "-----END CERTIFICATE-----\n"


def split_roots(roots: str) -> list[str]:
    return [part + END for part in roots.split(END) if part.strip()]
