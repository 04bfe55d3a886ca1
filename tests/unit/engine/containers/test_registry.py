import asyncio
from dataclasses import replace
from functools import partial

import pytest

from sampan.engine.containers import record
from sampan.engine.containers.registry import (
    AmbiguousId,
    ContainerRegistry,
    NameTaken,
    NoSuchContainer,
)
from sampan.lib.workers import Workers
from sampan.store.metadata import Database, Documents
from unit.engine.containers.samples import container


@pytest.fixture
def play(tmp_path):
    def run(scenario):
        async def main():
            database = Database(tmp_path / "db")
            try:
                await scenario(lambda: opened(database))
            finally:
                database.close()

        asyncio.run(main())

    return run


async def opened(database) -> ContainerRegistry:
    registry = ContainerRegistry(documents=Documents(database, "container"), workers=Workers())
    await registry.load()
    return registry


async def added(registry, name="box"):
    one = container(name)
    registry.reserve(name, one.id)
    await registry.add(one)
    return one


def test_containers_are_found_by_id_name_and_prefix(play):
    async def scenario(open_registry):
        registry = await open_registry()
        one = await added(registry)
        for text in (one.id, "box", "/box", one.id[:8]):
            assert registry.get(text) is one
        with pytest.raises(NoSuchContainer, match="No such container: nope"):
            registry.get("nope")
        for number in range(17):
            await added(registry, f"b{number}")
        twice = next(
            digit
            for digit in "0123456789abcdef"
            if sum(other.id.startswith(digit) for other in registry.list()) > 1
        )
        with pytest.raises(AmbiguousId, match="Multiple IDs found with provided prefix"):
            registry.get(twice)

    play(scenario)


def test_a_name_has_one_holder_until_it_is_removed(play):
    async def scenario(open_registry):
        registry = await open_registry()
        one = await added(registry)
        with pytest.raises(NameTaken, match=f'name "/box" is already in use .* "{one.id}"'):
            registry.reserve("box", container().id)
        with pytest.raises(ZeroDivisionError), registry.reserved("other", container().id):
            raise ZeroDivisionError
        assert not registry.is_taken("other")
        await registry.remove(one.id)
        assert not registry.is_taken("box")

    play(scenario)


def test_committed_changes_survive_and_unsaved_ones_do_not(play):
    async def scenario(open_registry):
        registry = await open_registry()
        one = await added(registry)
        await registry.update(one.id, partial(record.renamed, name="new"))
        await registry.update_unsaved(one.id, partial(record.paused, value=True))
        assert registry.get(one.id).state.paused
        again = await open_registry()
        assert again.get(one.id).name == "new"
        assert not again.get(one.id).state.paused

    play(scenario)


def test_concurrent_updates_do_not_lose_each_other(play):
    async def scenario(open_registry):
        registry = await open_registry()
        one = await added(registry)
        await asyncio.gather(
            *(registry.update(one.id, partial(_count, by=1)) for _ in range(20)),
            registry.update(one.id, partial(record.paused, value=True)),
        )
        assert registry.get(one.id).restart_count == 20
        assert registry.get(one.id).state.paused

    play(scenario)


def _count(one, by):
    return replace(one, restart_count=one.restart_count + by)


def test_a_removed_container_can_not_be_changed(play):
    async def scenario(open_registry):
        registry = await open_registry()
        one = await added(registry)
        await registry.remove(one.id)
        with pytest.raises(NoSuchContainer):
            await registry.update(one.id, record.stop_asked)
        assert (await open_registry()).list() == []

    play(scenario)
