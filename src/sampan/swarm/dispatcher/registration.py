"""Nodes' status and description, written to the store: here now, or gone.

`NodeStatus.since_ns` is the mark of the session that wrote it (see sessions.py): a node that went
to another manager has another mark, and isn't declared down by the one it left.
"""

from collections.abc import Callable

import msgspec

from sampan.lib.clock import NANOS, Clock
from sampan.swarm.messages import Hello
from sampan.swarm.model import Node, NodeStatus
from sampan.swarm.states import NodeState
from sampan.swarm.store.interface import ObjectMissing, OutOfDate, Store, Update

TRIES = 20
LOST_NS = NANOS // 50
HEARTBEAT_FAILURE = "heartbeat failure"  # swarmkit's word, shown by `node inspect`


class Registrar:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def arrived(self, node_id: str, hello: Hello, addr: str) -> int:
        """The node is ready; the mark of its session. Raises ObjectMissing for a stranger."""
        since_ns = self._clock.now_ns()

        def change(node: Node) -> Node:
            nonlocal since_ns
            since_ns = max(since_ns, node.status.since_ns + 1)
            status = NodeStatus(state=NodeState.READY, addr=addr, since_ns=since_ns)
            return msgspec.structs.replace(
                node,
                status=status,
                description=hello.description,
                data_path_addr=hello.data_path_addr or node.data_path_addr or addr,
            )

        await self._change(node_id, change)
        return since_ns

    async def lost(self, node_id: str, since_ns: int) -> None:
        """No sign of life, if it is still in the session marked so. A removed node is fine."""

        def change(node: Node) -> Node | None:
            status = node.status
            if status.since_ns != since_ns or status.state == NodeState.DOWN:
                return None
            down = NodeStatus(
                state=NodeState.DOWN,
                message=HEARTBEAT_FAILURE,
                addr=status.addr,
                since_ns=max(self._clock.now_ns(), since_ns + 1),
            )
            return msgspec.structs.replace(node, status=down)

        try:
            await self._change(node_id, change)
        except ObjectMissing:
            return

    async def _change(self, node_id: str, change: Callable[[Node], Node | None]) -> None:
        for number in range(TRIES):
            node = self._store.tables.find(Node, node_id)
            if node is None:
                raise ObjectMissing("node", node_id)
            changed = change(node)
            if changed is None:
                return
            try:
                await self._store.apply(Update(changed))
            except OutOfDate:
                await self._clock.sleep(LOST_NS * (number + 1))
            else:
                return
        raise OutOfDate
