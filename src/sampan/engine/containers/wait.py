"""Waiting for a container to end: registered first, awaited later.

Clients send the wait before the start and must see its headers at once; `Waiter.register` finds out
at once whether the container exists, the ticket's `result` blocks.
"""

import asyncio
from dataclasses import dataclass

from sampan.engine.containers.live import LiveContainers, Outcome
from sampan.engine.containers.registry import ContainerRegistry
from sampan.errors import InvalidArgument

NOT_RUNNING = "not-running"
NEXT_EXIT = "next-exit"
REMOVED = "removed"
CONDITIONS = (NOT_RUNNING, NEXT_EXIT, REMOVED)


class InvalidCondition(InvalidArgument):
    def __init__(self, condition: str) -> None:
        super().__init__(f'invalid condition: "{condition}"')


@dataclass(frozen=True, slots=True)
class Ticket:
    """One wait. `cancel` when the client goes away."""

    _future: asyncio.Future[Outcome]

    async def result(self) -> Outcome:
        return await asyncio.shield(self._future)

    def cancel(self) -> None:
        self._future.cancel()


class Waiter:
    def __init__(self, *, registry: ContainerRegistry, live: LiveContainers) -> None:
        self._registry = registry
        self._live = live

    def register(self, text: str, condition: str = "") -> Ticket:
        """Raises NoSuchContainer or InvalidCondition; from here on no end is missed."""
        if condition not in {"", *CONDITIONS}:
            raise InvalidCondition(condition)
        container = self._registry.get(text)
        if condition == REMOVED:
            return Ticket(self._live.wait_for_removal(container.id))
        if condition == NEXT_EXIT or container.state.running:
            return Ticket(self._live.wait_for_exit(container.id))
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        done.set_result(Outcome(container.state.exit_code))
        return Ticket(done)
