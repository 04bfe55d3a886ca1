"""Which of the nodes that fit is taken next: an order that each placement shifts.

    Levelled   fewest tasks of the service, then fewest tasks (nodes that failed it often last)
    Spread     first the label value with the fewest tasks of the service, level by level

Both find the next node without looking at all of them again. A node that doesn't fit isn't shown
again: all that is placed in one go is alike, and every placement only takes more.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from sampan.swarm.scheduler.constraints import label_value
from sampan.swarm.scheduler.nodeset import NodeInfo, NodeSet, Version

Fits = Callable[[NodeInfo], bool]
Rank = tuple[int, int, int, str]  # penalty, tasks of the service, tasks, id


class Choice(Protocol):
    def take(self, fits: Fits) -> NodeInfo | None:
        """The best that fits; the caller then puts a task there."""
        ...


class _Heap:
    """Nodes in their order. The taken one comes back as it will be with the task."""

    def __init__(self, infos: Iterable[NodeInfo], version: Version, now_ns: int) -> None:
        self._version, self._now_ns = version, now_ns
        self._entries = [(self._rank(info), info) for info in infos]
        heapq.heapify(self._entries)

    def take(self, fits: Fits) -> NodeInfo | None:
        while self._entries:
            info = self._entries[0][1]
            if fits(info):
                heapq.heapreplace(self._entries, (self._rank(info, 1), info))
                return info
            heapq.heappop(self._entries)
        return None

    def add_taken(self, info: NodeInfo) -> None:
        heapq.heappush(self._entries, (self._rank(info, 1), info))

    def _rank(self, info: NodeInfo, more: int = 0) -> Rank:
        penalty = info.penalty(self._version, self._now_ns)
        own = info.by_service.get(self._version[0], 0)
        return penalty, own + more, info.active + more, info.node.id


class Levelled:
    """Nodes that the service isn't on come from the levels of load as they are needed."""

    def __init__(self, nodes: NodeSet, version: Version, now_ns: int) -> None:
        known = nodes.known_to(version)
        self._heap = _Heap(known.values(), version, now_ns)
        self._others = self._unknown(nodes, set(known))

    def take(self, fits: Fits) -> NodeInfo | None:
        for info in self._others:
            if fits(info):
                self._heap.add_taken(info)
                return info
        return self._heap.take(fits)

    def _unknown(self, nodes: NodeSet, known: set[str]) -> Iterator[NodeInfo]:
        for load in nodes.loads():
            for info in nodes.at_load(load):
                if info.node.id not in known:
                    known.add(info.node.id)  # it may rise to a level that is yet to come
                    yield info


class Spread:
    """A tree over label values; its leaves are nodes."""

    def __init__(
        self,
        infos: Sequence[NodeInfo],
        descriptors: Sequence[str],
        version: Version,
        now_ns: int,
    ) -> None:
        self.count = sum(info.by_service.get(version[0], 0) for info in infos)
        self._leaf: _Heap | None = None
        self._branches: list[tuple[int, str, Spread]] = []
        if not descriptors:
            self._leaf = _Heap(infos, version, now_ns)
            return
        by_value: dict[str, list[NodeInfo]] = {}
        for info in infos:
            by_value.setdefault(label_value(descriptors[0], info.node), []).append(info)
        for value, members in by_value.items():
            branch = Spread(members, descriptors[1:], version, now_ns)
            self._branches.append((branch.count, value, branch))
        heapq.heapify(self._branches)

    def take(self, fits: Fits) -> NodeInfo | None:
        info = self._leaf.take(fits) if self._leaf else self._take_from_branch(fits)
        if info is not None:
            self.count += 1
        return info

    def _take_from_branch(self, fits: Fits) -> NodeInfo | None:
        while self._branches:
            _, value, branch = self._branches[0]
            info = branch.take(fits)
            if info is not None:
                heapq.heapreplace(self._branches, (branch.count, value, branch))
                return info
            heapq.heappop(self._branches)
        return None


def choice_for(nodes: NodeSet, descriptors: Sequence[str], version: Version, now_ns: int) -> Choice:
    if descriptors:
        return Spread(list(nodes.all()), descriptors, version, now_ns)
    return Levelled(nodes, version, now_ns)
