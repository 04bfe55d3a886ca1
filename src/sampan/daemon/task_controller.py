"""One task's container on this engine: the swarm agent's Controller (agent/executor.py).

    prepare   image -> networks there? -> payload files -> container created (found, if it is there)
    start     started, unless it runs or ran already -> healthy, if it has a health check
    wait      until it ends; an unhealthy one is stopped
    shutdown  stop signal, grace period, kill       remove   container, its volumes, its files

A container belongs to the task whose name and id it carries. Everything looks at what is there
first, so all of it can be done again after a crash.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from sampan.daemon.containers import Lifecycle
from sampan.daemon.task_payloads import PayloadFiles, payloads
from sampan.engine.containers.record import HEALTH_UNHEALTHY, Container
from sampan.engine.containers.registry import ContainerRegistry, NoSuchContainer
from sampan.engine.events import Event, EventLog
from sampan.engine.images.pull import Puller
from sampan.errors import Internal, InvalidArgument, NotFound, NotModified, SampanError
from sampan.lib.log import fields
from sampan.lib.workers import Workers
from sampan.network.service import NetworkService
from sampan.oci.reference import parse_reference
from sampan.registry import keychain
from sampan.store.images import ImageStore
from sampan.swarm.agent import container_spec
from sampan.swarm.agent.container_spec import LABEL, PREDEFINED, PlacedFile
from sampan.swarm.agent.dependencies import Dependencies
from sampan.swarm.agent.executor import UNHEALTHY, NotYet, Observed, TaskExited
from sampan.swarm.agent.templates import Expander
from sampan.swarm.model import ContainerStatus, Node, Task
from sampan.wire.services import PortConfig

log = logging.getLogger(__name__)

LOOK_S = 5.0  # between looks at the state, should an event be lost


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEngine:
    """What controllers use of the engine."""

    lifecycle: Lifecycle
    containers: ContainerRegistry
    images: ImageStore
    puller: Puller
    network: NetworkService
    events: EventLog
    files: PayloadFiles
    workers: Workers


class NetworkMissing(NotYet):
    def __init__(self, network_id: str) -> None:
        super().__init__(f"network {network_id} isn't on this node yet")


class StartFailed(Internal):
    def __init__(self, reason: str) -> None:
        super().__init__(f"starting container failed: {reason}")


def task_id_of(container: Container) -> str:
    """ "" for containers that are no task's."""
    is_ours = container.labels.get(f"{LABEL}.task.name") == container.name
    return container.labels.get(f"{LABEL}.task.id", "") if is_ours else ""


