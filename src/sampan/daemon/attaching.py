"""Plain containers that join networks of the swarm: this node's side (see swarm.attachments).

    join -> attach: ask a manager -> wait for the task -> address; the sandbox joins with it
    task:   start: its address is here, whoever waits goes on
            wait:  until the container left (or never came); then the task is complete

An attachment lasts as long as the container is in the network. Nothing is recorded here: after a
restart the task is taken up again and ends by itself if its container isn't in the network.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

from sampan.errors import NotFound, Unavailable
from sampan.network.attacher import Place
from sampan.network.model import NoSuchNetwork
from sampan.swarm.agent.executor import Observed
from sampan.swarm.attachments import AttachmentWanted
from sampan.swarm.model import ContainerStatus, Task

PATIENCE_S = 20.0  # for the manager's answer to become a task of this node
JOINING_S = 60.0  # for the container to come after its place was there
LOOK_S = 10.0
AGAIN_S = 0.1

Ask = Callable[[AttachmentWanted], Awaitable[str]]


class Sandboxes(Protocol):
    """The part of network.service.NetworkService that is needed here."""

    async def containers_on(self, network_id: str) -> Collection[str]: ...


class Attaching:
    """A network.attacher.Attacher, and the maker of controllers for attachment tasks."""

    def __init__(self, ask: Ask, sandboxes: Sandboxes) -> None:
        self._ask = ask
        self._sandboxes = sandboxes
        self._places: dict[str, Place] = {}  # by task id
        self._expected: dict[str, float] = {}  # until when a container may still come, by task id
        self._over: set[str] = set()  # tasks that are complete, if managers don't know it yet
        self._news = asyncio.Event()  # replaced whenever it is set

    # --- for networking ------------------------------------------------------------------

    async def attach(self, network: str, container_id: str, names: tuple[str, ...]) -> Place:
        wanted = AttachmentWanted(network=network, container_id=container_id, names=names)
        try:
            async with asyncio.timeout(PATIENCE_S):
                task_id = await self._task_for(wanted)
                while task_id not in self._places:
                    await self._news.wait()
        except NotFound as error:
            raise NoSuchNetwork(network) from error
        except TimeoutError as error:
            raise Unavailable(
                f"attaching to network failed, make sure your network options are correct and "
                f"check manager logs: no address in {network} after {PATIENCE_S:.0f} s"
            ) from error
        return self._places[task_id]

    async def _task_for(self, wanted: AttachmentWanted) -> str:
        """A container that restarts may be given the task that it just left: ask again."""
        while True:
            task_id = await self._ask(wanted)
            if task_id not in self._over:
                self._expect(task_id)
                return task_id
            await asyncio.sleep(AGAIN_S)

    def _expect(self, task_id: str) -> None:
        self._expected[task_id] = asyncio.get_running_loop().time() + JOINING_S

    def left(self, container_id: str) -> None:
        """The container left a network, or all."""
        self._tell()

    # --- for the agent -------------------------------------------------------------------

    def controller(self, task: Task) -> "AttachmentController":
        return AttachmentController(self, task)

    def arrived(self, task: Task) -> None:
        place = task.networks[0]
        self._places[task.id] = Place(place.network_id, place.addresses[0].partition("/")[0])
        self._tell()

    async def over(self, task: Task, container_id: str) -> None:
        """Returns once the container isn't in the network any more, or never came."""
        network_id = task.networks[0].network_id
        loop = asyncio.get_running_loop()
        if task.id not in self._expected:
            self._expect(task.id)  # the daemon started again
        while True:
            news = self._news
            if container_id in await self._sandboxes.containers_on(network_id):
                self._expected.pop(task.id, None)
            elif loop.time() > self._expected.get(task.id, 0.0):
                self._over.add(task.id)
                return
            try:
                async with asyncio.timeout(LOOK_S):
                    await news.wait()
            except TimeoutError:
                continue

    def forget(self, task: Task) -> None:
        self._places.pop(task.id, None)
        self._expected.pop(task.id, None)

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


class AttachmentController:
    """A swarm.agent.executor.Controller: there is nothing to run."""

    def __init__(self, attaching: Attaching, task: Task) -> None:
        self._attaching = attaching
        self._task = task
        attached = task.spec.NetworkAttachmentSpec
        self._container_id = attached.ContainerID if attached else ""

    async def prepare(self) -> None:
        """Its network was applied before."""

    async def start(self) -> None:
        self._attaching.arrived(self._task)

    async def wait(self) -> None:
        self._attaching.arrived(self._task)  # also after a restart
        await self._attaching.over(self._task, self._container_id)
        self._attaching.forget(self._task)

    async def shutdown(self) -> None:
        self._attaching.forget(self._task)

    async def remove(self) -> None:
        self._attaching.forget(self._task)

    async def observe(self) -> Observed:
        return Observed(ContainerStatus(container_id=self._container_id))
