"""Containers that are removed while somebody reads their files: an error, and nothing is left."""

import asyncio
import threading

import pytest

from sampan.engine.containers.archive import Archives
from sampan.engine.containers.changes import Changes
from sampan.engine.containers.registry import NoSuchContainer
from sampan.engine.containers.rootview import RootViews
from sampan.errors import NotFound

pytestmark = pytest.mark.integration


def changes_of(world):
    return Changes(
        registry=world.registry,
        rootfs=world.rootfs,
        live=world.live,
        images=None,
        events=world.events,
        workers=world.workers,
    )


def mount_points(world):
    return list(world.paths.rootfs_mounts.iterdir())


def test_what_was_read_of_a_removed_container_is_not_taken_for_whole(play):
    async def scenario(world):
        views = RootViews(rootfs=world.rootfs, workers=world.workers)
        archives = Archives(
            registry=world.registry, views=views, events=world.events, workers=world.workers
        )
        identifier = await world.create("true", Binds=["data:/v"])
        _, files = await archives.get(identifier, "/bin")
        exported = changes_of(world).export(identifier)
        for stream in (files, exported):
            assert await anext(stream)
        await world.remover.remove(identifier)
        for stream in (files, exported):
            with pytest.raises(NoSuchContainer):
                while True:
                    await anext(stream)
        assert mount_points(world) == []

    play(scenario)


def test_no_removal_comes_between_a_mount_and_a_view_of_it(play):
    async def scenario(world):
        identifier = await world.create("true")
        looking, goes_on = threading.Event(), threading.Event()

        def view(root):
            looking.set()
            assert goes_on.wait(10)
            return sorted(path.name for path in root.iterdir())

        async def look():
            async with world.rootfs.viewed(identifier, view) as names:
                return names

        looked = asyncio.create_task(look())
        await asyncio.to_thread(looking.wait, 10)
        removal = asyncio.create_task(world.remover.remove(identifier))
        await asyncio.sleep(0)
        goes_on.set()
        assert "bin" in await looked
        await removal
        assert mount_points(world) == []

    play(scenario)


def test_a_mount_of_a_removed_container_leaves_no_directory(play):
    async def scenario(world):
        identifier = await world.create("true")
        await world.remover.remove(identifier)
        with pytest.raises(NotFound):
            await world.rootfs.acquire(identifier)
        assert mount_points(world) == []

    play(scenario)


def test_a_start_takes_mount_points_away_and_no_files(play):
    """Whatever is found there must not keep the daemon from starting."""

    async def scenario(world):
        (world.paths.rootfs_mounts / "left" / "v" / "w").mkdir(parents=True)
        (world.paths.rootfs_mounts / "kept").mkdir()
        (world.paths.rootfs_mounts / "kept" / "file").write_text("somebody's")
        world = await world.reborn()
        assert [path.name for path in mount_points(world)] == ["kept"]
        (world.paths.rootfs_mounts / "kept" / "file").unlink()

    play(scenario)
