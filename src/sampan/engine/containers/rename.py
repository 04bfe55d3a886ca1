"""Renaming a container, also where its networks know it by its name."""

from functools import partial

from sampan.engine.containers import record
from sampan.engine.containers.names import InvalidName, check_name
from sampan.engine.containers.networking import Networking
from sampan.engine.containers.registry import ContainerRegistry, NameTaken
from sampan.engine.events import EventLog
from sampan.errors import Conflict, InvalidArgument


class Renamer:
    def __init__(
        self, *, registry: ContainerRegistry, networking: Networking, events: EventLog
    ) -> None:
        self._registry = registry
        self._networking = networking
        self._events = events

    async def rename(self, text: str, name: str) -> None:
        """Raises NoSuchContainer, Conflict (name taken) and InvalidArgument (impossible name)."""
        found = self._registry.get(text)
        if not name:
            raise InvalidArgument("Neither old nor new names may be empty")
        async with self._registry.lock(found.id):
            before = self._registry.get(found.id)
            if name.removeprefix("/") == before.name:
                raise InvalidArgument("Renaming a container with the same name as its current name")
            try:
                wanted = check_name(name)
                reserved = self._registry.reserved(wanted, before.id)
                with reserved:
                    after = await self._registry.update(
                        before.id, partial(record.renamed, name=wanted)
                    )
            except NameTaken as error:
                raise Conflict(f"Error when allocating new name: {error.message}") from error
            except InvalidName as error:
                raise InvalidArgument(f"Error when allocating new name: {error.message}") from error
            self._registry.release(before.name)
            await self._networking.rename(after)
        attributes = record.event_attributes(after, oldName=f"/{before.name}")
        self._events.publish("container", "rename", after.id, attributes)
