"""The engine's event log: the last events in memory, and a live stream of new ones.

Events are facts about committed changes: whoever changes something publishes after its commit
point. Types, actions and attributes are those of the Engine API (events since API 1.22).
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sampan.lib import gotime
from sampan.lib.broadcast import Broadcaster, Subscription

KEPT = 1024  # dockerd keeps 256; clients ask with `since` for at least those


@dataclass(frozen=True, slots=True)
class Event:
    """`type` container|image|volume|network|daemon|builder; `attributes` as the API names them."""

    type: str
    action: str
    actor_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    scope: str = "local"
    time_ns: int = field(default_factory=gotime.now_ns)


class EventLog:
    """Publishing never blocks; a reader that is too slow loses the oldest events."""

    def __init__(self, *, kept: int = KEPT) -> None:
        self._history: deque[Event] = deque(maxlen=kept)
        self._live: Broadcaster[Event] = Broadcaster()

    def publish(
        self,
        kind: str,
        action: str,
        actor_id: str,
        attributes: Mapping[str, str] | None = None,
        *,
        scope: str = "local",
        time_ns: int = 0,
    ) -> None:
        """`time_ns` 0: now."""
        moment = time_ns or gotime.now_ns()
        event = Event(kind, action, actor_id, dict(attributes or {}), scope, moment)
        self._history.append(event)
        self._live.publish(event)

    def history(self, since_ns: int, until_ns: int | None = None) -> list[Event]:
        return [
            event
            for event in self._history
            if event.time_ns >= since_ns and (until_ns is None or event.time_ns <= until_ns)
        ]

    @contextmanager
    def subscribe(self) -> Iterator[Subscription[Event]]:
        with self._live.subscribe() as subscription:
            yield subscription

    def close(self) -> None:
        """End all live streams (at daemon shutdown)."""
        self._live.close()


Match = Callable[[Event], bool]


async def select(events: AsyncIterator[Event], match: Match) -> AsyncIterator[Event]:
    async for event in events:
        if match(event):
            yield event
