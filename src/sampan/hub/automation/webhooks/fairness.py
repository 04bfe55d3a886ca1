"""Which of the deliveries that are due go first, so that slow receivers only hold themselves up.

An attempt may take 15 seconds and attempts at once are limited. At most so many are for one host
(a slow machine), for one repository's owner (whoever makes many slow ones); among the rest a free
place goes to the owner, then the host, with the fewest under way, then to who waits longest. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

AT_ONCE = 64
PER_HOST = 4
PER_OWNER = 24


@dataclass(frozen=True, slots=True)
class Waiting:
    """A delivery that is due, or under way; `owner_id` is the repository's namespace."""

    id: str
    host: str
    owner_id: int


def choose(waiting: Sequence[Waiting], busy: Iterable[Waiting]) -> list[Waiting]:
    """Those to begin now, out of `waiting`, of which the first waits longest."""
    under_way = list(busy)
    hosts = Counter(each.host for each in under_way)
    owners = Counter(each.owner_id for each in under_way)
    left = list(waiting)
    chosen: list[Waiting] = []
    while left and len(under_way) + len(chosen) < AT_ONCE:
        free = [
            each for each in left
            if hosts[each.host] < PER_HOST and owners[each.owner_id] < PER_OWNER
        ]  # fmt: skip
        if not free:
            break
        best = min(free, key=lambda each: (owners[each.owner_id], hosts[each.host]))
        hosts[best.host] += 1
        owners[best.owner_id] += 1
        chosen.append(best)
        left = [each for each in free if each is not best]
    return chosen
