"""Tasks by which plain containers are in networks of the swarm."""

import pytest
from msgspec.structs import replace

from sampan.errors import NotFound
from sampan.swarm.attachments import Attachments, AttachmentWanted, NotAttachable
from sampan.swarm.model import Network, Task, TaskStatus
from sampan.swarm.states import TaskState
from sampan.swarm.store.interface import Create, Update
from sampan.swarm.store.memory import MemoryStore

pytestmark = pytest.mark.anyio

WANTED = AttachmentWanted(network="app", container_id="c1", names=("shell",))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def store() -> MemoryStore:
    made = MemoryStore()
    await made.apply(
        Create(Network(id="n1", name="app", attachable=True)),
        Create(Network(id="n2", name="closed")),
    )
    return made


async def test_a_container_gets_a_task_of_its_node(store: MemoryStore) -> None:
    task_id = await Attachments(store).attach("node1", WANTED)
    task = store.tables.find(Task, task_id)
    assert task is not None
    assert (task.node_id, task.service_id, task.desired_state) == (
        "node1",
        "",
        TaskState.RUNNING,
    )
    assert task.status.state == TaskState.NEW
    (place,) = task.spec.Networks or ()
    assert (place.Target, place.Aliases) == ("n1", ["shell"])
    assert task.spec.NetworkAttachmentSpec is not None
    assert task.spec.NetworkAttachmentSpec.ContainerID == "c1"


async def test_asking_again_gives_the_same_task_while_it_lasts(store: MemoryStore) -> None:
    attachments = Attachments(store)
    first = await attachments.attach("node1", WANTED)
    assert await attachments.attach("node1", replace(WANTED, network="n1")) == first
    assert await attachments.attach("node2", WANTED) != first
    assert await attachments.attach("node1", replace(WANTED, container_id="c2")) != first
    task = store.tables.find(Task, first)
    assert task is not None
    await store.apply(Update(replace(task, status=TaskStatus(state=TaskState.COMPLETE))))
    assert await attachments.attach("node1", WANTED) != first


async def test_only_attachable_networks(store: MemoryStore) -> None:
    with pytest.raises(NotAttachable, match="network closed not manually attachable"):
        await Attachments(store).attach("node1", replace(WANTED, network="closed"))
    with pytest.raises(NotFound, match="network nosuch not found"):
        await Attachments(store).attach("node1", replace(WANTED, network="nosuch"))
    assert store.tables.count(Task) == 0
