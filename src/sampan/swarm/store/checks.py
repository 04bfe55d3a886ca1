"""What a transaction may do, as far as a replica can tell: the same for every store.

An object may be in a transaction once. Names are judged against the state before: a name that a
transaction frees isn't free for another object of the same transaction.
"""

from collections.abc import Sequence

from sampan.swarm.store.interface import (
    Change,
    Create,
    NameTaken,
    ObjectMissing,
    OutOfDate,
    Remove,
)
from sampan.swarm.store.tables import Tables


def check(tables: Tables, changes: Sequence[Change]) -> None:
    """Raises OutOfDate, ObjectMissing, NameTaken."""
    objects: set[tuple[str, str]] = set()
    names: set[tuple[str, str]] = set()
    for change in changes:
        item = change.item
        if (item.KIND, item.id) in objects:
            raise OutOfDate
        objects.add((item.KIND, item.id))
        _check_version(tables, change)
        name = item.unique_name
        if isinstance(change, Remove) or name is None:
            continue
        holder = tables.find_named(type(item), name)
        if (item.KIND, name) in names or (holder is not None and holder.id != item.id):
            raise NameTaken(item.KIND, name)
        names.add((item.KIND, name))


def _check_version(tables: Tables, change: Change) -> None:
    there = tables.find(type(change.item), change.item.id)
    if isinstance(change, Create):
        if there is not None:
            raise OutOfDate
    elif there is None:
        raise ObjectMissing(change.item.KIND, change.item.id)
    elif there.version != change.item.version:
        raise OutOfDate