class ContainerController:
    """`node` gives this node as the store had it last."""

    def __init__(
        self,
        engine: TaskEngine,
        task: Task,
        node: Callable[[], Node],
        dependencies: Dependencies,
    ) -> None:
        self._engine = engine
        self._task = task
        self._node = node
        self._dependencies = dependencies

    # --- prepare ----------------------------------------------------------------------------------

    async def prepare(self) -> None:
        image = container_spec.container_of(self._task).Image
        if self._find() is not None:
            return
        await self._pull(image)
        await self._check_networks()
        request = container_spec.create_request(
            self._task,
            self._node(),
            log_driver=self._dependencies.log_driver,
            files=await self._place_files(),
        )
        await self._engine.lifecycle.creator.create(request, name=self._task.name)

    async def _place_files(self) -> list[PlacedFile]:
        """Secrets and configs. Raises PayloadMissing while a manager hasn't sent them."""
        found = payloads(self._task, self._dependencies, Expander(self._task, self._node()))
        return await self._engine.workers.run(self._engine.files.write, self._task.id, found)

    async def _pull(self, image: str) -> None:
        """A failure counts only if there is no such image here: then creation tells."""
        reference = parse_reference(image)
        if reference.digest is not None and await self._is_here(image):
            return
        credentials = self._dependencies.credentials(self._task.service_id)
        pull = self._engine.puller.pull_reference(
            reference if reference.digest or reference.tag else reference.with_tag("latest"),
            platform=None,
            credentials=keychain.from_header(credentials or None),
        )
        try:
            async with aclosing(pull) as progress:
                async for _ in progress:
                    continue
        except SampanError as error:
            log.warning(
                fields("task.pull_failed", task=self._task.id, image=image, why=error.message)
            )

    async def _is_here(self, image: str) -> bool:
        try:
            await self._engine.workers.run(self._engine.images.resolve, image)
        except SampanError:
            return False
        return True

    async def _check_networks(self) -> None:
        for place in self._task.networks:
            if place.network_id in PREDEFINED:
                continue
            try:
                await self._engine.network.get(place.network_id)
            except NotFound as error:
                raise NetworkMissing(place.network_id) from error

    # --- start, wait ------------------------------------------------------------------------------

    async def start(self) -> None:
        container = self._get()
        if not container.state.started_ns:
            await self._place_files()  # they don't outlive a daemon, a created container does
            try:
                await self._engine.lifecycle.starter.start(container.id)
            except NotModified:
                pass  # somebody else was faster
            except SampanError as error:
                raise StartFailed(error.message) from error
        await self._follow(until_healthy=True)

    async def wait(self) -> None:
        await self._follow(until_healthy=False)

    async def _follow(self, *, until_healthy: bool) -> None:
        """Until it is healthy, if that is asked for, or ended."""
        cause = ""
        with self._engine.events.subscribe() as events:
            while True:
                container = self._get()
                state = container.state
                if not state.running:
                    if state.exit_code or cause:
                        raise TaskExited(state.exit_code, cause)
                    return
                if state.health is not None and state.health.status == HEALTH_UNHEALTHY:
                    cause = UNHEALTHY
                    await self.shutdown()
                    continue
                if until_healthy and (state.health is None or state.health.status == "healthy"):
                    return
                try:
                    async with asyncio.timeout(LOOK_S):
                        await _next_of(events, container.id)
                except TimeoutError:
                    continue

    # --- end --------------------------------------------------------------------------------------

    async def shutdown(self) -> None:
        container = self._find()
        if container is None or not container.state.running:
            return
        grace_s = container_spec.grace_s(self._task)
        try:
            await self._engine.lifecycle.stopper.stop(container.id, grace_s)
        except (NotModified, NoSuchContainer):
            return

    async def remove(self) -> None:
        container = self._find()
        if container is not None:
            try:
                await self._engine.lifecycle.remover.remove(container.id, force=True, volumes=True)
            except NoSuchContainer:
                log.debug(fields("task.container_gone", task=self._task.id))
        await self._engine.workers.run(self._engine.files.remove, self._task.id)

    async def observe(self) -> Observed:
        container = self._find()
        if container is None:
            return Observed()
        state = container.state
        status = ContainerStatus(
            container_id=container.id, pid=max(0, state.pid), exit_code=state.exit_code
        )
        return Observed(status, tuple(self._given_ports(container)))

    def _given_ports(self, container: Container) -> list[PortConfig]:
        """Host-mode ports with the numbers that they got."""
        given = {
            (port.proto, port.container_port): port.host_port
            for port in container.ports
            if port.host_port
        }
        return [
            PortConfig(
                Name=port.Name,
                Protocol=port.Protocol or "tcp",
                TargetPort=port.TargetPort,
                PublishedPort=given[port.Protocol or "tcp", port.TargetPort],
                PublishMode="host",
            )
            for port in container_spec.host_ports(self._task)
            if (port.Protocol or "tcp", port.TargetPort) in given
        ]

    # --- the container ----------------------------------------------------------------------------

    def _find(self) -> Container | None:
        """Raises InvalidArgument when a stranger has the task's name."""
        container = self._engine.containers.find(self._task.name)
        if container is None or container.name != self._task.name:
            return None
        if task_id_of(container) != self._task.id:
            raise InvalidArgument(f"the container name {self._task.name} is taken")
        return container

    def _get(self) -> Container:
        found = self._find()
        if found is None:
            raise NoSuchContainer(self._task.name)
        return found


class AttachmentController:
    """A plain container's place in a swarm network: there is nothing to run, only to be there."""

    def __init__(self, engine: TaskEngine, task: Task) -> None:
        self._engine = engine
        self._task = task

    async def prepare(self) -> None:
        for place in self._task.networks:
            try:
                await self._engine.network.get(place.network_id)
            except NotFound as error:
                raise NetworkMissing(place.network_id) from error

    async def start(self) -> None:
        """The container's own start does it."""

    async def wait(self) -> None:
        """Until the task is over: whoever attached takes it back."""
        await asyncio.get_running_loop().create_future()

    async def shutdown(self) -> None:
        """Nothing runs."""

    async def remove(self) -> None:
        """Nothing is there."""

    async def observe(self) -> Observed:
        attached = self._task.spec.NetworkAttachmentSpec
        return Observed(ContainerStatus(container_id=attached.ContainerID) if attached else None)


async def _next_of(events: AsyncIterator[Event], identifier: str) -> None:
    async for event in events:
        if event.actor_id == identifier and event.type == "container":
            return
    await asyncio.get_running_loop().create_future()
