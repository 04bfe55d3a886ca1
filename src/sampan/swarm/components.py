"""What the leader runs besides the dispatcher: allocator, scheduler, orchestrators, reapers.

    service --orchestrators--> task new --allocator--> pending --scheduler--> assigned --> agents
                   ^                                                             |
                   +---------------- restarter, updates, reapers <---------------+

They share nothing but the store: each watches it, and each may be started on any manager at any
time. Only the starter and the updates are told of by those that make tasks for them.
"""

from collections.abc import Sequence
from typing import Protocol

from sampan.lib.clock import Clock
from sampan.swarm.allocator.allocator import Allocator
from sampan.swarm.orchestrator.enforcer import ConstraintEnforcer
from sampan.swarm.orchestrator.global_ import GlobalServices
from sampan.swarm.orchestrator.jobs import Jobs
from sampan.swarm.orchestrator.reaper import (
    HistoryReaper,
    OrphanReaper,
    ServiceRemoval,
    TaskReaper,
)
from sampan.swarm.orchestrator.replicated import ReplicatedServices
from sampan.swarm.orchestrator.restart import Restarter
from sampan.swarm.orchestrator.starter import Starter
from sampan.swarm.orchestrator.update import Updates
from sampan.swarm.scheduler.scheduler import Scheduler
from sampan.swarm.store.interface import Store


class Component(Protocol):
    async def run(self) -> None:
        """Until cancelled; made anew for the next time."""
        ...


def components(store: Store, clock: Clock) -> Sequence[Component]:
    """Fresh ones, for one term of leadership."""
    starter = Starter(store, clock)
    updates = Updates(store, clock, starter)
    return (
        Allocator(store, clock),
        Scheduler(store, clock),
        starter,
        updates,
        Restarter(store, clock, starter),
        ReplicatedServices(store, clock, starter, updates),
        GlobalServices(store, clock, starter, updates),
        Jobs(store, clock),
        ConstraintEnforcer(store, clock),
        ServiceRemoval(store, clock),
        TaskReaper(store, clock),
        HistoryReaper(store, clock),
        OrphanReaper(store, clock),
    )
