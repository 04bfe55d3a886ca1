"""The store of a swarm's objects: what the rest of the swarm may rely on.

Every manager has a replica of all objects in memory (`tables`), read without waiting. Writes are
transactions of changes, all or none, each against the version that was read; when `apply` returns,
the transaction is durable and the own replica has it. Whoever wants to know of changes watches
commits: every commit after `watch` began, in order, once. Nobody calls anybody: orchestrators,
scheduler, allocator and dispatcher watch, decide and write back.

A write that lost a race raises OutOfDate: read again and decide again. Two leaders at once do no
harm for the same reason.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sampan.errors import AlreadyExists, NotFound, SampanError, Unavailable
from sampan.swarm.model import Object
from sampan.swarm.store.tables import Tables


class OutOfDate(SampanError):
    """Docker's text; clients retry on it (HTTP 500, as there)."""

    def __init__(self) -> None:
        super().__init__("update out of sequence")


class NoQuorum(Unavailable):
    """`trouble`: what is known of the own part of the store."""

    def __init__(self, trouble: str = "") -> None:
        super().__init__(
            "The swarm does not have a leader. It's possible that too few managers are online. "
            "Make sure more than half of the managers are online."
            + (f" The store of this manager doesn't run: {trouble}" if trouble else "")
        )


class ObjectMissing(NotFound):
    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} {name} not found")


class NameTaken(AlreadyExists):
    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"name conflicts with an existing object: {kind} {name} already exists")


@dataclass(frozen=True, slots=True)
class Create:
    """Raises NameTaken; an id that exists is OutOfDate."""

    item: Object


@dataclass(frozen=True, slots=True)
class Update:
    """`item.version` is the version it was made from."""

    item: Object


@dataclass(frozen=True, slots=True)
class Remove:
    """`item.version` counts as with Update."""

    item: Object


Change = Create | Update | Remove


class Action(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Event:
    """`old` is None for a creation. For a removal `item` is the last that was there."""

    action: Action
    item: Object
    old: Object | None


@dataclass(frozen=True, slots=True)
class Commit:
    """One transaction, maybe another manager's. The tables had it when it was handed out."""

    revision: int
    events: tuple[Event, ...]


class Store(Protocol):
    """On one event loop; not thread-safe."""

    @property
    def tables(self) -> Tables:
        """The replica; never changed but by the store, between awaits of the reader."""
        ...

    async def apply(self, *changes: Change) -> int:
        """One transaction; the revision that it became. At most `max_changes` of them.

        Raises OutOfDate, NameTaken, ObjectMissing; NoQuorum when it can't be made durable.
        """
        ...

    def watch(self) -> AbstractContextManager[AsyncIterator[Commit]]:
        """Commits from now on. A replica that had to start afresh shows the difference as one."""
        ...

    @property
    def max_changes(self) -> int: ...
