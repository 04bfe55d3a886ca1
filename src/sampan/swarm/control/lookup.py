"""Finding an object by what a user typed, writing it back, and the parts common to all nouns.

The order is Docker's: the full id, then the exact name, then the beginning of an id. A node's
name here is its hostname, which several nodes may share.
"""

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from sampan.errors import InvalidArgument
from sampan.lib import gotime
from sampan.swarm.control.refusals import Ambiguous, NoSuch, OutOfSequence, Taken
from sampan.swarm.model import Node, Object
from sampan.swarm.store.interface import (
    Change,
    NameTaken,
    ObjectMissing,
    OutOfDate,
    Remove,
    Store,
)
from sampan.swarm.store.tables import Tables
from sampan.wire.swarm import ObjectVersion

Item = TypeVar("Item", bound=Object)


def find(tables: Tables, kind: type[Item], text: str) -> Item:
    """Raises NoSuch, Ambiguous."""
    exact = tables.find(kind, text)
    if exact is not None:
        return exact
    for found in (_named(tables, kind, text), tables.find_prefix(kind, text) if text else []):
        if len(found) > 1:
            raise Ambiguous(kind.KIND, text, len(found))
        if found:
            return found[0]
    raise NoSuch(kind.KIND, text)


def _named(tables: Tables, kind: type[Item], text: str) -> Sequence[Item]:
    if kind is Node:
        return [
            node
            for node in tables.all(kind)
            if isinstance(node, Node) and text in {node.description.hostname, node.spec.Name}
        ]
    found = tables.find_named(kind, text)
    return [] if found is None else [found]


def version_of(text: str, kind: str) -> int:
    """The `version` of an update's query. Raises InvalidArgument in dockerd's words."""
    if not text.isascii() or not text.isdecimal():
        raise InvalidArgument(
            f"invalid {kind} version '{text}': strconv.ParseUint: parsing \"{text}\": "
            "invalid syntax"
        )
    return int(text)


def check_version(item: Object, version: int) -> None:
    if item.version != version:
        raise OutOfSequence


async def write(store: Store, *changes: Change) -> int:
    """One transaction, its failures in the words of clients."""
    try:
        return await store.apply(*changes)
    except (OutOfDate, ObjectMissing) as error:
        raise OutOfSequence from error
    except NameTaken as error:
        raise Taken(error.message) from error


async def remove(store: Store, item: Object) -> None:
    """Whatever its version is by now; gone already is as good."""
    current: Object | None = item
    while current is not None:
        try:
            await store.apply(Remove(current))
        except (OutOfDate, ObjectMissing):
            current = store.tables.find(type(item), item.id)
            await asyncio.sleep(0)
        else:
            return


def index_of(version: int) -> ObjectVersion:
    return ObjectVersion(Index=version)


def moment(time_ns: int) -> str:
    return gotime.format_ns(time_ns)
