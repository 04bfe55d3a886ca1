"""The first objects of a swarm, and the last manager's word about who manages it.

found   after `init`: the cluster, this node, the network of the routing mesh; done once, and
        again by the next start if it hadn't got that far
claim   after `init --force-new-cluster`: this node is the only manager, all others are workers
"""

from msgspec.structs import replace

from sampan.daemon.swarm_standing import Standing
from sampan.swarm.allocator.subnets import ingress_network
from sampan.swarm.etcd.members import Members
from sampan.swarm.membership.authority import issuer_facts
from sampan.swarm.membership.defaults import new_node
from sampan.swarm.model import Cluster, Manager, Node
from sampan.swarm.store.interface import Create, OutOfDate, Store, Update

ATTEMPTS = 5


async def found(store: Store, standing: Standing, members: Members | None, peer_url: str) -> None:
    """`members`: of the managers' own etcd, in which this one is reached at `peer_url`."""
    assert standing.keyring is not None
    cluster = standing.keyring.founding
    if cluster is None:
        return
    if not store.tables.count(Cluster):
        node = new_node(standing.state.node_id, "manager", standing.state.availability)
        manager = Manager(addr=standing.state.advertise, member_id=standing.state.node_id)
        if members is not None:
            member_id = (await members.status()).member
            manager = replace(manager, member_id=member_id, peer_url=peer_url)
        node = replace(node, manager=manager, tls=issuer_facts(cluster))
        await store.apply(Create(cluster), Create(node), Create(ingress_network()))
    await standing.keep(replace(standing.keyring, founding=None))


async def claim(store: Store, standing: Standing, members: Members, peer_url: str) -> None:
    own, status = standing.state, await members.status()
    if any(one.peer_url != peer_url for one in await members.list()):
        await members.relocate(status.member, peer_url)
    manager = Manager(addr=own.advertise, member_id=status.member, peer_url=peer_url)
    for node in store.tables.all(Node):
        await _set_role(store, node.id, manager if node.id == own.node_id else None)


async def _set_role(store: Store, node_id: str, manager: Manager | None) -> None:
    """A manager, or (None) a worker."""
    role = "worker" if manager is None else "manager"
    for _ in range(ATTEMPTS):
        node = store.tables.find(Node, node_id)
        if node is None or (manager is None and node.role != "manager" and node.manager is None):
            return
        spec = replace(node.spec, Role=role)
        try:
            await store.apply(Update(replace(node, role=role, manager=manager, spec=spec)))
        except OutOfDate:
            continue
        return
