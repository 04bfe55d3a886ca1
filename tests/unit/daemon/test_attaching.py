"""This node's side of containers in networks of the swarm: asking, waiting, and the end."""

import asyncio

import pytest
from msgspec.structs import replace

from sampan.daemon import attaching as module
from sampan.daemon.attaching import Attaching
from sampan.errors import NotFound, Unavailable
from sampan.network.attacher import Place
from sampan.network.model import NoSuchNetwork
from sampan.swarm.attachments import AttachmentWanted
from sampan.swarm.model import Attachment, Task
from sampan.wire.services import AttachedContainer, TaskSpec

pytestmark = pytest.mark.anyio

TASK = Task(
    id="t1",
    spec=TaskSpec(NetworkAttachmentSpec=AttachedContainer(ContainerID="c1")),
    networks=(Attachment(network_id="n1", addresses=("10.0.1.5/24",)),),
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Sandboxes:
    def __init__(self) -> None:
        self.there: set[str] = set()

    async def containers_on(self, network_id: str) -> set[str]:
        return self.there if network_id == "n1" else set()


class Manager:
    def __init__(self) -> None:
        self.asked: list[AttachmentWanted] = []
        self.answers: list[str] = []

    async def ask(self, wanted: AttachmentWanted) -> str:
        self.asked.append(wanted)
        if self.answers:
            return self.answers.pop(0)
        if wanted.network == "nosuch":
            raise NotFound("network nosuch not found")
        return "t1"


async def test_a_place_is_there_once_its_task_is() -> None:
    manager, sandboxes = Manager(), Sandboxes()
    attaching = Attaching(manager.ask, sandboxes)
    asking = asyncio.ensure_future(attaching.attach("app", "c1", ("shell",)))
    await asyncio.sleep(0)
    assert not asking.done()
    await attaching.controller(TASK).start()
    assert await asking == Place("n1", "10.0.1.5")
    assert manager.asked == [AttachmentWanted(network="app", container_id="c1", names=("shell",))]


async def test_the_task_lasts_until_its_container_left() -> None:
    sandboxes = Sandboxes()
    attaching = Attaching(Manager().ask, sandboxes)
    watching = asyncio.ensure_future(attaching.controller(TASK).wait())
    await asyncio.sleep(0)
    assert not watching.done()  # it may still come
    sandboxes.there = {"c1", "c2"}
    attaching.left("c3")
    await asyncio.sleep(0)
    sandboxes.there = {"c2"}
    attaching.left("c1")
    await watching


async def test_a_container_that_restarts_is_not_given_the_place_that_it_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0)
    manager, sandboxes = Manager(), Sandboxes()
    attaching = Attaching(manager.ask, sandboxes)
    watching = asyncio.ensure_future(attaching.controller(TASK).wait())
    sandboxes.there = {"c1"}
    await asyncio.sleep(0)
    sandboxes.there = set()
    attaching.left("c1")
    await watching
    manager.answers = ["t1", "t1", "t2"]  # the manager hears late that t1 is complete
    asking = asyncio.ensure_future(attaching.attach("app", "c1", ()))
    other = replace(
        TASK, id="t2", networks=(Attachment(network_id="n1", addresses=("10.0.1.6/24",)),)
    )
    await attaching.controller(other).start()
    assert await asking == Place("n1", "10.0.1.6")


async def test_a_place_stays_while_its_container_comes_back() -> None:
    sandboxes = Sandboxes()
    attaching = Attaching(Manager().ask, sandboxes)
    watching = asyncio.ensure_future(attaching.controller(TASK).wait())
    sandboxes.there = {"c1"}
    await asyncio.sleep(0)
    sandboxes.there = set()
    assert await attaching.attach("app", "c1", ()) == Place("n1", "10.0.1.5")
    attaching.left("c1")  # of the run before
    await asyncio.sleep(0)
    assert not watching.done()
    watching.cancel()


async def test_a_container_that_never_comes_has_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "JOINING_S", -1)
    await Attaching(Manager().ask, Sandboxes()).controller(TASK).wait()


async def test_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0)
    attaching = Attaching(Manager().ask, Sandboxes())
    with pytest.raises(NoSuchNetwork, match="network nosuch not found"):
        await attaching.attach("nosuch", "c1", ())
    with pytest.raises(Unavailable, match="attaching to network failed"):
        await attaching.attach("app", "c1", ())
