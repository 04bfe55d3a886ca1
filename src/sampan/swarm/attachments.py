"""Plain containers in networks of the swarm: each is there by a task that has no service.

    node                                   manager
      | -- AttachmentWanted --------------> |  a new task of that node: {ContainerID}, no service
      | <- the task's id ------------------ |
      |        (the allocator gives it an address, the scheduler confirms its node)
      | <- networks, then the task -------- |  with the node's other tasks
      | -- running -----------------------> |  now all nodes know the container's names
      | -- complete, once it left --------> |  the reaper removes it, the address is free

Asking again for the same container and network, as a node does that lost the answer, gives the same
task. Only networks made attachable may be asked for.
"""

import msgspec
from aiohttp import web

from sampan.errors import Denied, NotFound
from sampan.swarm.model import Network, Task, TaskStatus, new_id
from sampan.swarm.peer.client import Managers, PeerClient
from sampan.swarm.peer.server import MEMBERS, PeerCall, PeerRoute
from sampan.swarm.states import TaskState, has_ended
from sampan.swarm.store.interface import Create, Store
from sampan.wire.services import AttachedContainer, NetworkAttachmentConfig, TaskSpec

ATTACH = "/attachments"


class AttachmentWanted(msgspec.Struct, frozen=True, kw_only=True):
    """`network` is an id or a name; `names` what the container is to be called in it."""

    network: str
    container_id: str
    names: tuple[str, ...] = ()


class NotAttachable(Denied):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"Could not attach to network {name}: rpc error: code = PermissionDenied desc = "
            f"network {name} not manually attachable"
        )


class Attachments:
    """On every manager."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def attach(self, node_id: str, wanted: AttachmentWanted) -> str:
        """The task's id. Raises NotFound, NotAttachable."""
        tables = self._store.tables
        network = tables.find(Network, wanted.network) or tables.find_named(Network, wanted.network)
        if network is None:
            raise NotFound(f"network {wanted.network} not found")
        if not network.attachable:
            raise NotAttachable(network.name)
        found = self._present(node_id, wanted.container_id, network.id)
        if found is not None:
            return found.id
        task = _new_task(node_id, network, wanted)
        await self._store.apply(Create(task))
        return task.id

    def _present(self, node_id: str, container_id: str, network_id: str) -> Task | None:
        for task in self._store.tables.tasks_on(node_id):
            attached = task.spec.NetworkAttachmentSpec
            if attached is None or attached.ContainerID != container_id:
                continue
            if task.desired_state != TaskState.RUNNING or has_ended(task.status.state):
                continue
            if any(each.Target == network_id for each in task.spec.Networks or ()):
                return task
        return None

    def routes(self) -> list[PeerRoute]:
        return [PeerRoute("POST", ATTACH, MEMBERS, self._attach)]

    async def _attach(self, call: PeerCall) -> web.StreamResponse:
        return call.answer(await self.attach(call.node_id, await call.body(AttachmentWanted)))


def _new_task(node_id: str, network: Network, wanted: AttachmentWanted) -> Task:
    place = NetworkAttachmentConfig(Target=network.id, Aliases=list(wanted.names) or None)
    return Task(
        id=new_id(),
        spec=TaskSpec(
            NetworkAttachmentSpec=AttachedContainer(ContainerID=wanted.container_id),
            Networks=[place],
        ),
        node_id=node_id,
        status=TaskStatus(state=TaskState.NEW, message="created"),
        desired_state=TaskState.RUNNING,
    )


class AttachmentCaller:
    """A node's way to ask whichever manager answers."""

    def __init__(self, client: PeerClient, managers: Managers) -> None:
        self._client = client
        self._managers = managers

    async def ask(self, wanted: AttachmentWanted) -> str:
        """The task's id. Raises NotFound, NotAttachable, NoManager."""
        return await self._client.call_any(self._managers, "POST", ATTACH, wanted, kind=str)
