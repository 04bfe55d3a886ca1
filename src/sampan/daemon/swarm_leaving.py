"""A node's last steps in a swarm, each of which may fail: it leaves all the same."""

from msgspec.structs import replace

from sampan.daemon.swarm_manager import ManagerRun
from sampan.daemon.swarm_standing import Standing
from sampan.swarm.etcd.members import LastManager
from sampan.swarm.membership.leaving import say_farewell
from sampan.swarm.model import Node
from sampan.swarm.store.interface import Store, Update


async def resign(manager: ManagerRun, store: Store, node_id: str) -> None:
    """Leave the store in order, if the others can go on without this node.

    Raises LastManager, LossOfQuorum, NoQuorum, EtcdSilent, OutOfDate.
    """
    node = store.tables.find(Node, node_id)
    if node is None or node.manager is None:
        return
    try:
        manager.check_removal(node.id)
    except LastManager:
        await manager.erase()
        raise
    member_id = node.manager.member_id
    spec = replace(node.spec, Role="worker")
    await store.apply(Update(replace(node, spec=spec, role="worker", manager=None)))
    await manager.leave(member_id)


async def farewell(standing: Standing) -> None:
    """After the agent has ended. Who hasn't joined yet, or is locked, has nothing to say."""
    if standing.keyring is not None:
        managers = standing.state.managers.items()
        others = [address for name, address in managers if name != standing.state.node_id]
        await say_farewell(standing.files.tls, others)
