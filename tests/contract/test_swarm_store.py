"""What every store of a swarm must do; etcd's is a member of its own on loopback."""

import asyncio
import shutil
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest

from sampan.swarm import model
from sampan.swarm.etcd.client import EtcdClient, EtcdSilent, encoded
from sampan.swarm.etcd.process import EtcdProcess, MemberSettings, free_port
from sampan.swarm.store.etcd import EtcdStore
from sampan.swarm.store.interface import (
    Action,
    Create,
    NameTaken,
    ObjectMissing,
    OutOfDate,
    Remove,
    Update,
)
from sampan.swarm.store.memory import MemoryStore
from sampan.swarm.store.sealing import Sealer, new_data_key
from sampan.wire.services import ServiceSpec, TaskSpec
from sampan.wire.swarm import ConfigSpec, SecretSpec


@asynccontextmanager
async def in_memory(folder):
    store = MemoryStore()
    yield store
    store.close()


@asynccontextmanager
async def etcd_member(folder):
    if shutil.which("etcd") is None:
        pytest.skip("etcd isn't installed")
    peer = f"127.0.0.1:{free_port()}"
    settings = MemberSettings("one", folder / "etcd", free_port(), peer, peer)
    process = EtcdProcess(settings)
    running = asyncio.ensure_future(process.run())
    client = EtcdClient([settings.endpoint])
    try:
        for _ in range(200):
            with suppress(EtcdSilent):
                await client.call("/v3/kv/range", {"key": encoded("x")})
                break
            await asyncio.sleep(0.02)
        yield client
    finally:
        await client.close()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@asynccontextmanager
async def on_etcd(folder):
    async with (
        etcd_member(folder) as client,
        EtcdStore.opened(client, Sealer([new_data_key()]), "writer") as store,
    ):
        yield store


@pytest.fixture(params=[in_memory, on_etcd])
def run(request, tmp_path):
    """Calls an async test with a fresh store."""

    def call(test):
        async def main():
            async with request.param(tmp_path) as store:
                await test(store)

        asyncio.run(main())

    return call


def config(name, text=""):
    return model.Config(id=model.new_id(), spec=ConfigSpec(Name=name, Data=text))


def task(service_id="", node_id=""):
    return model.Task(id=model.new_id(), spec=TaskSpec(), service_id=service_id, node_id=node_id)


def found(store, item):
    return store.tables.find(type(item), item.id)


def changed(item, text):
    return msgspec.structs.replace(item, spec=msgspec.structs.replace(item.spec, Data=text))


def named(item, name):
    return msgspec.structs.replace(item, spec=msgspec.structs.replace(item.spec, Name=name))


def test_what_is_created_is_in_the_replica_with_its_version(run):
    async def test(store):
        item = config("one", "text")
        revision = await store.apply(Create(item))
        stored = found(store, item)
        assert stored.version == revision == store.tables.revision
        assert stored.spec == item.spec
        assert stored.created_ns == stored.updated_ns > 0
        assert store.tables.find_named(model.Config, "one") == stored

    run(test)


def test_an_update_needs_the_version_that_was_read(run):
    async def test(store):
        item = config("one")
        await store.apply(Create(item))
        first = found(store, item)
        revision = await store.apply(Update(changed(first, "new")))
        second = found(store, item)
        assert (second.spec.Data, second.version) == ("new", revision)
        assert second.created_ns == first.created_ns
        with pytest.raises(OutOfDate, match="update out of sequence"):
            await store.apply(Update(changed(first, "late")))
        with pytest.raises(OutOfDate):
            await store.apply(Remove(first))
        assert found(store, item) == second

    run(test)


def test_what_is_removed_is_gone_and_its_name_free(run):
    async def test(store):
        item = config("one")
        await store.apply(Create(item))
        await store.apply(Remove(found(store, item)))
        assert found(store, item) is None
        with pytest.raises(ObjectMissing):
            await store.apply(Update(item))
        again = config("one")
        await store.apply(Create(again))
        assert store.tables.find_named(model.Config, "one").id == again.id

    run(test)


def test_names_are_unique_within_a_kind(run):
    async def test(store):
        await store.apply(Create(config("one")))
        with pytest.raises(NameTaken):
            await store.apply(Create(config("one")))
        secret = model.Secret(id=model.new_id(), spec=SecretSpec(Name="one"))
        await store.apply(Create(secret))
        assert store.tables.count(model.Config) == 1

    run(test)


