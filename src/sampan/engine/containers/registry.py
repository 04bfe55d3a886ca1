"""The containers of one daemon: the only owner of their records and names.

Records are read from memory and changed by `update`, which commits the new record to the metadata
database before anyone sees it. `lock` is the lifecycle lock of one container: held over a whole
start, exit, removal or rename, never while waiting for a process to end. Single changes need no
lock: `update` applies them to the newest record, one after the other.

A name belongs to its container from `reserve` (before the container is committed) to `remove`.
All methods run on the event loop.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

from sampan.engine.containers import record
from sampan.engine.containers.record import Container
from sampan.errors import Conflict, InvalidArgument, NotFound
from sampan.lib.ids import ContainerId
from sampan.lib.locks import KeyedLocks
from sampan.lib.workers import Workers
from sampan.store.metadata import Documents

KIND = "container"  # of the documents


class NoSuchContainer(NotFound):
    def __init__(self, text: str) -> None:
        super().__init__(f"No such container: {text}")


class AmbiguousId(InvalidArgument):
    def __init__(self, prefix: str) -> None:
        super().__init__(f"Multiple IDs found with provided prefix: {prefix}")


class NameTaken(Conflict):
    def __init__(self, name: str, holder: str) -> None:
        super().__init__(
            f'Conflict. The container name "/{name}" is already in use by container "{holder}". '
            "You have to remove (or rename) that container to be able to reuse that name."
        )


Containers = list[Container]  # the registry has a method named list
VolumeUsers = dict[str, list[str]]


class ContainerRegistry:
    """`load` once at start, before anything else."""

    def __init__(self, *, documents: Documents, workers: Workers) -> None:
        self._documents = documents
        self._workers = workers
        self._records: dict[ContainerId, Container] = {}
        self._names: dict[str, ContainerId] = {}
        self._lifecycle = KeyedLocks()
        self._writes = KeyedLocks()

    async def load(self) -> None:
        for _, body in await self._workers.run(self._documents.all):
            container = record.decode(body)
            self._records[container.id] = container
            self._names[container.name] = container.id

    # --- lookup -----------------------------------------------------------------------------------

    def get(self, text: str) -> Container:
        """By id, name (with or without its slash) or an id's unique beginning."""
        found = self.find(text)
        if found is None:
            raise NoSuchContainer(text)
        return found

    def find(self, text: str) -> Container | None:
        """Like `get`, None when there is none. Raises AmbiguousId."""
        if not text:
            return None
        exact = self._records.get(ContainerId(text))
        if exact is not None:
            return exact
        named = self._names.get(text.removeprefix("/"))
        if named is not None and named in self._records:
            return self._records[named]
        matches = [one for identifier, one in self._records.items() if identifier.startswith(text)]
        if len(matches) > 1:
            raise AmbiguousId(text)
        return matches[0] if matches else None

    def list(self) -> Containers:
        """In the order of creation."""
        return sorted(self._records.values(), key=lambda one: one.created_ns)

    def __contains__(self, identifier: str) -> bool:
        return identifier in self._records

    # --- changes ----------------------------------------------------------------------------------

    def lock(self, identifier: ContainerId) -> AbstractAsyncContextManager[None]:
        """The lifecycle lock of one container. Two are never held at once."""
        return self._lifecycle.hold(identifier)

    async def add(self, container: Container) -> None:
        """Commit a new container whose name has been reserved."""
        await self._workers.run(self._documents.put, container.id, record.encode(container))
        self._records[container.id] = container

    async def update(
        self, identifier: ContainerId, change: Callable[[Container], Container]
    ) -> Container:
        """Commit `change` of the newest record, then show it. Raises NoSuchContainer."""
        async with self._newest(identifier) as present:
            changed = change(present)
            if changed != present:
                await self._workers.run(self._documents.put, identifier, record.encode(changed))
                self._records[identifier] = changed
        return changed

    async def update_unsaved(
        self, identifier: ContainerId, change: Callable[[Container], Container]
    ) -> Container:
        """For facts that a restart finds out anew: shown at once, saved with the next `update`."""
        async with self._newest(identifier) as present:
            self._records[identifier] = changed = change(present)
        return changed

    async def remove(self, identifier: ContainerId) -> None:
        """Forget the container and its name: the commit point of a removal."""
        async with self._newest(identifier) as present:
            await self._workers.run(self._documents.remove, identifier)
            del self._records[identifier]
            if self._names.get(present.name) == identifier:
                del self._names[present.name]

    @asynccontextmanager
    async def _newest(self, identifier: ContainerId) -> AsyncIterator[Container]:
        async with self._writes.hold(identifier):
            if identifier not in self._records:
                raise NoSuchContainer(identifier)
            yield self._records[identifier]

    # --- names ------------------------------------------------------------------------------------

    def reserve(self, name: str, identifier: ContainerId) -> None:
        """Raises NameTaken."""
        holder = self._names.get(name)
        if holder is not None and holder != identifier:
            raise NameTaken(name, holder)
        self._names[name] = identifier

    def release(self, name: str) -> None:
        """Give a name back that never came to be used, or no longer is."""
        self._names.pop(name, None)

    def claimed(self) -> "set[str]":
        """Snapshots in use: those of containers and of such that are being made, by their ids
        (names are reserved for them), and the chains that containers mount.

        May be called from any thread: gc asks.
        """
        records = list(self._records.values())
        chains = {point.chain_id for one in records for point in one.mounts if point.chain_id}
        return chains.union(self._names.values())

    def is_taken(self, name: str) -> bool:
        return name in self._names

    @contextmanager
    def reserved(self, name: str, identifier: ContainerId) -> Iterator[None]:
        """`reserve`, given back if the block fails."""
        self.reserve(name, identifier)
        try:
            yield
        except BaseException:
            self.release(name)
            raise

    # --- questions of other use cases -------------------------------------------------------------

    def volumes_in_use(self) -> VolumeUsers:
        """Volume name -> ids of the containers that mount it, whatever their state."""
        found: dict[str, list[str]] = {}
        for container in self._records.values():
            names = {mount.name for mount in container.mounts if mount.type == "volume"}
            for name in names - {""}:
                found.setdefault(name, []).append(container.id)
        return found

    def using_image(self, image_id: str) -> Containers:
        """Containers made from that image, or with its files mounted."""
        return [
            one
            for one in self._records.values()
            if one.image_id == image_id or any(point.image_id == image_id for point in one.mounts)
        ]
