"""CPU, memory and generic resources: what nodes have, and what tasks reserve.

Generic resources are counted by kind. A node may have them as a number (`ssd=3`) or as named
pieces (`gpu=a`, `gpu=b`); tasks always ask for a number, and are told which pieces they got.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from sampan.swarm.model import Task
from sampan.wire.services import (
    DiscreteResource,
    GenericResource,
    NamedResource,
    ResourceAmounts,
)

Piece = tuple[str, str]  # kind and name


@dataclass(slots=True)
class Amounts:
    """What is free of a node; or, never changed then, what a task wants."""

    nano_cpus: int = 0
    memory_bytes: int = 0
    kinds: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, asked: ResourceAmounts | None) -> Self:
        if asked is None:
            return cls()
        kinds: dict[str, int] = {}
        for resource in asked.GenericResources or ():
            for kind, count in _counted(resource):
                kinds[kind] = kinds.get(kind, 0) + count
        return cls(asked.NanoCPUs, asked.MemoryBytes, kinds)

    @classmethod
    def of_node(cls, resources: ResourceAmounts) -> Self:
        return cls.of(resources)

    @classmethod
    def of_task(cls, task: Task) -> Self:
        """Its reservations; limits don't count."""
        asked = task.spec.Resources
        return cls.of(asked.Reservations if asked else None)

    @property
    def is_nothing(self) -> bool:
        return not (self.nano_cpus or self.memory_bytes or self.kinds)

    def covers(self, wanted: Self) -> bool:
        """What isn't asked for isn't looked at, however little there is."""
        return (
            (not wanted.nano_cpus or wanted.nano_cpus <= self.nano_cpus)
            and (not wanted.memory_bytes or wanted.memory_bytes <= self.memory_bytes)
            and all(count <= self.kinds.get(kind, 0) for kind, count in wanted.kinds.items())
        )

    def take(self, wanted: Self) -> None:
        self._add(wanted, -1)

    def give_back(self, wanted: Self) -> None:
        self._add(wanted, 1)

    def _add(self, wanted: Self, sign: int) -> None:
        self.nano_cpus += sign * wanted.nano_cpus
        self.memory_bytes += sign * wanted.memory_bytes
        for kind, count in wanted.kinds.items():
            self.kinds[kind] = self.kinds.get(kind, 0) + sign * count


def _counted(resource: GenericResource) -> Iterator[tuple[str, int]]:
    if resource.NamedResourceSpec is not None:
        yield resource.NamedResourceSpec.Kind, 1
    if resource.DiscreteResourceSpec is not None:
        yield resource.DiscreteResourceSpec.Kind, resource.DiscreteResourceSpec.Value


def pieces_of(resources: Iterable[GenericResource] | None) -> list[Piece]:
    found = (resource.NamedResourceSpec for resource in resources or ())
    return [(named.Kind, named.Value) for named in found if named is not None]


def assign(
    wanted: Mapping[str, int], has: Iterable[Piece], taken: Iterable[Piece]
) -> tuple[GenericResource, ...]:
    """Which generic resources a task gets; there are enough of them."""
    pieces, gone = list(has), set(taken)
    given: list[GenericResource] = []
    for kind, count in wanted.items():
        named = [piece for piece in pieces if piece[0] == kind]
        if not named:
            given.append(
                GenericResource(DiscreteResourceSpec=DiscreteResource(Kind=kind, Value=count))
            )
            continue
        for _, name in [piece for piece in named if piece not in gone][:count]:
            given.append(GenericResource(NamedResourceSpec=NamedResource(Kind=kind, Value=name)))
    return tuple(given)
