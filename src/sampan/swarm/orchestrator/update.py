"""Rolling updates and rollbacks: slots of an older spec are replaced, a few at a time.

    (none) --> updating --> completed                 rollback_started --> rollback_completed
                  |  |                                   ^      |
                  |  +--> failures, action rollback -----+      +--> failures --> rollback_paused
                  +--> failures, action pause --> paused

Orchestrators show the slots of a service (`consider`); if some are dirty an `Update` runs until it
is done, stopped by failures, or replaced because the service has another spec. Workers take slots:

    stop-first   new task desired ready, old ones shut down; the starter lets the new one run
    start-first  new task desired running; old ones shut down once it runs

A failure is a new task that ended before it ran or within the monitor period after. All progress
can be read off the tasks: a leader that takes over shows the slots again and goes on, watching
anew.
"""

import logging
from collections.abc import Iterable, Sequence

import anyio
from anyio.abc import TaskGroup

from sampan.errors import SampanError
from sampan.lib import log
from sampan.lib.clock import Clock
from sampan.swarm.model import Node, Service, Task
from sampan.swarm.orchestrator.rollout import GOING_ON, Rolling, begin_status, finish_status
from sampan.swarm.orchestrator.starter import Starter
from sampan.swarm.orchestrator.tasks import Slot, is_slot_dirty, is_wanted
from sampan.swarm.store.interface import Action, Event, Store
from sampan.swarm.store.tables import Place, place_of

STOPPED = frozenset({"paused", "rollback_paused"})

Request = tuple[Service, list[Slot]]

logger = logging.getLogger(__name__)


class Updates:
    """All updates that run. One for a service at most."""

    def __init__(self, store: Store, clock: Clock, starter: Starter) -> None:
        self._store = store
        self._clock = clock
        self._starter = starter
        self._running: dict[str, Rolling] = {}
        self._requests: dict[str, Request] = {}
        self._wake = anyio.Event()

    def consider(self, service: Service, slots: Sequence[Slot]) -> None:
        """Called with each look at a service: `slots` are all that shall stay."""
        state = service.update_status.state if service.update_status else ""
        running = self._running.get(service.id)
        if running is not None and running.is_for(service):
            return  # also when it is paused: slots that are half done are brought to an end
        if state in STOPPED:
            self._cancel(service.id)
            return
        if running is None and state not in GOING_ON and not self.has_dirty(service, slots):
            return
        self._requests[service.id] = (service, list(slots))
        self._wake.set()

    def has_dirty(self, service: Service, slots: Iterable[Slot]) -> bool:
        return any(is_slot_dirty(service, slot, self._find_node) for slot in slots)

    async def run(self) -> None:
        self._running.clear()
        with self._store.watch() as commits:
            async with anyio.create_task_group() as group:
                group.start_soon(self._serve, group)
                async for commit in commits:
                    for event in commit.events:
                        self._note(event)
                group.cancel_scope.cancel()

    def _note(self, event: Event) -> None:
        item = event.item
        if isinstance(item, Task):
            running = self._running.get(item.service_id)
            if running is not None:
                running.note(item, gone=event.action == Action.REMOVED)
        elif isinstance(item, Service) and event.action == Action.REMOVED:
            self._cancel(item.id)

    def _cancel(self, service_id: str) -> None:
        self._requests.pop(service_id, None)
        running = self._running.pop(service_id, None)
        if running is not None:
            running.scope.cancel()

    async def _serve(self, group: TaskGroup) -> None:
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            requests, self._requests = self._requests, {}
            for service, slots in requests.values():
                self._cancel(service.id)
                rolling = Rolling(self._store, self._clock, self._starter, service, slots)
                self._running[service.id] = rolling
                group.start_soon(self._carry_out, rolling)

    async def _carry_out(self, rolling: Rolling) -> None:
        """One update from its first status to its last."""
        service_id = rolling.service.id
        try:
            with rolling.scope:
                if rolling.dirty:
                    await rolling.record(begin_status)
                    finished = await rolling.run()
                else:
                    finished = True
                if finished:
                    await rolling.record(finish_status)
        except SampanError as error:
            # the status still says that it goes on: the next look at the service starts it again
            logger.warning(log.fields("update failed", service=service_id, error=error.message))
        finally:
            if self._running.get(service_id) is rolling:
                del self._running[service_id]
        self._look_again(rolling)

    def _look_again(self, rolling: Rolling) -> None:
        """Slots that got dirty meanwhile (a second task in a slot) are taken by another round."""
        service = self._store.tables.find(Service, rolling.service.id)
        if service is None or rolling.scope.cancel_called or rolling.stopped or not rolling.dirty:
            return
        slots: dict[Place, Slot] = {}
        for task in self._store.tables.tasks_of(service.id):
            if is_wanted(task):
                slots.setdefault(place_of(task), []).append(task)
        if self.has_dirty(service, slots.values()):
            self.consider(service, list(slots.values()))

    def _find_node(self, node_id: str) -> Node | None:
        return self._store.tables.find(Node, node_id)
