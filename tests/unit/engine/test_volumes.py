from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

from sampan.engine.events import EventLog
from sampan.engine.volumes import Volumes
from sampan.errors import Conflict, NotFound
from sampan.lib.workers import Workers
from sampan.store.metadata import Database, Documents
from sampan.volumes.store import VolumeStore
from sampan.wire.filters import parse
from sampan.wire.volumes import VolumeCreate


class Users:
    def __init__(self) -> None:
        self.used: dict[str, list[str]] = {}

    def volumes_in_use(self) -> Mapping[str, list[str]]:
        return self.used


class Kit:
    def __init__(self, root: Path) -> None:
        self.users = Users()
        self.events = EventLog()
        self.volumes = Volumes(
            store=VolumeStore(
                documents=Documents(Database(root / "db"), "volume"), root=root / "volumes"
            ),
            users=self.users,
            events=self.events,
            workers=Workers(),
        )

    def actions(self) -> list[str]:
        return [event.action for event in self.events.history(0)]


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path)


def test_create_is_told_once(kit: Kit) -> None:
    async def main() -> None:
        for _ in range(2):
            view = await kit.volumes.create(VolumeCreate(Name="data", Labels={"a": "1"}))
            assert (view.Name, view.Labels, view.Scope) == ("data", {"a": "1"}, "local")
        assert kit.actions() == ["create"]

    anyio.run(main)


def test_used_volumes_are_not_removed(kit: Kit) -> None:
    async def main() -> None:
        await kit.volumes.create(VolumeCreate(Name="data"))
        kit.users.used = {"data": ["c1"]}
        with pytest.raises(Conflict, match=r"remove data: volume is in use - \[c1\]"):
            await kit.volumes.remove("data")
        kit.users.used = {}
        await kit.volumes.remove("data")
        with pytest.raises(NotFound):
            await kit.volumes.remove("data")
        await kit.volumes.remove("data", force=True)

    anyio.run(main)


def test_prune_takes_unused_anonymous_volumes_only(kit: Kit) -> None:
    async def main() -> None:
        anonymous = await kit.volumes.create(VolumeCreate())
        used = await kit.volumes.create(VolumeCreate())
        await kit.volumes.create(VolumeCreate(Name="named"))
        kit.users.used = {used.Name: ["c1"]}
        pruned = await kit.volumes.prune(parse(None))
        assert pruned.VolumesDeleted == [anonymous.Name]
        pruned = await kit.volumes.prune(parse('{"all":["1"]}'))
        assert pruned.VolumesDeleted == ["named"]

    anyio.run(main)


def test_list_filters(kit: Kit) -> None:
    async def names(text: str) -> list[str]:
        return [view.Name for view in (await kit.volumes.list(parse(text))).Volumes]

    async def main() -> None:
        await kit.volumes.create(VolumeCreate(Name="one", Labels={"k": "v"}))
        await kit.volumes.create(VolumeCreate(Name="two"))
        kit.users.used = {"two": ["c1"]}
        assert await names('{"label":["k=v"]}') == ["one"]
        assert await names('{"dangling":["true"]}') == ["one"]
        assert await names('{"dangling":["false"]}') == ["two"]
        assert await names('{"name":["tw"]}') == ["two"]

    anyio.run(main)
