"""What an agent needs of the machine that runs containers, and the failures that it knows.

One `Controller` for each task. Its methods are awaited one at a time by the task's manager, may be
cancelled at any await, and are called again after that or after a restart of the daemon: each looks
at what is there and goes on from it.

Failures: `NotYet` passes by itself and is tried again; `TaskExited` tells how a container ended;
any other SampanError is final (see advance.py for what it makes of the task).
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from sampan.errors import SampanError, Unavailable
from sampan.swarm.agent.dependencies import Dependencies
from sampan.swarm.messages import LogLine, LogOptions
from sampan.swarm.model import ContainerStatus, Node, NodeDescription, Task
from sampan.swarm.networkstate import NodeNetworks
from sampan.wire.services import PortConfig


class NotYet(Unavailable):
    """Something on its way isn't here: a network, a secret, the registry of a moment ago."""


class TaskExited(SampanError):
    """The container ended with another status than 0; `cause` as dockerd words it."""

    def __init__(self, exit_code: int, cause: str = "") -> None:
        super().__init__(
            f"task: non-zero exit ({exit_code}): {cause}"
            if cause
            else f"task: non-zero exit ({exit_code})"
        )
        self.exit_code = exit_code


UNHEALTHY = "dockerexec: unhealthy container"


@dataclass(frozen=True, slots=True)
class Observed:
    """What is there of a task: None without a container."""

    container: ContainerStatus | None = None
    ports: tuple[PortConfig, ...] = ()


class Controller(Protocol):
    async def prepare(self) -> None:
        """Image, networks, files; the container is made."""

    async def start(self) -> None:
        """Returns when it runs; with a health check, when it is healthy. A started one is fine.

        Raises TaskExited also when it ended well before it was healthy.
        """

    async def wait(self) -> None:
        """Returns when it ended with 0. Raises TaskExited; an unhealthy one is stopped first."""

    async def shutdown(self) -> None:
        """Stopped with its grace period when this returns. Nothing there, or ended, is fine."""

    async def remove(self) -> None:
        """Nothing of the task is left: container, anonymous volumes, files."""

    async def observe(self) -> Observed: ...


class Executor(Protocol):
    async def describe(self) -> NodeDescription: ...

    async def configure(self, node: Node) -> None:
        """The node as the store has it; before any task, and with each change."""

    async def networks(self, networks: NodeNetworks) -> None:
        """Applied when this returns, or a failure logged: the next state comes anyway."""

    def controller(self, task: Task, dependencies: Dependencies) -> Controller:
        """Touches nothing yet."""

    async def sweep(self, keep: frozenset[str]) -> None:
        """Remove what belongs to tasks of other ids: left over from a former life."""

    def logs(self, task: Task, options: LogOptions) -> AsyncGenerator[LogLine, None]:
        """Raises SampanError when the log can't be read."""
