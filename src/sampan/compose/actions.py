"""What a plan consists of: one action a change, each with its reason.

    image      pull, build
    network    create, recreate          volume   create, recreate
    container  create, recreate, start, stop, remove, rename, keep

`after` names actions that must have ended first. `keep` changes nothing; it is there so that a plan
tells of every container.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from sampan.compose.observe import ObservedContainer
from sampan.lib.records import Record


class Kind(StrEnum):
    PULL = "pull"
    BUILD = "build"
    CREATE = "create"
    RECREATE = "recreate"
    START = "start"
    STOP = "stop"
    REMOVE = "remove"
    RENAME = "rename"
    KEEP = "keep"


class Subject(StrEnum):
    IMAGE = "image"
    NETWORK = "network"
    VOLUME = "volume"
    CONTAINER = "container"


class Action(Record, frozen=True, kw_only=True):
    """`name` is what it is called on the engine, `key` the service, network or volume it is of.

    `container` is the existing one that is changed or replaced. `optional`: a failure isn't one
    (a pull of an image that can be built instead).
    """

    kind: Kind
    subject: Subject
    name: str
    reason: str
    key: str = ""
    number: int = 0
    container: ObservedContainer | None = None
    optional: bool = False
    after: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        return f"{self.kind} {self.subject} {self.name}"


class Plan(Record, frozen=True, kw_only=True):
    """Actions in an order in which they could be done one by one, and what is left alone."""

    actions: tuple[Action, ...] = ()
    orphans: tuple[ObservedContainer, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def changes(self) -> tuple[Action, ...]:
        return tuple(action for action in self.actions if action.kind is not Kind.KEEP)

    def lines(self) -> Iterator[str]:
        """One line an action, as a dry run shows them."""
        for action in self.actions:
            yield f"{action.kind:<8} {action.subject:<9} {action.name}: {action.reason}"


def ids(actions: Iterable[Action]) -> frozenset[str]:
    return frozenset(action.id for action in actions)
