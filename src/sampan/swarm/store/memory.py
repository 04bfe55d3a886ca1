"""A store in memory alone: for tests, and for the simulation of large swarms.

It obeys the same contract as the one on etcd (tests/contract); `clock` gives the times of objects.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager

import msgspec

from sampan.lib import gotime
from sampan.swarm.model import Object
from sampan.swarm.store.checks import check
from sampan.swarm.store.interface import (
    Action,
    Change,
    Commit,
    Create,
    Event,
    Remove,
)
from sampan.swarm.store.tables import Tables
from sampan.swarm.store.watch import Watchers


class MemoryStore:
    """See interface.Store."""

    max_changes = 4096

    def __init__(self, clock: Callable[[], int] = gotime.now_ns) -> None:
        self._clock = clock
        self._tables = Tables()
        self._watchers = Watchers()

    @property
    def tables(self) -> Tables:
        return self._tables

    async def apply(self, *changes: Change) -> int:
        check(self._tables, changes)
        if not changes:
            return self._tables.revision
        revision, now_ns = self._tables.revision + 1, self._clock()
        events = tuple(self._carry_out(change, revision, now_ns) for change in changes)
        self._tables.revision = revision
        self._watchers.publish(Commit(revision, events))
        return revision

    def watch(self) -> AbstractContextManager[AsyncIterator[Commit]]:
        return self._watchers.watch()

    def close(self) -> None:
        self._watchers.close()

    def _carry_out(self, change: Change, revision: int, now_ns: int) -> Event:
        item = change.item
        if isinstance(change, Remove):
            old = self._tables.drop(item.KIND, item.id)
            return Event(Action.REMOVED, old or item, old)
        stored = stamped(item, revision, now_ns, is_new=isinstance(change, Create))
        old = self._tables.put(stored)
        action = Action.CREATED if isinstance(change, Create) else Action.UPDATED
        return Event(action, stored, old)


def stamped(item: Object, revision: int, now_ns: int, *, is_new: bool) -> Object:
    """The object as it is stored: with its version and times."""
    created_ns = now_ns if is_new else item.created_ns
    return msgspec.structs.replace(item, version=revision, created_ns=created_ns, updated_ns=now_ns)