def test_one_transaction_cannot_take_a_name_twice(run):
    async def test(store):
        with pytest.raises(NameTaken):
            await store.apply(Create(config("one")), Create(config("one")))
        assert store.tables.count(model.Config) == 0

    run(test)


def test_an_object_is_in_a_transaction_once(run):
    async def test(store):
        item = config("one")
        with pytest.raises(OutOfDate):
            await store.apply(Create(item), Create(named(item, "two")))
        await store.apply(Create(item))
        there = found(store, item)
        with pytest.raises(OutOfDate):
            await store.apply(Update(changed(there, "a")), Remove(there))

    run(test)


def test_a_new_name_is_taken_and_the_old_one_freed(run):
    async def test(store):
        item = config("old")
        await store.apply(Create(item), Create(config("other")))
        with pytest.raises(NameTaken):
            await store.apply(Update(named(found(store, item), "other")))
        await store.apply(Update(named(found(store, item), "new")))
        assert store.tables.find_named(model.Config, "old") is None
        assert store.tables.find_named(model.Config, "new").id == item.id
        await store.apply(Create(config("old")))

    run(test)


def test_a_transaction_is_all_or_nothing(run):
    async def test(store):
        item = config("one")
        await store.apply(Create(item))
        stale = found(store, item)
        await store.apply(Update(changed(stale, "newer")))
        with pytest.raises(OutOfDate):
            await store.apply(Create(config("two")), Update(changed(stale, "late")))
        assert store.tables.find_named(model.Config, "two") is None

    run(test)


def test_watchers_see_each_transaction_once_and_in_order(run):
    async def test(store):
        await store.apply(Create(config("before")))
        one, two = config("one"), config("two")
        with store.watch() as commits:
            await store.apply(Create(one), Create(two))
            await store.apply(Update(changed(found(store, one), "new")))
            await store.apply(Remove(found(store, two)))
            seen = [await anext(commits) for _ in range(3)]
        actions = [[event.action for event in commit.events] for commit in seen]
        assert actions == [[Action.CREATED] * 2, [Action.UPDATED], [Action.REMOVED]]
        assert {event.item.id for event in seen[0].events} == {one.id, two.id}
        updated = seen[1].events[0]
        assert (updated.old.spec.Data, updated.item.spec.Data) == ("", "new")
        assert seen[2].events[0].item.id == two.id
        revisions = [commit.revision for commit in seen]
        assert revisions == sorted(set(revisions))
        assert store.tables.revision == revisions[-1]

    run(test)


def test_of_two_writers_of_one_version_one_wins(run):
    async def test(store):
        item = config("one")
        await store.apply(Create(item))
        there = found(store, item)
        outcomes = await asyncio.gather(
            *(store.apply(Update(changed(there, str(number)))) for number in range(8)),
            return_exceptions=True,
        )
        won = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, int)]
        assert len(won) == 1
        assert all(isinstance(one, int | OutOfDate) for one in outcomes)
        assert found(store, item).spec.Data == str(won[0])

    run(test)


def test_of_two_that_take_a_name_one_wins(run):
    async def test(store):
        outcomes = await asyncio.gather(
            *(store.apply(Create(config("one"))) for _ in range(8)), return_exceptions=True
        )
        assert sum(isinstance(outcome, int) for outcome in outcomes) == 1
        assert all(isinstance(one, int | NameTaken) for one in outcomes)

    run(test)


def test_a_large_transaction_and_its_lookups(run):
    async def test(store):
        tasks = [task("service", f"node{number % 3}") for number in range(300)]
        await store.apply(*map(Create, tasks))
        assert len(store.tables.tasks_of("service")) == 300
        assert len(store.tables.tasks_on("node1")) == 100
        await store.apply(*map(Remove, store.tables.tasks_on("node1")))
        assert store.tables.count(model.Task) == 200
        assert store.max_changes >= 300

    run(test)


def test_nothing_to_change_is_no_transaction(run):
    async def test(store):
        before = store.tables.revision
        assert await store.apply() == before

    run(test)


def test_objects_come_back_as_they_were(run):
    async def test(store):
        service = model.Service(
            id=model.new_id(),
            spec=ServiceSpec(Name="web", Labels={"a": "b/ü"}),
            endpoint=model.Endpoint(
                virtual_ips=(model.VirtualIP(network_id="n", addr="10.0.0.2/24"),)
            ),
        )
        await store.apply(Create(service))
        stored = found(store, service)
        blank = msgspec.structs.replace(stored, version=0, created_ns=0, updated_ns=0)
        assert blank == service

    run(test)
