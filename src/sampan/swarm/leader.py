"""Which manager leads, and what only that one does.

The leader is the manager whose etcd member leads: asked of the own member ten times a second. Where
the etcd isn't the managers' own, it is the one that etcd.election chose. Its components
(orchestrators, allocator, scheduler, role changes ...) run for as long as it leads. For a moment
two managers may believe to lead; that does no harm: every write compares revisions.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from sampan.errors import SampanError
from sampan.lib.log import fields
from sampan.swarm.etcd.client import EtcdRefused, EtcdSilent
from sampan.swarm.etcd.members import Roster, Status

log = logging.getLogger(__name__)

AGAIN_S = 1.0  # before a component that failed is started again


class Component(Protocol):
    async def run(self) -> None: ...


class Crew:
    """Components that run side by side; one that fails is started again."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, components: Sequence[Component]) -> None:
        loop = asyncio.get_running_loop()
        for component in components:
            name = type(component).__name__
            self._tasks.append(loop.create_task(_kept(component, name), name=name))

    async def stop(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _kept(component: Component, name: str) -> None:
    while True:
        try:
            await component.run()
            return
        except SampanError as error:
            log.warning(fields("swarm component stopped", component=name, reason=error.message))
        except Exception:
            log.exception(fields("swarm component failed", component=name))
        await asyncio.sleep(AGAIN_S)


class Leadership:
    """`status` is the own member's last answer; None while it gives none."""

    def __init__(self, members: Roster, components: Callable[[], Sequence[Component]]) -> None:
        self.status: Status | None = None
        self._members = members
        self._components = components

    @property
    def leads(self) -> bool:
        return self.status is not None and self.status.leads

    @property
    def leader(self) -> str:
        """The member that leads, "" while there's none."""
        return self.status.leader if self.status else ""

    async def run(self) -> None:
        crew, led = Crew(), False
        try:
            while True:
                await self._ask()
                if self.leads and not led:
                    log.info("this manager leads")
                    crew.start(self._components())
                elif led and not self.leads:
                    log.info("this manager doesn't lead any more")
                    await crew.stop()
                led = self.leads
                await asyncio.sleep(self._members.period_s)
        finally:
            self.status = None
            await crew.stop()

    async def _ask(self) -> None:
        try:
            self.status = await self._members.status()
        except (EtcdSilent, EtcdRefused):
            self.status = None
