"""The states of a task, and the laws between them.

    new > pending > assigned > accepted > preparing > ready > starting > running
                                                                     \\      |
                                          complete  shutdown  failed  rejected     (ended)
                                                     remove (desired only)  orphaned

The numbers are swarmkit's, which clients never see; what matters is their order:

- observed state only grows: `may_become` refuses a step back;
- desired state is one of ready, running, shutdown, remove (and complete for jobs), and only grows;
- a task never runs again: whoever wants that makes a new task for the same slot.

Who sets what: orchestrators make tasks new and set desired states; the allocator makes them
pending, the scheduler assigned; from accepted on only the node's agent writes the observed state,
except orphaned (the reaper, when a node is gone for good).
"""

from enum import IntEnum, StrEnum


class TaskState(IntEnum):
    NEW = 0
    PENDING = 64
    ASSIGNED = 192
    ACCEPTED = 256
    PREPARING = 320
    READY = 384
    STARTING = 448
    RUNNING = 512
    COMPLETE = 576
    SHUTDOWN = 640
    FAILED = 704
    REJECTED = 768
    REMOVE = 800
    ORPHANED = 832

    @property
    def word(self) -> str:
        """As the API has it."""
        return self.name.lower()


DESIRED = frozenset(
    {
        TaskState.READY,
        TaskState.RUNNING,
        TaskState.COMPLETE,
        TaskState.SHUTDOWN,
        TaskState.REMOVE,
    }
)


class NodeState(StrEnum):
    UNKNOWN = "unknown"
    DOWN = "down"
    READY = "ready"
    DISCONNECTED = "disconnected"


def has_ended(state: TaskState) -> bool:
    """Nothing of it runs any more."""
    return state > TaskState.RUNNING


def holds_resources(observed: TaskState, desired: TaskState) -> bool:
    """It counts against its node: addresses, ports, CPU and memory are taken or about to be."""
    return observed <= TaskState.RUNNING and (
        desired <= TaskState.COMPLETE or observed >= TaskState.ASSIGNED
    )


def may_become(observed: TaskState, reported: TaskState) -> bool:
    """Whether a report is news: states only grow (an equal state may carry a new message)."""
    return reported >= observed
