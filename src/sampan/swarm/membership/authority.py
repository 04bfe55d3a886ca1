"""Deciding who gets which certificate: on every manager, from its replica.

    join      a token says as what; the new node's id follows from its key, so that a join that is
              repeated after a crash is the same node
    renewal   the certificate in use says who; the node's present role is what it gets

While the root is being rotated the next root signs, and its certificate goes along signed by the
present root, so that nodes which don't know the next root yet trust what it signed.
"""

import hashlib
import hmac
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache

from msgspec.structs import replace

from sampan.errors import InvalidArgument, Unauthenticated
from sampan.lib.gotime import NANOS
from sampan.swarm import ca, tokens
from sampan.swarm.ca import Identity, KeyPair
from sampan.swarm.control.refusals import Refused
from sampan.swarm.membership.defaults import CLUSTER_NAME, new_node
from sampan.swarm.membership.documents import CertificateRequest, Issued, Membership
from sampan.swarm.model import ID_LENGTH, Cluster, Node, NodeTls, base36
from sampan.swarm.store.interface import Create, NoQuorum, OutOfDate, Store, Update


class NoToken(Refused):
    def __init__(self) -> None:
        super().__init__("A valid join token is necessary to join this cluster")


def cluster_of(store: Store) -> Cluster:
    """Raises NoQuorum while the replica hasn't seen it."""
    found = store.tables.find_named(Cluster, CLUSTER_NAME)
    if found is None:
        raise NoQuorum
    return found


def roots(cluster: Cluster) -> str:
    """What members trust."""
    return cluster.ca_certificate + cluster.next_ca_certificate


def signing_root(cluster: Cluster) -> KeyPair:
    if cluster.next_ca_certificate:
        return KeyPair(cluster.next_ca_certificate.encode(), cluster.next_ca_key.encode())
    return KeyPair(cluster.ca_certificate.encode(), cluster.ca_key.encode())


def issuer(cluster: Cluster) -> str:
    return issuer_facts(cluster).issuer_public_key


def issuer_facts(cluster: Cluster) -> NodeTls:
    """Of certificates that are signed now."""
    return _facts(signing_root(cluster).certificate)


@lru_cache(maxsize=4)
def _facts(root: bytes) -> NodeTls:
    subject, key = ca.shown(root)
    return NodeTls(trust_root=root.decode(), issuer_subject=subject, issuer_public_key=key)


def role_of(cluster: Cluster, token: str) -> str:
    """Raises NoToken."""
    try:
        parsed = tokens.parse_token(token)
    except InvalidArgument as error:
        raise NoToken from error
    for role, secret in (
        ("manager", cluster.manager_token_secret),
        ("worker", cluster.worker_token_secret),
    ):
        if hmac.compare_digest(parsed.secret, secret):
            return role
    raise NoToken


def node_id_for(csr: str) -> str:
    digest = hashlib.sha256(ca.request_key(csr.encode())).digest()
    return base36(int.from_bytes(digest[:16], "big"), ID_LENGTH)


def signed(cluster: Cluster, node_id: str, role: str, csr: str, address: str = "") -> str:
    """Certificate and, during a rotation, the intermediate."""
    certificate = ca.sign(
        signing_root(cluster),
        csr.encode(),
        Identity(node_id, role, cluster.id),
        life=timedelta(seconds=cluster.spec.CAConfig.NodeCertExpiry / NANOS),
        # a worker must not be able to pass for a manager's address
        addresses=(address,) if role == "manager" and address else (),
    )
    return certificate.decode() + cluster.next_ca_cross


class Authority:
    """Of one manager."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def admit(self, identity: Identity) -> Identity | None:
        """Whom the cluster takes the holder of a certificate for now."""
        node = self._store.tables.find(Node, identity.node_id)
        cluster = self._store.tables.find_named(Cluster, CLUSTER_NAME)
        if node is None or cluster is None or cluster.id != identity.cluster_id:
            return None
        if node.role == "manager":
            return identity
        return Identity(identity.node_id, "worker", identity.cluster_id)

    async def issue(self, request: CertificateRequest, caller: Identity | None) -> Issued:
        """Raises NoToken, BadRequest, InvalidArgument, NoQuorum."""
        cluster = cluster_of(self._store)
        if caller is None or request.token:
            node = await self._joined(cluster, request)
        else:
            node = self._node(caller.node_id)
        certificate = signed(cluster, node.id, node.role, request.csr, request.address)
        return Issued(
            node_id=node.id,
            cluster_id=cluster.id,
            role=node.role,
            certificate=certificate,
            roots=roots(cluster),
        )

    async def membership(self, node_id: str, certificate: bytes) -> Membership:
        """What the node is to be and know. Also notes whose certificate it has by now."""
        cluster = cluster_of(self._store)
        node = self._node(node_id)
        tls = issuer_facts(cluster)
        root = signing_root(cluster).certificate
        if node.tls != tls and ca.is_signed_by(certificate, root):
            with suppress(OutOfDate, NoQuorum):  # it will ask again
                await self._store.apply(Update(replace(node, tls=tls)))
        return Membership(
            role=node.role,
            issuer=tls.issuer_public_key,
            roots=roots(cluster),
            managers=self.managers(),
        )

    def _node(self, node_id: str) -> Node:
        node = self._store.tables.find(Node, node_id)
        if node is None:
            raise Unauthenticated("the node isn't a member of this swarm")
        return node

    def managers(self) -> dict[str, str]:
        """Where their APIs listen, by node id."""
        nodes = self._store.tables.all(Node)
        return {node.id: node.manager.addr for node in nodes if node.manager}

    async def _joined(self, cluster: Cluster, request: CertificateRequest) -> Node:
        role = role_of(cluster, request.token)
        node_id = node_id_for(request.csr)
        found = self._store.tables.find(Node, node_id)
        if found is None:
            node = new_node(node_id, role, request.availability)
            if not cluster.next_ca_certificate:  # otherwise it counts once it has been seen
                node = replace(node, tls=issuer_facts(cluster))
            await self._store.apply(Create(node))
            found = self._store.tables.find(Node, node_id)
        if found is None:
            raise NoQuorum
        return found
