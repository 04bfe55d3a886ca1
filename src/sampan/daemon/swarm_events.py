"""What happens in the swarm, told to this manager's clients (`docker events`, scope swarm)."""

from sampan.engine.events import EventLog
from sampan.lib import gotime
from sampan.swarm.control.happenings import happening
from sampan.swarm.store.interface import Store


class SwarmEvents:
    """One of a manager's components."""

    def __init__(self, store: Store, events: EventLog) -> None:
        self._store = store
        self._events = events

    async def run(self) -> None:
        with self._store.watch() as commits:
            async for commit in commits:
                for event in commit.events:
                    if (found := happening(event)) is not None:
                        self._events.publish(
                            found.type,
                            found.action,
                            found.actor_id,
                            found.attributes,
                            scope="swarm",
                            time_ns=found.time_ns or gotime.now_ns(),
                        )
