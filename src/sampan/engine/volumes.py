"""Volumes as clients see them: create, inspect, list, remove, prune; with events and in-use checks.

The data and documents belong to `volumes.store.VolumeStore`; who uses a volume is a question for
the containers, asked through `VolumeUsers`. A volume that a container names (running or not) can't
be removed; without containers it can, whatever is in it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from sampan.engine.events import EventLog
from sampan.errors import Conflict, InvalidArgument
from sampan.lib import gotime
from sampan.lib.workers import Workers
from sampan.volumes.drivers import DRIVERS
from sampan.volumes.model import NoSuchVolume, Volume
from sampan.volumes.store import VolumeStore
from sampan.wire.filters import Filters
from sampan.wire.volumes import VolumeCreate, VolumeList, VolumesPruned, VolumeUsage, VolumeView

LIST_FILTERS = ("dangling", "driver", "label", "label!", "name")
PRUNE_FILTERS = ("label", "label!", "all")


class VolumeInUse(Conflict):
    def __init__(self, name: str, containers: Sequence[str]) -> None:
        super().__init__(f"remove {name}: volume is in use - [{', '.join(containers)}]")


class VolumeUsers(Protocol):
    """Which containers name a volume; asked on the event loop."""

    def volumes_in_use(self) -> Mapping[str, list[str]]:
        """Volume name -> ids of the containers that mount it, whatever their state."""


class Volumes:
    """The use cases of `docker volume`."""

    def __init__(
        self, *, store: VolumeStore, users: VolumeUsers, events: EventLog, workers: Workers
    ) -> None:
        self._store = store
        self._users = users
        self._events = events
        self._workers = workers

    async def create(self, request: VolumeCreate) -> VolumeView:
        volume = await self.ensure(
            request.Name or None,
            driver=request.Driver,
            options=request.DriverOpts,
            labels=request.Labels,
        )
        return view(volume)

    async def ensure(
        self,
        name: str | None,
        *,
        driver: str = "",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        owner: str = "",
    ) -> Volume:
        """The volume of that name, made if need be (event `create`); anonymous for None.

        An anonymous one goes with the container `owner`, even if that never comes to be.
        """
        volume, new = await self._workers.run(
            self._store.create,
            name,
            driver=driver or "local",
            options=options,
            labels=labels,
            owner=owner,
        )
        if new:
            self._events.publish("volume", "create", volume.name, {"driver": volume.driver})
        return volume

    async def inspect(self, name: str) -> VolumeView:
        return view(await self._workers.run(self._store.get, name))

    async def list(self, filters: Filters) -> VolumeList:
        filters.check_keys(LIST_FILTERS)
        volumes = await self._workers.run(self._store.list)
        used = self._users.volumes_in_use()
        return VolumeList(
            Volumes=[view(volume) for volume in volumes if _matches(volume, filters, used)]
        )

    async def usage(self) -> Sequence[VolumeView]:
        """All volumes with their size and number of users, for `system df`."""
        used = self._users.volumes_in_use()
        found = []
        for volume in await self._workers.run(self._store.list):
            size_bytes = await self._workers.run(self._store.usage_bytes, volume)
            found.append(
                view(
                    volume,
                    VolumeUsage(RefCount=len(used.get(volume.name, [])), Size=size_bytes),
                )
            )
        return found

    async def remove(self, name: str, *, force: bool = False) -> None:
        """Raises NoSuchVolume (unless `force`) and VolumeInUse."""
        volume = await self._workers.run(self._store.find, name)
        if volume is None:
            if force:
                return
            raise NoSuchVolume(name)
        if containers := self._users.volumes_in_use().get(name):
            raise VolumeInUse(name, containers)
        await self._workers.run(self._store.remove, name)
        self._events.publish("volume", "destroy", name, {"driver": volume.driver})

    async def prune(self, filters: Filters) -> VolumesPruned:
        """Remove unused volumes: anonymous ones, or all with the filter `all=true`."""
        filters.check_keys(PRUNE_FILTERS)
        everything = filters.boolean("all")
        used = self._users.volumes_in_use()
        removed, reclaimed = [], 0
        for volume in await self._workers.run(self._store.list):
            if volume.name in used or not (volume.anonymous or everything):
                continue
            if filters.match_labels(volume.labels) and filters.match_no_labels(volume.labels):
                reclaimed += await self._workers.run(self._store.usage_bytes, volume)
                await self.remove(volume.name, force=True)
                removed.append(volume.name)
        self._events.publish("volume", "prune", "", {"reclaimed": str(reclaimed)})
        return VolumesPruned(VolumesDeleted=removed, SpaceReclaimed=reclaimed)

    @staticmethod
    def drivers() -> Sequence[str]:
        return DRIVERS


def view(volume: Volume, usage: VolumeUsage | None = None) -> VolumeView:
    return VolumeView(
        CreatedAt=gotime.format_ns(volume.created_ns // gotime.NANOS * gotime.NANOS),
        Driver=volume.driver,
        Labels=dict(volume.labels) or None,
        Mountpoint=str(volume.mountpoint),
        Name=volume.name,
        Options=dict(volume.options) or None,
        UsageData=usage,
    )


def _matches(volume: Volume, filters: Filters, used: Mapping[str, list[str]]) -> bool:
    if "dangling" in filters and filters.boolean("dangling") != (volume.name not in used):
        return False
    if "name" in filters and not any(_found(text, volume.name) for text in filters.get("name")):
        return False
    return (
        filters.match_exact("driver", volume.driver)
        and filters.match_labels(volume.labels)
        and filters.match_no_labels(volume.labels)
    )


def _found(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error as error:
        raise InvalidArgument(f"invalid filter 'name={pattern}': {error}") from error
